"""A recording that is in the storage already is not fetched again, unless it belongs to an earlier attempt."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from core import clock
from core.settings import Settings
from db import calls, migrate, results
from db.calls import NewCall
from db.models import Call, Recording
from tasks import lease as leases
from tasks.download import fetched, stored
from tasks.runtime import Runtime
from tests.peers.file_peer import FilePeer, serve

SAMPLE = Path(__file__).parents[2] / "api" / "samples" / "self_test.ogg"


def accepted(runtime: Runtime) -> Call:
    migrate.upgrade(runtime.database)
    with runtime.database.begin() as session:
        return calls.accept(session, NewCall("c1", "m", "d", "s", "http://crm.invalid/a.mp3", None), clock.now())


def record(runtime: Runtime, **values: object) -> None:
    sound = {"format": "ogg", "codec": "vorbis", "channels": 2, "sample_rate": 8000, "duration": 9.5}
    with runtime.database.begin() as session:
        results.save_recording(session, Recording(call_id="c1", path="x.ogg", bytes=3, sha256="0", **sound, **values))


def test_which_recordings_count(tmp_path: Path) -> None:
    runtime = Runtime(Settings(home=tmp_path))
    call = accepted(runtime)
    assert stored(runtime, call) is None
    record(runtime, created_at=call.received_at + timedelta(seconds=1))
    assert stored(runtime, call) is not None
    record(runtime, created_at=call.received_at - timedelta(seconds=1))
    assert stored(runtime, call) is None
    record(runtime, created_at=call.received_at + timedelta(seconds=1), deleted_at=clock.now())
    assert stored(runtime, call) is None
    runtime.database.dispose()


@pytest.mark.parametrize(
    ("hint", "warnings"), [(None, []), (27.0, []), (35.0, []), (60.0, ["duration_mismatch"]), (3.0, ["duration_mismatch"])]
)
def test_a_hint_that_fits_another_recording_is_a_warning(tmp_path: Path, hint: float | None, warnings: list[str]) -> None:
    runtime = Runtime(Settings(home=tmp_path, allowed_networks="127.0.0.1/32"))
    with FilePeer({"/a": serve(SAMPLE.read_bytes())}) as crm:
        migrate.upgrade(runtime.database)
        with runtime.database.begin() as session:
            calls.accept(session, NewCall("c1", "m", "d", "s", crm.url("/a"), None, duration_hint=hint), clock.now())
        assert round(fetched(runtime, leases.claim(runtime.database, runtime.settings, "c1", "run-1")).duration) == 27
    with runtime.database.read() as session:
        assert calls.get(session, "c1").warnings == warnings
    runtime.database.dispose()
