"""The guarded client against servers that lie, dawdle and redirect, and names that change their mind."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from core import clock
from core.errors import AddressRefused, RopError, SourceRefused, Unreachable
from core.http import Deadline, Guarded, Incoming, Lines, retry_after
from core.settings import Settings
from core.transport import system_addresses
from tests.peers.certificates import certificate, server_context
from tests.peers.file_peer import FilePeer, answer, drip, endless, redirect, serve, silent, status
from tests.peers.sockets import Listener, canary, read_head
from tests.peers.webhook_peer import Reply, WebhookPeer

OPEN = "127.0.0.2"  # the one address of these tests that may be reached
LATE = 15.0  # seconds: far above every limit set here, far below the minute for which the peers would go on


@dataclass
class Names:
    """A resolver that answers each name with its lists of addresses in turn, then with the last for ever."""

    answers: dict[str, list[list[str]]]
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str, _port: int, _seconds: float) -> list[str]:
        self.asked.append(host)
        mine = self.answers[host]
        return mine.pop(0) if len(mine) > 1 else mine[0]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, allowed_networks=f"{OPEN}/32", connect_seconds=1.0)


def body_of(http: Guarded, url: str, seconds: float = 5.0, **headers: str) -> bytes:
    with http.get_stream(url, headers, deadline=Deadline(seconds)) as incoming:
        return b"".join(incoming.chunks)


def refused_rule(http: Guarded, url: str) -> str:
    with pytest.raises(AddressRefused) as caught:
        body_of(http, url)
    return str(caught.value.fields["rule"])


class TestAddresses:
    def test_an_allowed_address_answers(self, settings: Settings) -> None:
        with FilePeer({"/a": serve(b"hello")}, OPEN) as peer:
            assert body_of(Guarded(settings), peer.url("/a")) == b"hello"

    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0x7f.1", "127.1", "0", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]"],
    )
    def test_every_way_to_write_this_machine_is_refused_before_any_connection(self, settings: Settings, host: str) -> None:
        with canary() as bird, pytest.raises(AddressRefused):
            body_of(Guarded(settings), f"http://{host}:{bird.port}/")
        assert bird.connections == 0

    @pytest.mark.parametrize("host", ["0177.0.0.1", "127.0.0.01", "①②⑦.⓪.⓪.①", "[::1", "a b"])
    def test_malformed_hosts_are_refused(self, settings: Settings, host: str) -> None:
        with canary() as bird:
            assert refused_rule(Guarded(settings), f"http://{host}:{bird.port}/") == "bad_url"
        assert bird.connections == 0

    @pytest.mark.parametrize(
        ("url", "rule"),
        [
            ("ftp://127.0.0.2/a.mp3", "scheme"),
            ("file:///etc/passwd", "scheme"),
            ("gopher://127.0.0.2/", "scheme"),
            ("unix:///run/x.sock", "scheme"),
            ("//127.0.0.2/a", "scheme"),
            ("/etc/passwd", "scheme"),
            ("", "scheme"),
            ("http://", "bad_url"),
            ("http://127.0.0.2:0/", "bad_url"),
            ("http://127.0.0.2:99999/", "bad_url"),
            ("http://user:secret@127.0.0.2/", "userinfo"),
            ("http://127.0.0.2@127.0.0.1/", "userinfo"),
            ("http://user@127.0.0.2/", "userinfo"),
        ],
    )
    def test_urls_that_are_no_plain_http(self, settings: Settings, url: str, rule: str) -> None:
        assert refused_rule(Guarded(settings), url) == rule

    def test_a_name_with_one_bad_address_among_good_ones_is_refused(self, settings: Settings) -> None:
        names = Names({"crm.test": [[OPEN, "169.254.169.254"]]})
        with FilePeer({"/a": serve(b"hello")}, OPEN) as peer:
            assert refused_rule(Guarded(settings, names), peer.url("/a", "crm.test")) == "link_local"
            assert peer.listener.connections == 0

    def test_the_second_address_is_tried_when_the_first_does_not_answer(self, tmp_path: Path) -> None:
        settings = Settings(home=tmp_path, allowed_networks="127.0.0.2/32,127.0.0.3/32")
        with FilePeer({"/a": serve(b"hello")}, OPEN) as peer:
            names = Names({"crm.test": [["127.0.0.3", OPEN]]})
            assert body_of(Guarded(settings, names), peer.url("/a", "crm.test")) == b"hello"
            assert peer.requests[0].headers["host"] == f"crm.test:{peer.listener.port}"

    def test_check_says_beforehand_what_would_be_refused(self, settings: Settings) -> None:
        http = Guarded(settings, Names({"crm.test": [[OPEN]], "bad.test": [["10.0.0.1"]]}))
        http.check("http://crm.test/hook")
        with pytest.raises(AddressRefused):
            http.check("http://bad.test/hook")
        with pytest.raises(AddressRefused):
            http.check("http://127.0.0.1/hook")

    def test_check_passes_a_name_that_does_not_resolve_now(self, settings: Settings) -> None:
        Guarded(settings).check("http://no-such-name.invalid/hook")


class TestRebinding:
    def test_the_address_that_was_vetted_is_the_one_that_is_connected(self, settings: Settings) -> None:
        """The name turns to loopback after the first answer; a client that asked twice would follow it there."""
        names = Names({"crm.test": [[OPEN], ["127.0.0.1"]]})
        with FilePeer({"/a": serve(b"hello")}, OPEN) as peer, canary() as bird:
            assert body_of(Guarded(settings, names), peer.url("/a", "crm.test")) == b"hello"
        assert names.asked == ["crm.test"]
        assert bird.connections == 0

    def test_the_next_request_is_vetted_anew(self, settings: Settings) -> None:
        names = Names({"crm.test": [[OPEN], ["127.0.0.1"]]})
        http = Guarded(settings, names)
        with FilePeer({"/a": serve(b"hello")}, OPEN) as peer:
            assert body_of(http, peer.url("/a", "crm.test")) == b"hello"
            assert refused_rule(http, peer.url("/a", "crm.test")) == "loopback"
            assert len(peer.requests) == 1

    def test_a_redirect_to_the_same_name_is_vetted_anew(self, settings: Settings) -> None:
        names = Names({"crm.test": [[OPEN], ["127.0.0.1"]]})
        with canary() as bird, FilePeer(host=OPEN) as peer:
            peer.routes["/a"] = redirect(f"http://crm.test:{bird.port}/")
            assert refused_rule(Guarded(settings, names), peer.url("/a", "crm.test")) == "loopback"
        assert bird.connections == 0


class TestRedirects:
    @pytest.mark.parametrize(
        "to", ["http://127.0.0.1:{port}/", "http://169.254.169.254/latest/", "http://[::1]:{port}/", "http://2130706433:{port}/"]
    )
    def test_a_redirect_into_the_machine_reaches_nobody(self, settings: Settings, to: str) -> None:
        with canary() as bird, FilePeer({"/a": redirect(to.format(port=bird.port))}, OPEN) as peer:
            refused_rule(Guarded(settings), peer.url("/a"))
        assert bird.connections == 0

    @pytest.mark.parametrize(
        ("to", "rule"), [("file:///etc/passwd", "scheme"), ("http://u:p@127.0.0.2/", "userinfo"), ("gopher://127.0.0.2/", "scheme")]
    )
    def test_a_redirect_to_another_kind_of_url_is_refused(self, settings: Settings, to: str, rule: str) -> None:
        with FilePeer({"/a": redirect(to)}, OPEN) as peer:
            assert refused_rule(Guarded(settings), peer.url("/a")) == rule

    def test_three_redirects_are_followed_and_a_fourth_is_not(self, settings: Settings) -> None:
        routes = {
            "/1": redirect("/2", 301),
            "/2": redirect("/3", 307),
            "/3": redirect("/4", 308),
            "/4": serve(b"there"),
            "/0": redirect("/1"),
        }
        with FilePeer(routes, OPEN) as peer:
            assert body_of(Guarded(settings), peer.url("/1")) == b"there"
            with pytest.raises(SourceRefused) as caught:
                body_of(Guarded(settings), peer.url("/0"))
        assert caught.value.reason == "too_many_redirects"

    def test_credentials_do_not_follow_a_redirect(self, settings: Settings) -> None:
        with FilePeer({"/a": redirect("/b"), "/b": serve(b"there")}, OPEN) as peer:
            body_of(Guarded(settings), peer.url("/a"), Authorization="Bearer x", Cookie="a=b", Range="bytes=0-1")
            first, second = peer.requests
        assert first.headers["authorization"] == "Bearer x"
        assert {"authorization", "cookie"}.isdisjoint(second.headers)
        assert second.headers["range"] == "bytes=0-1"

    def test_a_post_is_never_redirected(self, settings: Settings) -> None:
        with canary() as bird, WebhookPeer([Reply(301, {"Location": f"http://127.0.0.1:{bird.port}/"})], OPEN) as peer:
            assert Guarded(settings).post(peer.url(), b"{}", {}, Deadline(5)).status == 301
            assert len(peer.received) == 1
        assert bird.connections == 0


class TestDeadlines:
    @pytest.mark.parametrize("part", ["header", "body", "nothing", "handshake"])
    def test_a_server_that_drips_is_cut_off_in_time(self, settings: Settings, part: str) -> None:
        def header(connection: socket.socket) -> None:
            read_head(connection)
            for byte in answer(200, {"Content-Length": 2, "X-Padding": "x" * 1000}, b"ok"):
                connection.sendall(bytes([byte]))
                if listener.pause(0.05):
                    return

        with Listener(header, OPEN) as listener, FilePeer({"/body": drip(bytes(1000), 0.05), "/nothing": silent()}, OPEN) as peer:
            url = {"header": listener.url, "body": peer.url("/body"), "nothing": peer.url("/nothing")}.get(part)
            url = url or f"https://{OPEN}:{peer.listener.port}/nothing"
            begun = time.monotonic()
            with pytest.raises(Unreachable) as caught:
                body_of(Guarded(settings), url, seconds=0.5)
            spent = time.monotonic() - begun
        assert caught.value.reason == "timeout"
        assert 0.4 < spent < LATE

    def test_one_silence_may_be_shorter_than_the_whole(self, settings: Settings) -> None:
        with FilePeer({"/a": silent()}, OPEN) as peer:
            begun = time.monotonic()
            with pytest.raises(Unreachable), Guarded(settings).get_stream(peer.url("/a"), deadline=Deadline(60), read_seconds=0.3):
                pass
        assert time.monotonic() - begun < LATE

    def test_a_receiver_that_reads_nothing_is_cut_off_in_time(self, settings: Settings) -> None:
        def unread(connection: socket.socket) -> None:
            read_head(connection)
            listener.pause(60)

        with Listener(unread, OPEN) as listener:
            begun = time.monotonic()
            with pytest.raises(Unreachable) as caught:
                Guarded(settings).post(listener.url, bytes(30_000_000), {}, Deadline(0.5))
        assert caught.value.reason == "timeout"
        assert time.monotonic() - begun < LATE

    def test_an_address_that_does_not_answer_costs_the_connect_time_alone(self, tmp_path: Path) -> None:
        full = socket.socket()
        full.bind((OPEN, 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex((OPEN, port))
        settings = Settings(home=tmp_path, allowed_networks=f"{OPEN}/32", connect_seconds=0.4)
        begun = time.monotonic()
        with pytest.raises(Unreachable):
            body_of(Guarded(settings), f"http://{OPEN}:{port}/", seconds=60)
        assert time.monotonic() - begun < LATE
        for one in (full, *waiting):
            one.close()

    def test_a_resolver_that_hangs_is_not_waited_for(self) -> None:
        with pytest.raises(Unreachable):
            system_addresses("no-such-name.invalid", 80, 0.0)


class TestAnswers:
    def test_ten_megabytes_of_answer_are_not_read(self, settings: Settings) -> None:
        with FilePeer({"/hook": endless(b"x" * 65536)}, OPEN) as peer:
            given = Guarded(settings).post(peer.url("/hook"), b"{}", {}, Deadline(60))
        assert given.status == 200
        assert given.body_head == b"x" * settings.webhook_read_bytes
        assert given.seconds < LATE

    def test_the_status_counts_though_the_body_never_ends(self, settings: Settings) -> None:
        with FilePeer({"/hook": drip(bytes(1000), 0.05)}, OPEN) as peer:
            given = Guarded(settings).post(peer.url("/hook"), b"{}", {}, Deadline(0.5))
        assert given.status == 200
        assert given.seconds < LATE

    def test_nothing_is_decompressed(self, settings: Settings) -> None:
        with FilePeer({"/a": serve(b"\x1f\x8b not really", Content_Encoding="gzip")}, OPEN) as peer:
            assert body_of(Guarded(settings), peer.url("/a")) == b"\x1f\x8b not really"
            assert peer.requests[0].headers["accept-encoding"] == "identity"

    @pytest.mark.parametrize(
        ("headers", "body"),
        [({"Content-Length": 100}, b"short"), ({"Content-Length": "ten"}, b""), ({"Transfer-Encoding": "chunked"}, b"zz\r\n")],
    )
    def test_lies_about_the_body_are_a_broken_connection(self, settings: Settings, headers: dict[str, object], body: bytes) -> None:
        def lie(_peer: FilePeer, connection: socket.socket, _request: object) -> None:
            connection.sendall(answer(200, headers, body))

        with FilePeer({"/a": lie}, OPEN) as peer, pytest.raises(Unreachable) as caught:
            body_of(Guarded(settings), peer.url("/a"))
        assert caught.value.reason == "broken"

    @pytest.mark.parametrize("garbage", [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 300_000])
    def test_garbage_instead_of_http_is_a_broken_connection(self, settings: Settings, garbage: bytes) -> None:
        def talk(connection: socket.socket) -> None:
            read_head(connection)
            connection.sendall(garbage)

        with Listener(talk, OPEN) as listener, pytest.raises(Unreachable) as caught:
            body_of(Guarded(settings), listener.url)
        assert caught.value.reason == "broken"

    def test_nobody_listens(self, settings: Settings) -> None:
        with socket.create_server((OPEN, 0)) as gone:
            port = gone.getsockname()[1]
        with pytest.raises(Unreachable) as caught:
            body_of(Guarded(settings), f"http://{OPEN}:{port}/")
        assert caught.value.reason == "connect_failed"

    def test_a_name_that_does_not_exist(self, settings: Settings) -> None:
        with pytest.raises(Unreachable) as caught:
            body_of(Guarded(settings), "http://no-such-name.invalid/")
        assert caught.value.reason in {"dns_failed", "timeout"}

    def test_no_cookie_is_kept_and_no_connection_reused(self, settings: Settings) -> None:
        http = Guarded(settings)
        with FilePeer({"/a": serve(b"", Set_Cookie="session=1")}, OPEN) as peer:
            body_of(http, peer.url("/a"))
            body_of(http, peer.url("/a"))
            assert peer.listener.connections == 2
            assert "cookie" not in peer.requests[1].headers

    def test_proxy_variables_are_ignored(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        with canary(OPEN) as proxy, FilePeer({"/a": serve(b"hello")}, OPEN) as peer:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.url)
            assert body_of(Guarded(settings), peer.url("/a")) == b"hello"
        assert proxy.connections == 0


class TestLines:
    def test_posts_to_one_name_share_a_connection_for_as_long_as_the_lines_are_open(self, settings: Settings) -> None:
        http = Guarded(settings)
        with WebhookPeer(host=OPEN) as peer:
            for _ in range(2):
                with Lines() as lines:
                    for _ in range(5):
                        http.post(peer.url(), b"{}", {}, Deadline(5), lines)
            assert (len(peer.received), peer.connections) == (10, 2)

    def test_two_names_at_one_address_never_share_a_connection(self, settings: Settings) -> None:
        http = Guarded(settings, Names({"a.test": [[OPEN]], "b.test": [[OPEN]]}))
        with WebhookPeer(host=OPEN) as peer, Lines() as lines:
            for name in ("a.test", "b.test", "a.test"):
                http.post(f"http://{name}:{peer.port}/", b"{}", {}, Deadline(5), lines)
            assert peer.connections == 2

    def test_a_server_that_hangs_up_meanwhile_is_called_again(self, settings: Settings) -> None:
        """It promised to stay, as HTTP/1.1 does, and closes after every answer."""
        with FilePeer({"/hook": serve(b"ok")}, OPEN) as peer, Lines() as lines:
            for _ in range(5):
                assert Guarded(settings).post(peer.url("/hook"), b"{}", {}, Deadline(5), lines).status == 200
            assert peer.listener.connections == 5

    def test_a_kept_connection_obeys_the_deadline_of_its_present_post(self, settings: Settings) -> None:
        with WebhookPeer([Reply(), Reply(after=60)], OPEN) as peer, Lines() as lines:
            Guarded(settings).post(peer.url(), b"{}", {}, Deadline(30), lines)
            begun = time.monotonic()
            with pytest.raises(Unreachable):
                Guarded(settings).post(peer.url(), b"{}", {}, Deadline(0.3), lines)
            assert time.monotonic() - begun < LATE
            assert peer.connections == 1

    def test_an_answer_that_was_not_read_to_its_end_ends_the_connection(self, settings: Settings) -> None:
        with WebhookPeer([Reply(body=bytes(1_000_000))], OPEN) as peer, Lines() as lines:
            for _ in range(3):
                assert Guarded(settings).post(peer.url(), b"{}", {}, Deadline(5), lines).status == 200
            assert peer.connections == 3


class TestSecrecy:
    def test_neither_errors_nor_logs_show_more_than_the_host(self, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        seen = ""
        with FilePeer({"/private-path": status(500), "/away": redirect("/x?token=secret-2", 302)}, OPEN) as peer:
            urls = [
                peer.url("/private-path?token=secret-1"),
                peer.url("/away"),
                "http://u:secret-3@127.0.0.1/",
                f"http://{OPEN}:1/?secret-4",
            ]
            for url in urls:
                try:
                    body_of(Guarded(settings), url)
                except RopError as error:
                    seen += f"{error!r} {error.text()} {error.fields} {error.__cause__!r}"
        seen += caplog.text
        assert "secret" not in seen
        assert "private-path" not in seen


class TestRanges:
    def test_what_a_partial_answer_says_about_the_whole(self, settings: Settings) -> None:
        content = bytes(range(100))
        with FilePeer({"/a": serve(content)}, OPEN) as peer:
            with Guarded(settings).get_stream(peer.url("/a"), {"Range": "bytes=10-19"}, deadline=Deadline(5)) as incoming:
                assert (incoming.status, incoming.start, incoming.total) == (206, 10, 100)
                assert b"".join(incoming.chunks) == content[10:20]
            with Guarded(settings).get_stream(peer.url("/a"), {"Range": "bytes=100-"}, deadline=Deadline(5)) as incoming:
                assert (incoming.status, incoming.total) == (416, 100)

    @pytest.mark.parametrize("value", ["", "bytes", "bytes 1-2", "bytes x-y/z", "items 0-1/2", "bytes 0-1/" + "9" * 40])
    def test_nonsense_says_nothing(self, value: str) -> None:
        incoming = Incoming(206, {"content-range": value}, "h", iter(()))
        assert (incoming.start, incoming.total) == (None, None)


class TestRetryAfter:
    @pytest.mark.parametrize(("value", "seconds"), [("0", 0.0), ("120", 120.0), ("", None), ("soon", None), ("-5", None), ("1.5", None)])
    def test_seconds(self, value: str, seconds: float | None) -> None:
        assert retry_after({"retry-after": value}) == seconds

    def test_a_date(self) -> None:
        value = format_datetime(clock.now() + timedelta(seconds=90), usegmt=True)
        assert retry_after({"retry-after": value}) == pytest.approx(90, abs=2)
        assert retry_after({"retry-after": format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)}) == 0.0


class TestTls:
    @pytest.fixture
    def secure(self, tmp_path: Path) -> Iterator[tuple[FilePeer, Settings]]:
        """A server with a certificate for `a.test` by an authority that the settings name."""
        authority = certificate(tmp_path / "a.pem", "a.test")
        context = server_context(tmp_path / "a.pem")
        settings = Settings(home=tmp_path, allowed_networks=f"{OPEN}/32", ca_file=authority)
        with FilePeer({"/a": serve(b"hello"), "/down": redirect("http://a.test/")}, OPEN, context) as peer:
            yield peer, settings

    def test_the_name_is_verified_though_the_address_is_connected(self, secure: tuple[FilePeer, Settings]) -> None:
        peer, settings = secure
        http = Guarded(settings, Names({"a.test": [[OPEN]], "b.test": [[OPEN]]}))
        assert body_of(http, peer.url("/a", "a.test")) == b"hello"
        with pytest.raises(Unreachable) as caught:
            body_of(http, peer.url("/a", "b.test"))
        assert caught.value.reason == "tls_failed"

    def test_an_unknown_authority_is_refused(self, secure: tuple[FilePeer, Settings]) -> None:
        peer, settings = secure
        stranger = settings.model_copy(update={"ca_file": None})
        with pytest.raises(Unreachable) as caught:
            body_of(Guarded(stranger, Names({"a.test": [[OPEN]]})), peer.url("/a", "a.test"))
        assert caught.value.reason == "tls_failed"

    def test_https_never_redirects_to_http(self, secure: tuple[FilePeer, Settings]) -> None:
        peer, settings = secure
        assert refused_rule(Guarded(settings, Names({"a.test": [[OPEN]]})), peer.url("/down", "a.test")) == "downgrade"
