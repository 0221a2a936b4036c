"""Judging anew under a real Prefect server: every definition is asked once, and a failure costs the others nothing."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow, State
from prefect.client.schemas.objects import FlowRun, StateType

from bench._house import CHECKLIST, TABLE, House
from core import clock
from core.errors import BadAudio, RopError, Unavailable
from db import calls, results
from flows.rescore import rescore_one, rescore_since
from tasks import step_results
from tasks.forget import forget
from tasks.prefect_api import PrefectApi
from tasks.runtime import Runtime
from tests.flows.conftest import Scripted, Worker

pytestmark = pytest.mark.slow  # a server starts in ten seconds


@dataclass
class Judged:
    """Three calls that were judged once, and a worker."""

    worker: Worker
    engine: Scripted

    def run(self, flow: Flow[..., Any], **parameters: Any) -> FlowRun:
        return self.worker.run(flow, **parameters)

    def work(self, flow: Flow[..., Any], run: FlowRun) -> State[Any]:
        return self.worker.work(flow, run)

    @property
    def runtime(self) -> Runtime:
        return self.worker.runtime

    def revisions(self, call_id: str = "c1") -> dict[str, int]:
        with self.runtime.database.read() as session:
            rows = [*results.current(session, call_id, "checklist"), *results.current(session, call_id, "table")]
        assert all(row.status == "ok" for row in rows)
        return {row.definition_id: row.revision for row in rows}

    def notes(self, call_id: str = "c1") -> list[list[str]]:
        with self.runtime.database.read() as session:
            return [step.detail["stored"] for step in calls.timeline(session, call_id) if step.name == "rescored"]


@pytest.fixture
def judged(house: House, worker: Worker) -> Judged:
    for number in range(1, 4):
        house.call(f"c{number}")
    engine = Scripted(worker.runtime)
    worker.runtime._analysts["openai"] = engine
    return Judged(worker, engine)


def test_a_failure_that_passes_repeats_no_other_question(judged: Judged) -> None:
    judged.engine.errors[TABLE] = [Unavailable()]
    state = judged.work(rescore_one, judged.run(rescore_one, call_id="c1"))
    assert state.is_completed()
    assert judged.engine.asked == {CHECKLIST: 1, TABLE: 2}
    assert judged.revisions() == {CHECKLIST: 2, TABLE: 2}


@pytest.mark.parametrize("error", [BadAudio(), ValueError("a defect")])
def test_a_failure_leaves_its_own_old_result_alone(judged: Judged, error: Exception) -> None:
    judged.engine.errors[TABLE] = [error]
    run = judged.run(rescore_one, call_id="c1")
    state = judged.work(rescore_one, run)
    reason = error.text("ru") if isinstance(error, RopError) else RopError().text("ru")
    assert (state.type, state.message) == (StateType.FAILED, f"Не пересчитано, остался прежний результат: {TABLE}: {reason}")
    assert judged.revisions() == {CHECKLIST: 2, TABLE: 1}

    assert judged.work(rescore_one, run).is_completed()
    assert judged.revisions() == {CHECKLIST: 2, TABLE: 2}
    assert judged.engine.asked == {CHECKLIST: 1, TABLE: 2}, "the rerun asks what failed, alone"
    assert judged.notes() == [[f"checklist:{CHECKLIST}"], [f"table:{TABLE}"]]


def test_when_nothing_can_be_judged_nothing_changes(judged: Judged) -> None:
    judged.engine.errors |= {CHECKLIST: [BadAudio()], TABLE: [BadAudio()]}
    state = judged.work(rescore_one, judged.run(rescore_one, call_id="c1"))
    assert state.is_failed()
    assert (judged.revisions(), judged.notes()) == ({CHECKLIST: 1, TABLE: 1}, [])


def test_many_calls_go_on_where_they_stopped(judged: Judged) -> None:
    judged.engine.errors[CHECKLIST] = [BadAudio()]
    run = judged.run(rescore_since, since=clock.now() - timedelta(days=1))
    assert judged.work(rescore_since, run).message == "Пересчитано звонков: 2, с ошибками: 1"
    assert sorted(judged.revisions(call)[CHECKLIST] for call in ("c1", "c2", "c3")) == [1, 2, 2]
    assert judged.engine.asked == {CHECKLIST: 3, TABLE: 3}

    assert judged.work(rescore_since, run).message == "Пересчитано звонков: 3"
    assert judged.engine.asked == {CHECKLIST: 4, TABLE: 3}
    assert [judged.revisions(call) for call in ("c1", "c2", "c3")] == [{CHECKLIST: 2, TABLE: 2}] * 3


@pytest.mark.parametrize("flow", [rescore_one, rescore_since])
def test_a_run_that_breaks_off_asks_nothing_again_and_its_quotes_go_with_the_call(
    judged: Judged, flow: Flow[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run of many calls has no tags by which the deletion of one would find it."""

    def killed(*_: object) -> None:
        raise SystemError("the worker ends")

    run = judged.run(flow, **({"call_id": "c1"} if flow is rescore_one else {"since": clock.now() - timedelta(days=1)}))
    with monkeypatch.context() as patch:
        patch.setattr("flows.rescore.store", killed)
        assert judged.work(flow, run).is_failed()
    assert judged.work(flow, run).is_completed()
    assert judged.revisions() == {CHECKLIST: 2, TABLE: 2}
    assert judged.engine.asked == dict.fromkeys((CHECKLIST, TABLE), 1 if flow is rescore_one else 3)

    steps = Path(step_results.url(judged.runtime.settings))
    assert sorted(steps.glob(f"{step_results.beginning('c1')}_*")) != []
    with closing(PrefectApi(judged.runtime.settings)) as prefect:
        forget(judged.runtime.database, judged.runtime.settings, prefect, "c1", "admin")
    assert sorted(steps.glob(f"{step_results.beginning('c1')}_*")) == []


@pytest.mark.parametrize("flow", [rescore_one, rescore_since])
def test_a_cancel_is_heard_between_two_questions(judged: Judged, flow: Flow[..., Any]) -> None:
    parameters = {"call_id": "c1"} if flow is rescore_one else {"since": clock.now() - timedelta(days=1)}
    run = judged.run(flow, **parameters)
    judged.engine.errors |= {CHECKLIST: [Unavailable()], TABLE: [Unavailable()]}
    ask = judged.engine._count

    def cancelled_meanwhile(definition_id: str) -> None:
        judged.runtime.cancelled.add(str(run.id))
        ask(definition_id)

    judged.engine._count = cancelled_meanwhile  # type: ignore[method-assign]
    assert judged.work(flow, run).type == StateType.CANCELLED
    assert judged.revisions() == {CHECKLIST: 1, TABLE: 1}
    assert judged.engine.asked.total() <= 2
