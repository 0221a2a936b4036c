"""Offices and managers: synchronised all or nothing, with their history."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from core import clock
from db import directory
from db.directory import Counts, ManagerInput, OfficeInput
from db.engine import Database
from db.models import Manager, Membership, Office

DAY1 = clock.now()
DAY2, DAY3 = DAY1 + timedelta(days=1), DAY1 + timedelta(days=2)
CENTRE = OfficeInput("o1", "Центр", ["boss"], ["m1", "m2"])
NORTH = OfficeInput("o2", "Север", [], ["m3"])


def offices(database: Database, *sent: OfficeInput, at: datetime = DAY1, full: bool = False) -> Counts:
    with database.begin() as session:
        return directory.sync_offices(session, sent, at, full)


def managers(database: Database, *sent: ManagerInput, at: datetime = DAY1, full: bool = False) -> Counts:
    with database.begin() as session:
        return directory.sync_managers(session, sent, at, full)


def of(database: Database, manager: str, at: datetime) -> list[str]:
    with database.read() as session:
        return directory.offices_at(session, manager, at)


def test_a_first_sync_makes_offices_and_stubs(database: Database) -> None:
    assert offices(database, CENTRE, NORTH) == Counts(created=2)
    with database.read() as session:
        stubs = session.scalars(select(Manager).order_by(Manager.manager_id)).all()
    assert [(m.manager_id, m.synced) for m in stubs] == [("boss", False), ("m1", False), ("m2", False), ("m3", False)]


def test_the_same_again_changes_nothing(database: Database) -> None:
    offices(database, CENTRE, NORTH)
    assert offices(database, CENTRE, NORTH, at=DAY2) == Counts(unchanged=2)
    with database.read() as session:
        assert {o.updated_at for o in session.scalars(select(Office))} == {DAY1}
        assert {m.valid_from for m in session.scalars(select(Membership))} == {DAY1}


def test_an_old_call_keeps_the_office_it_was_made_in(database: Database) -> None:
    offices(database, CENTRE, NORTH)
    offices(database, OfficeInput("o1", "Центр", ["boss"], ["m2"]), OfficeInput("o2", "Север", [], ["m3", "m1"]), at=DAY2)
    assert of(database, "m1", DAY1 + timedelta(hours=1)) == ["o1"]
    assert of(database, "m1", DAY2) == ["o2"]
    assert of(database, "m2", DAY3) == ["o1"]


def test_a_call_older_than_the_first_sync_gets_the_first_known_office(database: Database) -> None:
    offices(database, CENTRE, at=DAY2)
    assert of(database, "m1", DAY1) == ["o1"]
    assert of(database, "nobody", DAY1) == []


def test_a_manager_between_offices_has_none(database: Database) -> None:
    offices(database, CENTRE)
    offices(database, OfficeInput("o1", "Центр", ["boss"], []), at=DAY2)
    assert of(database, "m1", DAY3) == []


def test_offices_that_are_not_sent_stay_unless_the_sync_is_full(database: Database) -> None:
    offices(database, CENTRE, NORTH)
    assert offices(database, CENTRE, at=DAY2) == Counts(unchanged=1)
    assert of(database, "m3", DAY2) == ["o2"]
    assert offices(database, CENTRE, at=DAY3, full=True) == Counts(unchanged=1, deactivated=1)
    assert of(database, "m3", DAY3) == []
    assert of(database, "m3", DAY2) == ["o2"]
    assert offices(database, CENTRE, NORTH, at=DAY3 + timedelta(1)) == Counts(updated=1, unchanged=1)


def test_one_person_may_lead_and_sell_in_several_offices(database: Database) -> None:
    offices(database, OfficeInput("o1", "Центр", ["x"], ["x"]), OfficeInput("o2", "Север", [], ["x"]))
    assert of(database, "x", DAY1) == ["o1", "o2"]
    with database.read() as session:
        assert len(session.scalars(select(Membership).where(Membership.manager_id == "x")).all()) == 3


def test_a_stub_becomes_a_manager(database: Database) -> None:
    offices(database, CENTRE)
    ivan = ManagerInput("m1", "Иван", "Иванов", "Иванович")
    assert managers(database, ivan, ManagerInput("m9", "Анна", "Смирнова")) == Counts(created=1, updated=1)
    assert managers(database, ivan, at=DAY2) == Counts(unchanged=1)
    assert managers(database, ManagerInput("m1", "Иван", "Петров", "Иванович"), at=DAY2) == Counts(updated=1)
    with database.read() as session:
        assert directory.manager_names(session, ["m1", "m2", "m9"]) == {"m1": "Петров Иван Иванович", "m9": "Смирнова Анна"}


def test_a_full_sync_of_managers_deactivates_the_others(database: Database) -> None:
    offices(database, CENTRE)
    assert managers(database, ManagerInput("m1", "Иван", "Иванов"), full=True) == Counts(updated=1, deactivated=2)
    with database.read() as session:
        assert session.scalars(select(Manager.manager_id).where(Manager.active)).all() == ["m1"]
    assert managers(database, ManagerInput("m2", "Пётр", "Ильин")) == Counts(updated=1)


def test_an_error_leaves_nothing_behind(database: Database) -> None:
    broken = OfficeInput("o2", None)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError):
        offices(database, CENTRE, broken)
    with database.read() as session:
        assert session.scalars(select(Office)).all() == []
        assert session.scalars(select(Manager)).all() == []


def test_simultaneous_syncs_and_calls_of_new_managers_do_not_collide(database: Database) -> None:
    def sync(number: int) -> None:
        if number % 3 == 0:
            offices(database, CENTRE, NORTH)
        elif number % 3 == 1:
            managers(database, ManagerInput("m1", "Иван", "Иванов"), ManagerInput("m7", "Пётр", "Ильин"))
        else:
            with database.begin() as session:
                directory.ensure_managers(session, ["m7", "m1", "boss"], DAY1)

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(sync, range(27)))
    with database.read() as session:
        assert len(session.scalars(select(Membership)).all()) == 4


def test_more_managers_than_one_statement_takes(database: Database) -> None:
    many = [ManagerInput(f"m{i}", "Имя", "Фамилия") for i in range(1_201)]
    assert managers(database, *many) == Counts(created=1_201)
    assert managers(database, *many, ManagerInput("new", "Имя", "Фамилия")) == Counts(created=1, unchanged=1_201)
