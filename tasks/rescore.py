"""Judging a stored transcript anew: new revisions supersede, nothing is erased, a failure leaves the old result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from prefect import task
from prefect.runtime import flow_run

from checklists.definitions import Definition
from core import clock
from core.errors import PermanentError
from core.failpoints import failpoint
from db import calls, definitions, outbox, rescores, results
from tasks import runtime as runtimes
from tasks.extract import extract_table
from tasks.policy import RESUMABLE, RETRIED
from tasks.publish import Judgement, save
from tasks.runtime import Runtime
from tasks.score import score_call


class NotJudged(PermanentError):
    """Some definitions could not be judged, after all the tries of each; the results of the others are stored."""

    code = "not_judged"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Не пересчитано, остался прежний результат: {why_ru}",
        "en": "Not judged anew, the former result stands: {why_en}",
    }


@dataclass(frozen=True)
class Work:
    """What a run has to judge of a call and how many results it has stored before; `heard` names the transcript."""

    asked: Sequence[Definition]
    heard: str
    stored: int


def work_left(runtime: Runtime, call_id: str, checklist_id: str | None, flow_run_id: str) -> Work:
    """Everything that the call is routed to, or one checklist alone, in the active versions.

    Raises:
        NotFound: the call has no transcript.
    """
    with runtime.database.read() as session:
        call = calls.get(session, call_id)
        row = results.heard(session, call_id)
        stored = rescores.stored(session, call_id, flow_run_id)
        asked = [d for d in definitions.judging(session, call) if checklist_id in (None, d.id)]
    left = [d for d in asked if _name(definitions.kind_of(d), d.id) not in stored]
    return Work(left, f"{row.created_at.isoformat()} {row.swapped}", len(stored))


def judge_call(runtime: Runtime, call_id: str, kind: definitions.Kind, definition_id: str, version: str) -> dict[str, Any]:
    """The result of one definition as JSON."""
    one = score_call if kind == "checklist" else extract_table
    return one(runtime, call_id, definition_id, version).model_dump(mode="json")


def store_results(runtime: Runtime, call_id: str, judged: Sequence[Judgement], flow_run_id: str, *, webhooks: bool) -> None:
    """Publish the new results in one transaction; what the run has stored before it does not store twice.

    Raises:
        NotFound: the call has lost its transcript meanwhile.
    """
    at = clock.now()
    with runtime.database.begin() as session:
        call = calls.hold(session, call_id)
        results.heard(session, call_id)  # what quotes an erased text must not be stored
        stored = rescores.stored(session, call_id, flow_run_id)
        new = [one for one in judged if _name(one.kind, one.definition_id) not in stored]
        if not new:
            return
        for one in new:
            save(session, runtime, call, one, at, webhook=webhooks)
        rescores.note(session, call, [_name(one.kind, one.definition_id) for one in new], flow_run_id, at)
        outbox.changed(session, call_id, at)


def refuse_failures(judged: Sequence[Judgement]) -> None:
    """Raise `NotJudged` with the definitions that could not be judged and their reasons, if there are any."""
    failed = [(one.definition_id, one.error) for one in judged if one.error is not None]
    if failed:
        why = {language: "; ".join(f"{name}: {error.text(language)}" for name, error in failed) for language in ("ru", "en")}
        raise NotJudged(why_ru=why["ru"], why_en=why["en"])


def _name(kind: definitions.Kind, definition_id: str) -> str:
    return f"{kind}:{definition_id}"


@task(name="judge", task_run_name="judge {definition_id}", **RESUMABLE, **RETRIED)
def judge(call_id: str, kind: definitions.Kind, definition_id: str, version: str, _heard: str) -> dict[str, Any]:
    """The new result of one definition as JSON. `_heard` is for the key: whoever hears another transcript judges it anew.

    Nobody holds a call that is done, so its run is told by its own id when to stop.
    """
    runtime = runtimes.current()
    runtime.check_cancelled(str(flow_run.id))
    return judge_call(runtime, call_id, kind, definition_id, version)


@task(name="store", task_run_name="store {call_id}", **RETRIED)
def store(call_id: str, judged: Sequence[Judgement], webhooks: bool) -> None:
    """Publish what could be judged."""
    failpoint("rescore.before_store")
    store_results(runtimes.current(), call_id, judged, str(flow_run.id), webhooks=webhooks)
    failpoint("rescore.after_store")
