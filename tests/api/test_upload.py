"""Taking a call in: what is mandatory, what is a duplicate, what the probe may refuse."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from core import clock
from core.errors import BadAudio
from core.secrets import server_secret
from db import calls, keys
from db.models import Call, Manager
from tests.api.conftest import UPLOAD, Api, build
from tests.peers.file_peer import FilePeer, serve, silent, status
from tests.peers.sockets import canary

SAMPLE = Path(__file__).parents[2] / "api" / "samples" / "self_test.ogg"
MISSING = "http://127.0.0.1:1/a.mp3"


@pytest.fixture
def probing(tmp_path: Path) -> Iterator[Api]:
    """An API that looks at the first bytes of every address."""
    yield from build(tmp_path / "home", probe="on", probe_seconds=10.0, rate_limit=1000)


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Api]:
    """One that soon gives up looking."""
    yield from build(tmp_path / "home", probe="on", probe_seconds=0.5, rate_limit=1000)


def stored(api: Api, call_id: str = "call_1") -> Call:
    with api.database.read() as session:
        return session.get_one(Call, call_id)


def test_an_accepted_call_is_in_the_database(both: Api) -> None:
    sent = {"duration": "312.5", "manager_channel": "left", "direction": "in", "language": "ru", "started_at": "2025-06-19T10:00:00+03:00"}
    answer = both.upload(**sent)
    assert (answer.status_code, answer.json()) == (200, {"status": "queued", "call_id": "call_1"})
    call = stored(both)
    assert {name: getattr(call, name) for name in UPLOAD} == UPLOAD
    assert (call.duration_hint, call.manager_channel, call.direction, call.language) == (312.5, "left", "in", "ru")
    assert call.started_at == datetime(2025, 6, 19, 7, tzinfo=UTC)
    assert (call.status, call.attempt, call.key_id) == ("received", 1, both.key_id)


def test_every_missing_field_is_named_at_once(api: Api) -> None:
    answer = api.upload(deal_id=None, deal_stage_id=None)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_request"
    assert answer.json()["fields"] == {
        "deal_id": "обязательное поле не передано",
        "deal_stage_id": "обязательное поле не передано",
    }


@pytest.mark.parametrize("field", ["call_id", "manager_id", "deal_id", "deal_stage_id"])
@pytest.mark.parametrize("value", ["", "a" * 129, "a\nb", "a\x00b", "a\x7fb"])
def test_ids_are_short_and_printable(api: Api, field: str, value: str) -> None:
    answer = api.upload(**{field: value})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


@pytest.mark.parametrize("call_id", ["a" * 128, "звонок №1 / 2", "a%2Fb", "../..", " ", "💬", "'; DROP TABLE calls; --"])
def test_any_other_string_is_an_id(both: Api, call_id: str) -> None:
    assert both.upload(call_id=call_id).json() == {"status": "queued", "call_id": call_id}
    assert stored(both, call_id).call_id == call_id


@pytest.mark.parametrize(
    "url",
    [
        "ftp://crm/a.mp3",
        "file:///etc/passwd",
        "//crm/a.mp3",
        "crm.ru/a.mp3",
        "http://",
        "http://user:pass@crm.ru/a.mp3",
        "http://a b/c.mp3",
        "http://[::1/a.mp3",
        "http://crm:99999/a.mp3",
        "http://crm.ru/" + "a" * 8192,
    ],
)
def test_an_address_is_http_and_whole(api: Api, url: str) -> None:
    answer = api.upload(audio_url=url)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["audio_url"])
    assert "pass" not in answer.text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("duration", "-1"),
        ("duration", "long"),
        ("duration", "nan"),
        ("duration", "inf"),
        ("manager_channel", "both"),
        ("direction", "up"),
        ("language", "русский"),
        ("started_at", "yesterday"),
        ("started_at", "2025-06-19T10:00:00"),
    ],
)
def test_wrong_optional_fields(api: Api, field: str, value: str) -> None:
    answer = api.upload(**{field: value})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


def test_the_longest_duration_is_inclusive(api: Api) -> None:
    assert api.upload(duration="2700.1").json()["code"] == "too_long"
    assert api.upload(duration="2700").status_code == 200


def test_a_repeat_tells_the_present_state(both: Api) -> None:
    both.upload()
    first = both.upload(audio_url="http://crm.invalid/other.mp3")
    assert first.status_code == 409
    body = first.json()
    assert (body["code"], body["status"], body["call_id"]) == ("call_exists", "queued", "call_1")
    assert datetime.fromisoformat(body["received_at"]) == stored(both).received_at
    with both.database.begin() as session:
        token = calls.claim(session, "call_1", "run", clock.now(), 60).token
    assert both.upload().json()["status"] == "processing"
    with both.database.begin() as session:
        calls.finish(session, "call_1", token, "done", clock.now())
    assert both.upload().json()["status"] == "done"
    assert stored(both).audio_url == UPLOAD["audio_url"]


def test_a_failed_call_is_taken_again_as_a_new_attempt(both: Api) -> None:
    both.upload()
    both.end("call_1", "failed", BadAudio())
    answer = both.upload(audio_url="http://crm.invalid/again.mp3")
    assert (answer.status_code, answer.json()) == (200, {"status": "queued", "call_id": "call_1"})
    call = stored(both)
    assert (call.attempt, call.status, call.audio_url) == (2, "received", "http://crm.invalid/again.mp3")


def test_of_many_simultaneous_posts_one_is_accepted(both: Api) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda i: both.upload(deal_id=f"deal_{i}"), range(50)))
    assert sorted(a.status_code for a in answers) == [200] + [409] * 49
    winner = next(i for i, a in enumerate(answers) if a.status_code == 200)
    assert stored(both).deal_id == f"deal_{winner}"


def test_the_key_s_defaults_fill_what_is_not_sent(api: Api) -> None:
    defaults = {"manager_channel": "right", "language": "en", "manager_id": "never"}
    with api.database.begin() as session:
        key = keys.create(session, server_secret(api.settings), "x", clock.now(), defaults=defaults)
    api.client.post("/api/v1/calls/audio-upload", headers={"X-API-Key": key.plain}, data=UPLOAD | {"language": "ru"})
    call = stored(api)
    assert (call.manager_channel, call.language, call.manager_id) == ("right", "ru", "mgr_001")


def test_calls_of_a_rotated_key_belong_to_the_same_integration(api: Api) -> None:
    with api.database.begin() as session:
        new = keys.rotate(session, server_secret(api.settings), api.key_id, clock.now(), clock.now() - clock.now())
    api.client.post("/api/v1/calls/audio-upload", headers={"X-API-Key": new.plain}, data=UPLOAD)
    assert stored(api).key_id == api.key_id


def test_an_unknown_manager_becomes_a_stub(api: Api) -> None:
    api.upload()
    with api.database.read() as session:
        assert session.scalars(select(Manager.synced).where(Manager.manager_id == "mgr_001")).all() == [False]


def test_a_database_that_cannot_commit_is_503(api: Api) -> None:
    with api.database.begin() as session:
        session.execute(text("ALTER TABLE calls RENAME TO calls_away"))
    answer = api.upload()
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_probe_that_is_off_asks_nobody(api: Api) -> None:
    with FilePeer({"/a": serve(b"<!doctype html>")}) as crm:
        assert api.upload(audio_url=crm.url("/a")).status_code == 200
        assert crm.requests == []


def test_the_probe_lets_audio_pass(probing: Api) -> None:
    with FilePeer({"/a": serve(SAMPLE.read_bytes())}) as crm:
        assert probing.upload(audio_url=crm.url("/a")).status_code == 200


@pytest.mark.parametrize("content", [b"<!doctype html><html></html>", b"\x89PNG\r\n\x1a\n" + bytes(100), b"#EXTM3U\n", b""])
def test_the_probe_refuses_what_is_proven_to_be_no_audio(probing: Api, content: bytes) -> None:
    with FilePeer({"/a.mp3": serve(content, ranges=False)}) as crm:
        answer = probing.upload(audio_url=crm.url("/a.mp3"))
    assert answer.status_code == 400
    assert answer.json()["code"] in {"not_audio", "empty_audio"}
    assert probing.get("/calls/call_1").status_code == 404


def test_the_probe_refuses_what_says_it_is_too_large(probing: Api) -> None:
    size = probing.settings.max_audio_bytes + 1
    with FilePeer({"/a": serve(SAMPLE.read_bytes(), ranges=False, Content_Length=size)}) as crm:
        answer = probing.upload(audio_url=crm.url("/a"))
    assert (answer.status_code, answer.json()["code"]) == (400, "too_large")


@pytest.mark.parametrize("behaviour", [status(404), status(500), silent(30)])
def test_whatever_proves_nothing_is_accepted(hasty: Api, behaviour: Any) -> None:
    started = clock.monotonic()
    with FilePeer({"/a": behaviour}) as crm:
        assert hasty.upload(audio_url=crm.url("/a")).status_code == 200
    assert clock.monotonic() - started < 15


def test_a_file_server_that_hangs_holds_up_nobody_else(hasty: Api) -> None:
    with FilePeer({"/a": silent(30)}) as crm, ThreadPoolExecutor(60) as pool:
        posts = [pool.submit(hasty.upload, call_id=f"c{i}", audio_url=crm.url("/a")) for i in range(60)]
        started = clock.monotonic()
        assert hasty.get("/tables/call-ready", tab="t", call="c").status_code == 404
        assert clock.monotonic() - started < 5
        assert [post.result().status_code for post in posts] == [200] * 60
        assert clock.monotonic() - started < 20  # one after another they would take thirty


def test_an_unreachable_or_unknown_server_is_accepted(probing: Api) -> None:
    assert probing.upload(audio_url=MISSING).status_code == 200
    assert probing.upload(call_id="call_2", audio_url="http://no-such-name.invalid/a.mp3").status_code == 200


def test_a_refused_address_is_never_visited_and_leaves_a_warning(probing: Api) -> None:
    with canary("127.0.0.2") as forbidden:
        assert probing.upload(audio_url=f"{forbidden.url}/a.mp3").status_code == 200
        assert forbidden.connections == 0
    assert probing.get("/calls/call_1").json()["warnings"] == ["address_refused"]


def test_a_repeat_does_not_ask_the_file_server_again(probing: Api) -> None:
    with FilePeer({"/a": serve(SAMPLE.read_bytes())}) as crm:
        assert [probing.upload(audio_url=crm.url("/a")).status_code for _ in range(3)] == [200, 409, 409]
        assert len(crm.requests) == 1
