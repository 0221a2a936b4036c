"""A night on a real warehouse."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import func, select

from bench import _year
from core import clock
from core.errors import Unavailable
from core.settings import Settings
from db.models import LoadOutbox
from tasks import upkeep
from tasks.load import load_pending
from tasks.upkeep import NightFailed, night
from tests.peers import databases
from warehouse import leftovers, search


def test_a_night_exports_indexes_and_forgets(settings: Settings, tmp_path: Path) -> None:
    database = databases.empty(f"sqlite:///{tmp_path / 'rop.sqlite'}")
    night(database, settings)
    with database.begin() as session:
        _year.store_directory(session)
        _year.store(session, _year.states(10))
    load_pending(database, settings)
    night(database, settings)
    assert (settings.root / "exports" / "manifest.json").exists()
    assert all(hit.score for hit in search.search(settings, "доставка"))
    with time_machine.travel(clock.now() + timedelta(seconds=settings.outbox_keep_seconds + 1)):
        night(database, settings)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(LoadOutbox)) == 0
    database.dispose()


def test_what_breaks_keeps_nothing_else_from_being_done(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise Unavailable

    database = databases.empty(f"sqlite:///{tmp_path / 'rop.sqlite'}")
    with database.begin() as session:
        _year.store_directory(session)
        _year.store(session, _year.states(10))
    load_pending(database, settings)
    monkeypatch.setattr(upkeep, "maintain", busy)
    (settings.root / "exports").touch()  # where a folder has to be
    left = settings.warehouse_dir / "warehouse.new"
    left.touch()
    with (
        time_machine.travel(clock.now() + timedelta(seconds=leftovers.IDLE_SECONDS + 1)),
        pytest.raises(NightFailed, match=r"\(maintain: unavailable; months: FileExistsError\)"),
    ):
        night(database, settings)
    assert not left.exists()
    assert all(hit.score for hit in search.search(settings, "доставка"))
    database.dispose()
