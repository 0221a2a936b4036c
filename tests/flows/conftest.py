"""Flows under a real Prefect server: this process runs them as a worker does, the first time or once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from prefect import Flow, State
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Abort
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.states import Scheduled

from bench._house import House
from checklists.definitions import Checklist, Table
from checklists.findings import Findings, TableFindings
from checklists.transcript import Transcript
from core.settings import Settings
from db.engine import Database
from flows.resident import result_storage
from tasks import runtime as runtimes
from tasks.download import download
from tasks.engines.analyst import Context
from tasks.extract import extract
from tasks.policy import RETRIES
from tasks.prefect_api import PrefectApi
from tasks.rescore import judge
from tasks.runtime import Runtime
from tasks.score import score
from tasks.transcribe import transcribe


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


class Worker:
    """Runs flows with the tools of one house."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def run(self, flow: Flow[..., Any], **parameters: Any) -> FlowRun:
        """A run that nobody has taken yet."""
        with get_client(sync_client=True) as client:
            return client.create_flow_run(flow, parameters=parameters, state=Scheduled())

    def work(self, flow: Flow[..., Any], run: FlowRun) -> State[Any]:
        """Take the run, also one that has ended."""
        with get_client(sync_client=True) as client, closing(PrefectApi(self.runtime.settings)) as prefect:
            prefect.requeue(str(run.id), "a test")
            told = flow.with_options(result_storage=result_storage(self.runtime.settings), persist_result=False)
            with suppress(Abort):  # the run has set its state by itself
                run_flow(told, flow_run=client.read_flow_run(run.id), return_type="state")
            state = client.read_flow_run(run.id).state
        assert state is not None
        return state


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are repeated at once."""
    for step in (download, transcribe, score, extract, judge):
        monkeypatch.setattr(step, "retry_delay_seconds", [0.01] * RETRIES)


@pytest.fixture
def house(prefect_url: str, settings: Settings, database: Database) -> House:
    """Definitions and staff; the engine `openai` is whatever a test puts there."""
    house = House(settings.model_copy(update={"prefect_api_url": prefect_url, "analyst_engine": "openai"}), database)
    house.furnish()
    return house


@pytest.fixture
def worker(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    runtime = Runtime(house.settings)
    runtime.database = house.database
    monkeypatch.setattr(runtimes, "_current", runtime)
    # Logs on their way to the server would outlive it.
    with temporary_settings({PREFECT_API_URL: house.settings.prefect_api_url, PREFECT_LOGGING_TO_API_ENABLED: False}):
        yield Worker(runtime)
