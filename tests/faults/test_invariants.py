"""The checker itself: it is silent about a sound house, and names each thing that is spoiled by hand."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from core import ids
from core.http import Guarded
from tasks.load import load_pending
from tasks.webhooks import deliver_due
from tests.faults import house as houses
from tests.faults.house import House
from tests.faults.invariants import check_invariants
from tests.faults.walk import walk


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One call that is done and one that failed, delivered and loaded."""
    with houses.empty(tmp_path_factory.mktemp("sound")) as house:
        walk(house, "good")
        walk(house, "gone", "/nowhere.wav")
        deliver_due(house.database, house.settings, Guarded(house.settings))
        load_pending(house.database, house.settings)
        yield house


def broken(house: House) -> dict[str, list[str]]:
    found = check_invariants(house.settings, house.receiver.log, house.accepted)
    return {name: wrong for name, wrong in found.items() if wrong}


def test_a_sound_house_breaks_nothing(sound: House) -> None:
    assert broken(sound) == {}
    assert [sound.call(call_id).status for call_id in ("good", "gone")] == ["done", "failed"]
    assert len(sound.receiver.distinct) == 3


SPOILED = {
    "I1": "UPDATE calls SET status = 'transcribing', finished_at = NULL WHERE call_id = 'good'",
    "I2": "UPDATE results SET superseded_at = created_at WHERE kind = 'checklist'",
    "I3": "DELETE FROM load_outbox WHERE call_id = 'gone'",
    "I4": "UPDATE deliveries SET status = 'dead' WHERE event = 'checklist.completed'",
    "I5": "UPDATE calls SET deal_id = 'other' WHERE call_id = 'good'",
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_database_is_seen(sound: House, name: str) -> None:
    with restored(sound):
        with sound.database.begin() as session:
            session.execute(text(SPOILED[name]))
        assert name in broken(sound)
    assert broken(sound) == {}


def test_a_call_that_is_not_there_is_lost(sound: House) -> None:
    sound.accepted.append("never")
    assert broken(sound) == {"I1": ["never was accepted and is not there"]}
    sound.accepted.remove("never")


def test_other_bytes_under_a_known_id_are_seen(sound: House) -> None:
    before = sound.receiver.log.read_text()
    line = json.loads(before.splitlines()[0]) | {"body": "e30="}
    sound.receiver.log.write_text(before + json.dumps(line) + "\n")
    assert broken(sound) == {"I4": [f"{line['id']} came with other bytes"]}
    sound.receiver.log.write_text(before)


@pytest.mark.parametrize("secret", ["key", "address"])
def test_a_secret_in_a_log_is_seen(sound: House, secret: str) -> None:
    log = sound.settings.root / "logs" / "any.log"
    log.write_text(f"GET /?apiKey={sound.key}" if secret == "key" else "fetching http://crm/call.wav?token=sesame-good")
    assert list(broken(sound)) == ["I6"]
    log.unlink()


def test_half_a_file_of_an_ended_call_is_seen(sound: House) -> None:
    name = ids.stable_id("rec", "good")
    for path in (Path(".parts") / f"{name}.part", Path(f".{name}.wav.part")):
        part = Path(sound.settings.audio_url) / path
        part.touch()
        assert list(broken(sound)) == ["I6"]
        part.unlink()


@contextmanager
def restored(house: House) -> Iterator[None]:
    """Whatever the block does to the database is undone."""
    with closing(sqlite3.connect(house.settings.root / "rop.sqlite")) as live, closing(sqlite3.connect(":memory:")) as copy:
        live.backup(copy)
        yield
        copy.backup(live)
