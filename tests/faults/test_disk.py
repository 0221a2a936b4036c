"""F6: disks fill up while calls are under way. Nothing is lost, nobody is lied to, and room is all it takes to go on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

import warehouse
from core import ids
from core.settings import MIB
from tests.faults import house as houses
from tests.faults.disk import disk, filled
from tests.faults.house import House
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]
HOME_BYTES = 400 * MIB
HEARD_SECONDS = 8  # from the answer of the recogniser until its transcript meets the disk


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house whose whole home is a disk of its own; only the receiver's notes lie elsewhere."""
    home = tmp_path_factory.mktemp("small") / "home"
    with disk(home, HOME_BYTES), houses.running(home, "api", max_audio_bytes=str(5 * MIB), max_attempts="50") as house:
        house.receiver.log = home.parent / "receiver.jsonl"
        yield house


def test_f6_a_full_disk_of_recordings_is_waited_out(house: House) -> None:
    with disk(Path(house.settings.audio_url), MIB) as folder:
        filler = folder / "filler"
        filler.write_bytes(bytes(MIB - 200 * 1024))
        house.start("worker")
        house.upload("F6")
        eventually(lambda: b"storage" in worker_log(house), 60)
        assert house.call("F6").status == "downloading"
        filler.unlink()
        [call] = house.wait("F6", seconds=120)
        assert call.status == "done", call.reason_code
        assert [path.name for path in folder.iterdir() if path.is_file()] == [f"{ids.stable_id('rec', 'F6')}.wav"]
        keep = folder / f"{ids.stable_id('rec', 'F6')}.wav"
        content = keep.read_bytes()
    keep.write_bytes(content)


def test_f6_a_home_without_a_byte_left_takes_no_calls_and_finishes_those_it_has(small: House) -> None:
    """The transcript of a call under way meets the full disk; so does the next call of the CRM, and Prefect with its own database."""
    small.start("worker", f"transcribe.before_store=sleep:{HEARD_SECONDS}@1")
    small.upload("F6 under way")
    eventually(lambda: small.call("F6 under way").status == "transcribing", 60)
    empty_log(small)
    with filled(small.settings.root):
        ready = httpx.get(f"{small.addresses.api_url}/readyz", trust_env=False, timeout=30)
        assert (ready.status_code, ready.json()["disk"]) == (503, "full")
        answer = small.upload("F6 refused")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        time.sleep(HEARD_SECONDS + 5)
        assert small.call("F6 under way").status == "transcribing"
    small.tend()
    assert small.upload("F6 refused").status_code == 200, "room is all it takes"
    ended = small.wait("F6 under way", "F6 refused", seconds=180)
    assert [call.status for call in ended] == ["done", "done"]
    assert httpx.get(f"{small.addresses.api_url}/readyz", trust_env=False, timeout=30).status_code == 200
    small.settle()
    small.check()


def test_f6_the_warehouse_waits_for_room_and_shows_the_former_state_meanwhile(small: House) -> None:
    small.tend()
    small.upload("F6 before")
    small.wait("F6 before")
    assert small.act("load") == 0
    before = count(small)
    small.upload("F6 after")
    small.wait("F6 after")
    with filled(small.settings.root):
        with suppress(BrokenPipeError):
            assert small.act("load") != 0
        assert count(small) == before
    assert small.act("load") == 0
    assert count(small) == before + 1
    small.settle()
    small.check()


def empty_log(house: House) -> None:
    """SQLite writes over what it has written to its log before, and needs no room for that."""
    with closing(sqlite3.connect(house.settings.root / "rop.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def count(house: House) -> int:
    """Calls as analysts see them."""
    _, rows = warehouse.query("SELECT count(*) FROM fact_call", house.settings)
    return int(rows[0][0])


def worker_log(house: House) -> bytes:
    return (house.settings.root / "logs" / "worker.log").read_bytes()
