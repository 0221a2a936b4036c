"""Judging anew under a real Prefect server: every definition is asked once, and a failure costs the others nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from prefect import Flow, State
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.states import Scheduled

from bench._house import CHECKLIST, TABLE, House
from checklists.definitions import Checklist, Table
from checklists.findings import Findings, TableFindings
from checklists.transcript import Transcript
from core import clock
from core.errors import BadAudio, RopError, Unavailable
from core.settings import Settings
from db import calls, results
from db.engine import Database
from flows.rescore import rescore_one, rescore_since
from tasks import runtime as runtimes
from tasks import step_results
from tasks.engines.analyst import Context
from tasks.prefect_api import PrefectApi
from tasks.runtime import Runtime
from tests.peers import prefect_server

pytestmark = pytest.mark.slow  # a server starts in ten seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prefect_server.running(tmp_path_factory.mktemp("prefect")) as url:
        yield url


@dataclass
class Scripted:
    """The embedded engine, which counts what it is asked and fails as it was told: once for every error in the list."""

    runtime: Runtime
    errors: dict[str, list[Exception]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def check(self, transcript: Transcript, checklist: Checklist, context: Context) -> Findings:
        self._count(checklist.id)
        return self.runtime.analyst("rules").check(transcript, checklist, context)

    def extract(self, transcript: Transcript, table: Table, context: Context) -> TableFindings:
        self._count(table.id)
        return self.runtime.analyst("rules").extract(transcript, table, context)

    def _count(self, definition_id: str) -> None:
        self.asked[definition_id] += 1
        if self.errors.get(definition_id):
            raise self.errors[definition_id].pop(0)


@dataclass
class Judged:
    """Three calls that were judged once, and a worker's way of running flows on them."""

    runtime: Runtime
    engine: Scripted

    def run(self, flow: Flow[..., Any], **parameters: Any) -> FlowRun:
        with get_client(sync_client=True) as client:
            return client.create_flow_run(flow, parameters=parameters, state=Scheduled())

    def work(self, flow: Flow[..., Any], run: FlowRun) -> State[Any]:
        """Run it, the first time or once more."""
        with get_client(sync_client=True) as client, closing(PrefectApi(self.runtime.settings)) as prefect:
            prefect.requeue(str(run.id), "a test")
            told = flow.with_options(result_storage=step_results.folder(self.runtime.settings), persist_result=False)
            state = run_flow(told, flow_run=client.read_flow_run(run.id), return_type="state")
        assert isinstance(state, State)
        return state

    def revisions(self, call_id: str = "c1") -> dict[str, int]:
        with self.runtime.database.read() as session:
            rows = [*results.current(session, call_id, "checklist"), *results.current(session, call_id, "table")]
        assert all(row.status == "ok" for row in rows)
        return {row.definition_id: row.revision for row in rows}

    def notes(self, call_id: str = "c1") -> list[list[str]]:
        with self.runtime.database.read() as session:
            return [step.detail["stored"] for step in calls.timeline(session, call_id) if step.name == "rescored"]


@pytest.fixture
def judged(server: str, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judged]:
    told = settings.model_copy(update={"prefect_api_url": server, "analyst_engine": "openai"})
    house = House(told, database)
    house.furnish()
    for number in range(1, 4):
        house.call(f"c{number}")
    runtime = Runtime(told)
    runtime.database = database  # type: ignore[misc]
    engine = Scripted(runtime)
    runtime._analysts["openai"] = engine
    monkeypatch.setattr(runtimes, "_current", runtime)
    with temporary_settings({PREFECT_API_URL: server, PREFECT_LOGGING_TO_API_ENABLED: False}):  # logs would outlive the server
        yield Judged(runtime, engine)


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
    assert list(step_results.folder(judged.runtime.settings).iterdir()) == [], "no quotes stay behind"

    assert judged.work(rescore_since, run).message == "Пересчитано звонков: 3"
    assert judged.engine.asked == {CHECKLIST: 4, TABLE: 3}
    assert [judged.revisions(call) for call in ("c1", "c2", "c3")] == [{CHECKLIST: 2, TABLE: 2}] * 3


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
