"""What a changed definition would have said about stored calls: judged like a real call, compared, never published."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from checklists.comparison import Outcome, compare_checklists, compare_tables
from checklists.definitions import Checklist, Definition, Table
from checklists.finalise import finalise, finalise_table
from checklists.results import ChecklistResult, TableResult
from checklists.transcript import Transcript
from core import clock
from core.errors import Cancelled, NotFound, RopError
from db import calls, marks, results, trials
from db.models import Result
from tasks.runtime import Runtime
from tasks.score import context

Stored = TypeVar("Stored", ChecklistResult, TableResult)


def run_trial(runtime: Runtime, trial_id: str, check: Callable[[], None] = lambda: None) -> int:
    """Judge every call of the trial that has no outcome yet; the number of calls. `check` may raise before each to stop the trial.

    A call that is gone or cannot be judged says so in its own line.
    """
    with runtime.database.begin() as session:
        row = trials.begin(session, trial_id)
    definition, known = trials.definition_of(row), {one["call_id"] for one in row.outcomes}
    for call_id in row.call_ids:
        if call_id in known:
            continue
        check()
        outcome = _outcome(runtime, call_id, definition)
        with runtime.database.begin() as session:
            trials.add(session, trial_id, outcome)
    with runtime.database.begin() as session:
        trials.finish(session, trial_id, clock.now())
    return len(row.call_ids)


def _outcome(runtime: Runtime, call_id: str, definition: Definition) -> Outcome:
    try:
        return {"call_id": call_id, **_judged(runtime, call_id, definition)}
    except Cancelled:  # of the whole trial, while it waited for its turn
        raise
    except RopError as error:
        return {"call_id": call_id, "problem": {"ru": error.text("ru"), "en": error.text("en")}}


def _judged(runtime: Runtime, call_id: str, definition: Definition) -> Outcome:
    kind: results.Kind = "checklist" if isinstance(definition, Checklist) else "table"
    with runtime.database.read() as session:
        calls.get(session, call_id)
        heard = results.transcript(session, call_id)
        row = results.current_one(session, call_id, kind, definition.id)
        marked = {mark.stage_id: mark.score for mark in marks.current(session, call_id) if mark.checklist_id == definition.id}
    if heard is None:
        raise NotFound(ru="Расшифровки нет.", en="There is no transcript.")
    if isinstance(definition, Checklist):
        return compare_checklists(_stored(row, ChecklistResult), _checklist(runtime, call_id, heard, definition), marked)
    return compare_tables(_stored(row, TableResult), _table(runtime, call_id, heard, definition))


def _checklist(runtime: Runtime, call_id: str, heard: Transcript, checklist: Checklist) -> ChecklistResult:
    findings = runtime.analyst(checklist.engine).check(heard, checklist, context(runtime, call_id))
    return finalise(call_id, heard, checklist, findings, clock.now())


def _table(runtime: Runtime, call_id: str, heard: Transcript, table: Table) -> TableResult:
    started = clock.monotonic()
    findings = runtime.analyst(table.engine).extract(heard, table, context(runtime, call_id))
    return finalise_table(call_id, heard, table, findings, clock.now(), clock.monotonic() - started)


def _stored(row: Result | None, model: type[Stored]) -> Stored | None:
    return model.model_validate(row.content) if row is not None and row.status == "ok" else None
