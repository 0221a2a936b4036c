"""A recording that is in the storage already is not fetched again, unless it belongs to an earlier attempt."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from core import clock
from core.settings import Settings
from db import calls, migrate, results
from db.calls import NewCall
from db.models import Call, Recording
from tasks.download import stored
from tasks.runtime import Runtime


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
