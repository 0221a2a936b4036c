"""Step 3: one checklist on one transcript. The engine finds, `checklists.finalise` checks and adds up."""

from __future__ import annotations

from typing import Any

from prefect import task

from checklists.definitions import Checklist
from checklists.finalise import finalise
from checklists.results import ChecklistResult
from core import clock
from core.failpoints import failpoint
from db import calls, definitions, directory, results
from tasks import runtime as runtimes
from tasks.engines.analyst import Context
from tasks.policy import RESUMABLE, RETRIED
from tasks.runtime import Runtime


def score_call(runtime: Runtime, call_id: str, checklist_id: str, version: str) -> ChecklistResult:
    """The verified result of this version of the checklist on the stored transcript."""
    with runtime.database.read() as session:
        checklist = definitions.load(session, "checklist", checklist_id, version)
        transcript = results.transcript(session, call_id)
    assert isinstance(checklist, Checklist)  # noqa: S101
    assert transcript is not None  # noqa: S101  the flow scores only after the transcript is stored
    findings = runtime.analyst(checklist.engine).check(transcript, checklist, context(runtime, call_id))
    return finalise(call_id, transcript, checklist, findings, clock.now())


def context(runtime: Runtime, call_id: str) -> Context:
    """What the engines may know of the call beside its words."""
    with runtime.database.read() as session:
        call = calls.get(session, call_id)
        names = directory.manager_names(session, [call.manager_id]).get(call.manager_id, "")
    return Context(at=call.started_at or call.received_at, time_zone=runtime.settings.time_zone, manager_names=tuple(names.split()))


@task(name="score", task_run_name="score {checklist_id}", **RESUMABLE, **RETRIED)
def score(call_id: str, checklist_id: str, version: str) -> dict[str, Any]:
    """The result of one checklist as JSON."""
    runtime = runtimes.current()
    runtime.lease(call_id).check()
    failpoint("score.before")
    result = score_call(runtime, call_id, checklist_id, version).model_dump(mode="json")
    failpoint("score.after")
    return result
