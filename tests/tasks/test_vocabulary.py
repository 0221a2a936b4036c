"""The words that the recogniser is told to expect."""

from __future__ import annotations

from datetime import UTC, datetime

from checklists import loader
from db import calls, definitions, directory
from db.directory import ManagerInput, OfficeInput
from db.engine import Database
from tasks.vocabulary import vocabulary

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ANNA, PAVEL, OLEG = ("mgr_001", "Анна", "Соколова"), ("mgr_002", "Павел", "Соколова"), ("mgr_003", "Олег", "Далёкий")
TRADE = ("коммерческое предложение", "рассрочка", "предоплата", "договор", "доставка", "скидка")


def expected(database: Database, manager: str) -> tuple[str, ...]:
    with database.begin() as session:
        call = calls.accept(session, calls.NewCall("c1", manager, "d", "new", "http://crm/a.mp3", None, started_at=NOW), NOW)
        return vocabulary(session, call)


def test_own_names_come_first_then_the_trade_then_the_colleagues(database: Database) -> None:
    with database.begin() as session:
        directory.sync_managers(session, [ManagerInput(*one) for one in (ANNA, PAVEL, OLEG)], NOW)
        directory.sync_offices(
            session, [OfficeInput("north", "Север", ["mgr_002"], ["mgr_001"]), OfficeInput("far", "Юг", [], ["mgr_003"])], NOW
        )
        for definition in loader.builtin():
            if definition.id == "sales":
                definitions.apply(session, definition, "test", NOW)
    assert expected(database, "mgr_001") == ("Соколова", "Анна", *TRADE, "Павел")


def test_a_manager_whom_nobody_knows_yet_has_no_words(database: Database) -> None:
    assert expected(database, "mgr_404") == ()
