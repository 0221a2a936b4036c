"""What the steps of a call find in their process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

import pytest

from core import clock
from core.errors import BadAudio, LeaseLost
from core.settings import Settings
from db import calls
from db.engine import Database
from tasks import lease as leases
from tasks.lease import Lease
from tasks.runtime import Runtime


@pytest.fixture
def runtime(settings: Settings, database: Database) -> Runtime:
    made = Runtime(settings)
    made.database = database
    with database.begin() as session:
        calls.accept(session, calls.NewCall("c1", "m", "d", "s", "http://crm/a.mp3", None), clock.now())
    return made


@contextmanager
def run(runtime: Runtime, name: str) -> Iterator[Lease]:
    with runtime.holding(leases.claim(runtime.database, runtime.settings, "c1", name), name) as lease:
        yield lease


def test_a_step_never_works_under_the_lease_of_a_newer_run(runtime: Runtime) -> None:
    with run(runtime, "old") as old:
        with runtime.database.begin() as session:
            calls.finish(session, "c1", old.token, "failed", clock.now(), BadAudio())
            calls.accept(session, calls.NewCall("c1", "m", "d", "s", "http://crm/b.mp3", None), clock.now())
        elsewhere = copy_context()  # where the worker's next thread runs
        newer = run(runtime, "new")
        held = elsewhere.run(newer.__enter__)
        assert runtime.lease("c1") is old
        assert elsewhere.run(runtime.lease, "c1") is held
        assert runtime.leases == {"old": old, "new": held}
        elsewhere.run(newer.__exit__, None, None, None)
    assert runtime.leases == {}


def test_a_step_without_a_lease_has_lost_it(runtime: Runtime) -> None:
    with pytest.raises(LeaseLost):
        runtime.lease("c1")
    with run(runtime, "one"), pytest.raises(LeaseLost):
        runtime.lease("another call")
