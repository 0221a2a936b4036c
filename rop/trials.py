"""`rop checklist test` and `rop table test`: a draft on stored calls, as a real call is judged, and what would change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from checklists.comparison import Outcome, Sums, flips, sums
from checklists.definitions import Checklist, Definition
from core import clock
from core.errors import InvalidInput
from db import definitions, overview, trials
from db.engine import Database
from db.overview import CallFilter
from rop.context import opened
from rop.tables import show

MOST = 2000  # calls one command judges: half an hour of the embedded engine
UNNAMED = "—"


def run(draft: Definition, last: int, home: Path | None) -> None:
    """Judge the newest finished calls and print the difference; the trial is kept and can be seen on the pages.

    Raises:
        InvalidInput: there is no finished call.
    """
    from tasks.runtime import Runtime
    from tasks.trial import run_trial

    with opened(home) as (settings, database):
        chosen, trial_id = _asked(database, draft, last)
        run_trial(Runtime(settings), trial_id)
        with database.read() as session:
            outcomes = trials.get(session, trial_id).outcomes
            managers = {line.call_id: line.manager for line in overview.lines(session, chosen)}
    _print(draft, outcomes, managers)


def _asked(database: Database, draft: Definition, last: int) -> tuple[list[str], str]:
    with database.begin() as session:
        chosen = overview.ids(session, CallFilter(status="done"), last)
        if not chosen:
            raise InvalidInput(ru="Проверять не на чем: готовых звонков нет.", en="There is nothing to try on: no call is done.")
        return chosen, trials.create(session, draft, chosen, "cli", clock.now()).trial_id


def _print(draft: Definition, outcomes: Sequence[Outcome], managers: dict[str, str]) -> None:
    kind, found = definitions.kind_of(draft), sums(outcomes)
    unit = " %" if isinstance(draft, Checklist) else " полей"
    print("\n".join(_summary(found, len(outcomes), unit)))
    changed = flips(kind, outcomes)
    heads = ("стал пройден", "перестал", "иначе") if kind == "checklist" else ("заполнилось", "опустело", "другое значение")
    rows = [(flip.name, flip.gained, flip.lost, flip.other) for flip in changed]
    show(("этап" if kind == "checklist" else "поле", *heads), rows, empty="Ни один результат не меняется.")
    show(("менеджер", "звонков", "было", "стало", "разница"), _by_manager(outcomes, managers))
    for problem in {one["problem"]["ru"] for one in outcomes if "problem" in one}:
        print(f"Не проверено: {problem}")


def _summary(found: Sums, asked: int, unit: str) -> Iterator[str]:
    yield f"Проверено звонков: {found.judged} из {asked}. Среднее: {_shown(found.before)} → {_shown(found.after)}{unit}."
    yield f"Выше станет {found.better}, ниже {found.worse}."
    if found.marks:
        yield f"Совпадает с отметками людей: было {found.agreed_before}, станет {found.agreed_after} из {found.marks}."
    yield f"Стоимость: {found.seconds:.1f} с работы движка, токенов {found.tokens}."


def _by_manager(outcomes: Sequence[Outcome], managers: dict[str, str]) -> list[tuple[Any, ...]]:
    """One row a manager, the largest change first."""
    groups: dict[str, list[Outcome]] = {}
    for one in outcomes:
        groups.setdefault(managers.get(one["call_id"], UNNAMED), []).append(one)
    rows = []
    for name, mine in groups.items():
        both = sums([one for one in mine if one.get("before") is not None and one.get("after") is not None])
        if both.before is not None and both.after is not None:
            rows.append((name, both.judged, both.before, both.after, f"{both.after - both.before:+.1f}"))
    return sorted(rows, key=lambda row: -abs(row[3] - row[2]))


def _shown(value: float | None) -> str:
    return UNNAMED if value is None else f"{value:.1f}"
