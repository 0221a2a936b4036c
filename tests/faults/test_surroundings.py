"""F7 to F11 and F15: what the house depends on is slow, lying, hostile or locked."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import closing

import duckdb
import pytest

from core.settings import MIB
from db import deliveries
from db.deliveries import Logged
from db.engine import BUSY_SECONDS
from db.models import Recording
from tests.faults.house import House
from tests.faults.receiver import Behave, Reset
from tests.peers.file_peer import breaking, endless, redirect, serve
from tests.peers.sockets import canary
from tests.peers.waiting import eventually
from tests.peers.webhook_peer import Received, Reply
from warehouse.embedded import Embedded

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]


def test_f7_a_download_that_breaks_at_every_tenth_arrives_whole(house: House) -> None:
    size = len(house.sound)
    ways = {
        "/resumed.wav": breaking(house.sound, *(size // 10 for _ in range(9))),
        "/changed.wav": breaking(house.sound, size // 2, etag=None),
        "/unranged.wav": breaking(house.sound, size // 2, ranges=False),
    }
    house.crm.routes |= ways
    house.start("worker")
    for path in ways:
        house.upload(f"F7 {path}", path)
    assert [call.status for call in house.wait(*(f"F7 {path}" for path in ways), seconds=120)] == ["done"] * len(ways)
    with house.database.read() as session:
        stored = [session.get_one(Recording, f"F7 {path}").sha256 for path in ways]
    assert stored == [hashlib.sha256(house.sound).hexdigest()] * len(ways)


def test_f7_what_is_too_large_is_refused_for_good(house: House) -> None:
    house.crm.routes["/endless.wav"] = endless(house.sound, bytes(MIB))
    house.start("worker")
    house.upload("F7 endless", "/endless.wav")
    [call] = house.wait("F7 endless", seconds=120)
    assert (call.status, call.reason_code, call.runs) == ("failed", "too_large", 1)


def test_f8_forbidden_addresses_are_never_visited(house: House) -> None:
    house.start("worker")
    with canary("127.0.0.2") as forbidden:
        port = forbidden.port
        house.crm.routes["/away.wav"] = redirect(f"http://127.0.0.2:{port}/a.wav")
        hosts = ("127.0.0.2", "2130706434", "0x7f000002", "[::ffff:127.0.0.2]", "0.0.0.0", "169.254.169.254", "[::1]")
        addresses = [f"http://{host}:{port}/a.wav" for host in hosts] + [house.crm.url("/away.wav")]
        for number, address in enumerate(addresses):
            assert house.upload(f"F8 {number}", address).status_code in {200, 400}
        assert house.upload("F8 file", "file:///etc/passwd").status_code == 400
        taken = [call_id for call_id in house.accepted if call_id.startswith("F8")]
        ended = house.wait(*taken)
        assert {call.reason_code for call in ended} <= {"address_refused", "bad_url", "invalid_url"}, [call.reason_code for call in ended]
        assert {call.status for call in ended} == {"failed"}
        assert forbidden.connections == 0


def test_f9_what_is_no_recording_is_refused_with_its_reason(house: House) -> None:
    cases = {
        "html": (b"<!doctype html><title>Sign in</title>" * 300, "not_audio"),
        "playlist": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n" * 200, "not_audio"),
        "empty": (b"", "empty_audio"),
        "cut": (house.sound[:60], "unreadable_audio"),
    }
    house.crm.routes |= {f"/{name}.wav": serve(content) for name, (content, _) in cases.items()}
    house.start("worker")
    met = {name: house.upload(f"F9 {name}", f"/{name}.wav") for name in cases}
    taken = [f"F9 {name}" for name, answer in met.items() if answer.status_code == 200]
    refused = {name: answer.json()["code"] for name, answer in met.items() if answer.status_code == 400}
    ended = {call.call_id.removeprefix("F9 "): call.reason_code for call in house.wait(*taken)} if taken else {}
    assert refused | ended == {name: reason for name, (_, reason) in cases.items()}


@pytest.mark.parametrize("name", ["says 500", "drops the connection", "asks to slow down", "is slow", "redirects"])
def test_f10_f11_a_receiver_that_misbehaves_gets_every_message_once_by_its_id(house: House, name: str) -> None:
    house.receiver.behave = RECEIVERS[name]
    house.start("worker")
    house.upload(f"F10 {name}")
    assert house.wait(f"F10 {name}")[0].status == "done", "a receiver never fails a call"
    logged = eventually(lambda: attempted(house, f"F10 {name}"))
    assert all(one.delivery.status == "pending" and one.attempts[0].seconds <= 15 for one in logged)


def test_f15_a_locked_database_delays_calls_and_loses_none(house: House) -> None:
    house.start("worker", "transcribe.before_store=sleep:2@1")
    house.upload("F15 under way")
    eventually(lambda: house.call("F15 under way").status == "transcribing", 60)
    with closing(sqlite3.connect(house.settings.root / "rop.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        answer = house.upload("F15 long")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert time.monotonic() - begun < BUSY_SECONDS + 5
        other.execute("ROLLBACK")
    assert house.upload("F15 long").status_code == 200
    assert [call.status for call in house.wait("F15 under way", "F15 long")] == ["done", "done"]


def test_f15_an_analyst_never_holds_up_the_loader(house: House) -> None:
    house.start("worker")
    house.upload("F15 before")
    house.wait("F15 before")
    assert house.act("load") == 0
    with duckdb.connect(str(Embedded(house.settings).published), read_only=True) as analyst:
        seen = analyst.execute("SELECT count(*) FROM fact_call").fetchone()
        house.upload("F15 after")
        house.wait("F15 after")
        assert house.act("load") == 0
        assert analyst.execute("SELECT count(*) FROM fact_call").fetchone() == seen


def _drop(_: Received) -> Reply:
    raise Reset


RECEIVERS: dict[str, Behave] = {
    "says 500": lambda _: Reply(500),
    "drops the connection": _drop,
    "asks to slow down": lambda _: Reply(429, {"Retry-After": "2"}),
    "is slow": lambda _: Reply(after=5.0),
    "redirects": lambda _: Reply(302, {"Location": "http://127.0.0.2:1/"}),
}


def attempted(house: House, call_id: str) -> list[Logged]:
    """The call's webhooks that were tried at least once, all of them or none."""
    with house.database.read() as session:
        logged = deliveries.log(session, call_id=call_id)
    return logged if all(one.attempts for one in logged) else []
