"""A trial that is broken off goes on, one that is cancelled ends."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from prefect.client.schemas.objects import FlowRun, StateType

from bench._house import CHECKLIST, House
from checklists.definitions import Checklist
from checklists.findings import Findings
from checklists.transcript import Transcript
from core import clock
from core.errors import Cancelled
from db import definitions, trials
from db.models import Trial
from flows.try_definition import try_definition
from tasks.engines.analyst import Context
from tests.flows.conftest import Worker

pytestmark = pytest.mark.slow  # a server starts in ten seconds
CALLS = ["c1", "c2", "c3"]


@dataclass
class Interrupted:
    """The embedded engine; in the midst of the second call something happens once: the worker ends, `cancels` is cancelled, or `raises`."""

    worker: Worker
    cancels: FlowRun | None = None
    raises: Exception = field(default_factory=lambda: SystemError("the worker ends"))
    asked: list[str] = field(default_factory=list)

    def check(self, transcript: Transcript, checklist: Checklist, context: Context) -> Findings:
        self.asked.append(context.at.isoformat())
        if len(self.asked) == 2:
            if self.cancels is None:
                raise self.raises
            self.worker.runtime.cancelled.add(str(self.cancels.id))
        return self.worker.runtime.analyst("rules").check(transcript, checklist, context)


@pytest.fixture
def engine(worker: Worker) -> Interrupted:
    engine = Interrupted(worker)
    worker.runtime._analysts["openai"] = engine  # type: ignore[assignment]
    return engine


@pytest.fixture
def trial(house: House) -> Trial:
    for call_id in CALLS:
        house.call(call_id)
    with house.database.begin() as session:
        return trials.create(session, definitions.load(session, "checklist", CHECKLIST), CALLS, "head", clock.now())


def stored(house: House, trial: Trial) -> tuple[str, str | None, list[str]]:
    with house.database.read() as session:
        row = trials.get(session, trial.trial_id)
    return row.status, row.problem, [one["call_id"] for one in row.outcomes]


def test_a_trial_goes_on_after_the_calls_it_has_judged(house: House, worker: Worker, engine: Interrupted, trial: Trial) -> None:
    run = worker.run(try_definition, trial_id=trial.trial_id)
    assert worker.work(try_definition, run).is_failed()
    assert stored(house, trial)[::2] == ("failed", CALLS[:1])
    assert worker.work(try_definition, run).is_completed()
    assert stored(house, trial) == ("done", None, CALLS)
    assert len(engine.asked) == 4, "the second call alone is judged twice"


def test_a_cancel_ends_it_within_one_call(house: House, worker: Worker, engine: Interrupted, trial: Trial) -> None:
    run = engine.cancels = worker.run(try_definition, trial_id=trial.trial_id)
    assert worker.work(try_definition, run).type == StateType.CANCELLED
    assert stored(house, trial) == ("failed", Cancelled().text("ru"), CALLS[:2])
    worker.runtime.cancelled.clear()  # as the worker does when the run is over
    assert worker.work(try_definition, run).is_completed()
    assert stored(house, trial) == ("done", None, CALLS)
    assert len(engine.asked) == 3


def test_a_cancel_while_it_waits_for_the_model_spoils_no_call(house: House, worker: Worker, engine: Interrupted, trial: Trial) -> None:
    engine.raises = Cancelled()
    run = worker.run(try_definition, trial_id=trial.trial_id)
    assert worker.work(try_definition, run).type == StateType.CANCELLED
    assert stored(house, trial) == ("failed", Cancelled().text("ru"), CALLS[:1])
    assert worker.work(try_definition, run).is_completed()
    assert stored(house, trial) == ("done", None, CALLS)
