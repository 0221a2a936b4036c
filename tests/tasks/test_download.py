"""Recordings from file servers that break off, lie and dawdle."""

from __future__ import annotations

import gzip
import hashlib
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from core.errors import AddressRefused, BadAudio, Cancelled, SourceRefused, TransientError, Unavailable, Unreachable
from core.http import Guarded
from core.settings import Settings
from core.storage import Storage
from tasks.download import Fetched, fetch
from tests.peers.file_peer import FilePeer, Request, answer, breaking, drip, endless, redirect, serve, silent, status
from tests.peers.sockets import canary
from tests.peers.sounds import noise, write
from tests.peers.waiting import eventually

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Some 100 KB of mp3."""
    return write(tmp_path_factory.mktemp("sound") / "a.mp3", noise(25.0, 0.1, 16000), "libmp3lame", 16000, 32000).read_bytes()


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return Storage(settings)


def get(peer: FilePeer, settings: Settings, storage: Storage, path: str = "/a", call_id: str = "call-1") -> Fetched:
    return fetch(call_id, peer.url(path), settings, storage, Guarded(settings))


def left_behind(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.root.rglob("*") if path.is_file())


def check(fetched: Fetched, content: bytes, storage: Storage) -> None:
    assert (fetched.bytes, fetched.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    with storage.local(fetched.path) as path:
        assert path.read_bytes() == content


class TestWhole:
    def test_a_recording_is_stored_under_our_own_name(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        with FilePeer({"/etc/passwd.exe": serve(sound)}) as peer:
            fetched = get(peer, settings, storage, "/../../etc/passwd.exe?token=x", "../../call")
        check(fetched, sound, storage)
        assert fetched.facts.format == "mp3"
        assert left_behind(settings) == [fetched.path]
        assert fetched.path.startswith("rec_")

    def test_a_repeat_replaces_the_recording(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        with FilePeer({"/a": serve(sound)}) as peer:
            assert get(peer, settings, storage) == get(peer, settings, storage)
        assert len(left_behind(settings)) == 1

    def test_redirects_lead_to_it(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        with FilePeer({"/a": redirect("/b"), "/b": serve(sound)}) as peer:
            check(get(peer, settings, storage), sound, storage)

    def test_chunked_and_without_any_header(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        def chunked(_peer: FilePeer, connection: socket.socket, _request: Request) -> None:
            half = len(sound) // 2
            body = b"".join(f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in (sound[:half], sound[half:], b""))
            connection.sendall(answer(200, {"Transfer-Encoding": "chunked"}, body))

        def until_closed(_peer: FilePeer, connection: socket.socket, _request: Request) -> None:
            connection.sendall(answer(200, {}, sound))

        with FilePeer({"/a": chunked, "/b": until_closed}) as peer:
            for path in ("/a", "/b"):
                check(get(peer, settings, storage, path), sound, storage)


class TestResume:
    def test_cut_at_every_tenth_it_resumes_where_it_broke(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        tenth = len(sound) // 10
        with FilePeer({"/a": breaking(sound, *[tenth] * 9)}) as peer:
            check(get(peer, settings, storage), sound, storage)
            asked = [request.headers.get("range") for request in peer.requests]
            assert asked == [None, *(f"bytes={tenth * n}-" for n in range(1, 10))]
            assert {request.headers.get("if-range") for request in peer.requests[1:]} == {'"one"'}

    def test_a_file_that_changed_meanwhile_begins_anew(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        other = sound[: len(sound) // 2]
        with FilePeer({"/a": breaking(sound, 20_000)}) as peer:

            def changing(peer: FilePeer, connection: socket.socket, request: Request) -> None:
                peer.routes["/a"] = serve(other, '"two"')
                breaking(sound, 20_000)(peer, connection, request)

            peer.routes["/a"] = changing
            check(get(peer, settings, storage), other, storage)

    def test_a_server_that_ignores_ranges_begins_anew(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        with FilePeer({"/a": breaking(sound, 20_000, ranges=False)}) as peer:
            check(get(peer, settings, storage), sound, storage)

    def test_without_a_validator_nothing_is_glued_together(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        with FilePeer({"/a": breaking(sound, 20_000, etag=None)}) as peer:
            check(get(peer, settings, storage), sound, storage)
            assert [request.headers.get("range") for request in peer.requests] == [None, None]

    def test_a_weak_etag_is_no_validator(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        with FilePeer({"/a": breaking(sound, 20_000, etag='W/"one"')}) as peer:
            check(get(peer, settings, storage), sound, storage)
            assert peer.requests[1].headers.get("range") is None

    def test_a_wrong_range_is_not_glued_on(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        def wrong(_peer: FilePeer, connection: socket.socket, request: Request) -> None:
            if "range" not in request.headers:
                breaking(sound, 20_000)(peer, connection, request)
            else:
                connection.sendall(
                    answer(206, {"Content-Range": f"bytes 5-{len(sound) - 1}/{len(sound)}", "Content-Length": 10}, bytes(10))
                )

        with FilePeer({"/a": wrong}) as peer:
            with pytest.raises(Unreachable) as caught:
                get(peer, settings, storage)
            assert caught.value.reason == "wrong_range"
            peer.routes["/a"] = serve(sound)
            check(get(peer, settings, storage), sound, storage)

    def test_a_later_attempt_continues_what_an_earlier_one_left(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        with FilePeer({"/a": breaking(sound, 30_000, 0)}) as peer:
            with pytest.raises(Unreachable):
                get(peer, settings, storage)
            check(get(peer, settings, storage), sound, storage)
            assert peer.requests[2].headers["range"] == "bytes=30000-"

    def test_another_url_never_continues_it(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        with FilePeer({"/a": breaking(sound, 30_000, 0), "/b": serve(sound)}) as peer:
            with pytest.raises(Unreachable):
                get(peer, settings, storage)
            check(get(peer, settings, storage, "/b"), sound, storage)
            assert "range" not in peer.requests[2].headers

    def test_killed_after_the_last_byte_it_asks_and_stops(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        with FilePeer({"/a": breaking(sound, 30_000, 0)}) as peer:
            with pytest.raises(Unreachable):
                get(peer, settings, storage)
            next(settings.root.rglob("*.part")).write_bytes(sound)
            check(get(peer, settings, storage), sound, storage)
            assert peer.requests[-1].headers["range"] == f"bytes={len(sound)}-"

    def test_a_server_that_only_breaks_is_given_up(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        limited = settings.model_copy(update={"download_resumes": 5})
        with FilePeer({"/a": breaking(sound, *[5000] * 50)}) as peer:
            with pytest.raises(Unreachable) as caught:
                get(peer, limited, storage)
            assert len(peer.requests) == 5
        assert caught.value.reason == "broken"

    def test_a_process_that_is_killed_leaves_a_part_that_the_next_one_continues(
        self, settings: Settings, storage: Storage, sound: bytes
    ) -> None:
        with FilePeer({"/a": drip(sound, 0.2, 4096)}) as peer:
            victim = subprocess.Popen([sys.executable, "-c", _fetching(settings, peer.url("/a"))])
            part = settings.root / "audio" / ".parts"
            eventually(lambda: any(path.stat().st_size > 20_000 for path in part.glob("*.part")))
            victim.kill()
            victim.wait()
            assert not list((settings.root / "audio").glob("rec_*"))
            peer.routes["/a"] = serve(sound)
            check(get(peer, settings, storage), sound, storage)
        assert len(left_behind(settings)) == 1


class TestLimits:
    def test_a_length_over_the_limit_is_refused_before_the_body(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        def promise(peer: FilePeer, connection: socket.socket, _request: Request) -> None:
            connection.sendall(answer(200, {"Content-Length": 101 * MIB}))
            peer.listener.pause(30)

        with FilePeer({"/a": promise}) as peer:
            begun = time.monotonic()
            self._refused(peer, settings, storage, "too_large")
            assert time.monotonic() - begun < 15

    def test_a_body_over_the_limit_is_cut_off_while_it_streams(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        """101 MiB without a length, in little memory."""
        before = psutil.Process().memory_info().rss
        with FilePeer({"/a": endless(sound)}) as peer:
            self._refused(peer, settings, storage, "too_large")
        assert psutil.Process().memory_info().rss - before < 50 * MIB

    def test_a_hundred_mebibytes_and_not_a_byte_more(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        for limit, fits in ((len(sound), True), (len(sound) - 1, False)):
            limited = settings.model_copy(update={"max_audio_bytes": limit})
            with FilePeer({"/a": serve(sound)}) as peer:
                if fits:
                    check(get(peer, limited, storage), sound, storage)
                else:
                    self._refused(peer, limited, storage, "too_large")

    def test_forty_six_minutes(self, settings: Settings, storage: Storage, tmp_path: Path) -> None:
        minute = write(tmp_path / "a.mp3", noise(60.0, 0.01), "libmp3lame", bit_rate=8000).read_bytes()
        with FilePeer({"/a": serve(minute * 46)}) as peer:
            self._refused(peer, settings, storage, "too_long")

    def test_a_web_page_is_refused_by_its_first_bytes(self, settings: Settings, storage: Storage) -> None:
        with FilePeer({"/a": endless(b"<!DOCTYPE html>" * 1000, b"<p>page</p>" * 1000)}) as peer:
            begun = time.monotonic()
            self._refused(peer, settings, storage, "not_audio")
            assert time.monotonic() - begun < 15

    @pytest.mark.parametrize(
        ("content", "code"), [(b"", "empty_audio"), (b"#EXTM3U\n/etc/passwd\n", "not_audio"), (b"ffconcat version 1.0\n", "not_audio")]
    )
    def test_short_files_that_are_no_recording(self, settings: Settings, storage: Storage, content: bytes, code: str) -> None:
        with FilePeer({"/a": serve(content)}) as peer:
            self._refused(peer, settings, storage, code)

    def test_a_gzip_bomb_is_never_unpacked(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        bomb = gzip.compress(sound + bytes(50 * MIB))
        with FilePeer({"/a": serve(bomb, Content_Encoding="gzip"), "/b": serve(bomb)}) as peer:
            self._refused(peer, settings, storage, "encoded_answer")
            self._refused(peer, settings, storage, "not_audio", "/b")

    def _refused(self, peer: FilePeer, settings: Settings, storage: Storage, code: str, path: str = "/a") -> None:
        with pytest.raises(BadAudio) as caught:
            get(peer, settings, storage, path, "refused")
        assert caught.value.reason == code
        assert [name for name in left_behind(settings) if "part" in name or "json" in name] == []


class TestServers:
    @pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 410, 451])
    def test_a_no_is_permanent(self, settings: Settings, storage: Storage, code: int) -> None:
        with FilePeer({"/a": status(code)}) as peer, pytest.raises(SourceRefused) as caught:
            get(peer, settings, storage)
        assert caught.value.fields["http_status"] == code
        assert left_behind(settings) == []

    @pytest.mark.parametrize("code", [408, 423, 425, 429, 500, 502, 503, 504])
    def test_a_not_now_is_transient(self, settings: Settings, storage: Storage, code: int) -> None:
        with FilePeer({"/a": status(code, Retry_After=7)}) as peer, pytest.raises(TransientError) as caught:
            get(peer, settings, storage)
        assert caught.value.retry_after == 7

    def test_a_redirect_into_the_machine_is_permanent_and_reaches_nobody(self, settings: Settings, storage: Storage) -> None:
        with canary("127.0.0.2") as bird, FilePeer({"/a": redirect(bird.url)}) as peer, pytest.raises(AddressRefused):
            get(peer, settings, storage)
        assert bird.connections == 0
        assert left_behind(settings) == []

    def test_a_silent_server_is_left_after_the_longest_silence(self, settings: Settings, storage: Storage) -> None:
        hasty = settings.model_copy(update={"download_read_seconds": 0.3})
        with FilePeer({"/a": silent()}) as peer:
            begun = time.monotonic()
            with pytest.raises(Unreachable):
                get(peer, hasty, storage)
        assert time.monotonic() - begun < 15

    def test_a_dripping_server_ends_with_the_whole_download(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        hasty = settings.model_copy(update={"download_seconds": 0.6})
        with FilePeer({"/a": drip(sound, 0.05)}) as peer:
            begun = time.monotonic()
            with pytest.raises(Unreachable) as caught:
                get(peer, hasty, storage)
        assert caught.value.reason == "timeout"
        assert time.monotonic() - begun < 15

    def test_a_crawling_server_is_left_after_the_grace(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        hasty = settings.model_copy(update={"download_grace_seconds": 0.3})
        with FilePeer({"/a": drip(sound, 0.05)}) as peer:
            begun = time.monotonic()
            with pytest.raises(Unreachable) as caught:
                get(peer, hasty, storage)
        assert caught.value.reason == "too_slow"
        assert time.monotonic() - begun < 15


class TestTogether:
    def test_two_at_once_never_write_one_part(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        with FilePeer({"/a": drip(sound, 0.01, 8192)}) as peer:
            outcomes: list[object] = []

            def run() -> None:
                try:
                    outcomes.append(get(peer, settings, storage))
                except Unavailable as error:
                    outcomes.append(error.reason)

            threads = [threading.Thread(target=run) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        [fetched] = [one for one in outcomes if isinstance(one, Fetched)]
        assert [one for one in outcomes if one != fetched] == ["download_busy"] * 2
        check(fetched, sound, storage)

    def test_it_can_be_stopped_at_every_chunk(self, settings: Settings, storage: Storage, sound: bytes) -> None:
        told: list[int] = []

        def tick(count: int) -> None:
            told.append(count)
            if count > 20_000:
                raise Cancelled

        with FilePeer({"/a": drip(sound, 0.0, 4096)}) as peer, pytest.raises(Cancelled):
            fetch("call-1", peer.url("/a"), settings, storage, Guarded(settings), tick)
        assert told == sorted(told)
        assert told[-1] < len(sound)
        assert left_behind(settings) == []

    def test_remote_storage_gets_the_finished_file(self, settings: Settings, sound: bytes) -> None:
        remote = settings.model_copy(update={"storage_url": f"memory://{settings.root.parent.name}"})
        storage = Storage(remote)
        with FilePeer({"/a": breaking(sound, 20_000)}) as peer:
            check(get(peer, remote, storage), sound, storage)
        assert left_behind(settings) == []


def _fetching(settings: Settings, url: str) -> str:
    """A program that downloads `url` for the call of these tests."""
    return textwrap.dedent(f"""
        from pathlib import Path
        from core.http import Guarded
        from core.settings import Settings
        from core.storage import Storage
        from tasks.download import fetch
        settings = Settings(home=Path({str(settings.home)!r}), allowed_networks="127.0.0.1/32")
        fetch("call-1", {url!r}, settings, Storage(settings), Guarded(settings))
    """)
