"""Trying calls again after an outage, as Retry in the Prefect UI does with a failed one: finished steps are not repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from core import clock
from core.errors import Cancelled, NotFound
from core.settings import Settings
from db import calls, retries
from db.engine import Database
from db.retries import Stopped
from tasks.dispatch import trigger
from tasks.prefect_api import PAGE, PrefectApi, PrefectUnavailable, Run

GOING_ON = frozenset({"SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"})  # asked for already, or ending at this moment
CANCELLED = frozenset({"CANCELLED", "CANCELLING"})  # of a call that waits: it is about to end


@dataclass(frozen=True)
class Choice:
    """The calls to try again, oldest first, and how many were passed over, by reason code or by state."""

    calls: Sequence[Stopped]
    passed: Counter[str]


def choose_since(database: Database, since: datetime, code: str | None = None) -> Choice:
    """Calls received since then whose reason may have passed by itself, or is `code`; what a person cancelled stays cancelled."""
    with database.read() as session:
        found = retries.stopped_since(session, since, clock.now())
    wanted = [one for one in found if one.code != Cancelled.code and (one.transient if code is None else one.code == code)]
    return Choice(wanted, Counter(one.code for one in found) - Counter(one.code for one in wanted))


def choose(database: Database, call_ids: Sequence[str]) -> Choice:
    """Those of the calls that have failed or wait for the end of an outage, for whatever reason.

    Raises:
        NotFound: there is no such call.
    """
    with database.read() as session:
        states: dict[str, str] = {call_id: _state(session, call_id) for call_id in call_ids}
        wanted = retries.stopped_of(session, states, clock.now())
    for one in wanted:
        del states[one.call_id]
    return Choice(wanted, Counter(states.values()))


def resume(database: Database, prefect: PrefectApi, settings: Settings, chosen: Sequence[Stopped]) -> Iterator[tuple[int, Counter[str]]]:
    """Begin the calls anew; now and then the number of calls so far, and how many `went_on`, `began` as a new run, or were `left` alone.

    Raises:
        PrefectUnavailable: what has not begun by then may be asked for again.
    """
    if not prefect.healthy():
        raise PrefectUnavailable(ru="Prefect не отвечает: звонки не тронуты, повторите команду, когда он поднимется.")
    outcome: Counter[str] = Counter()
    for start in range(0, len(chosen), PAGE):
        batch = chosen[start : start + PAGE]
        known = prefect.runs([one.flow_run_id for one in batch if one.flow_run_id])
        outcome.update(_resume(database, prefect, settings, one, known.get(one.flow_run_id or "")) for one in batch)
        yield start + len(batch), outcome


def _state(session: Session, call_id: str) -> str:
    try:
        return calls.public_status(calls.get(session, call_id))
    except NotFound:
        raise NotFound(ru="Звонок {call_id} не найден.", en="No such call: {call_id}.", call_id=call_id) from None


def _resume(database: Database, prefect: PrefectApi, settings: Settings, call: Stopped, run: Run | None) -> str:
    """The call first: should Prefect fail between, the reconciler finds a waiting call whose run has ended."""
    if run is not None and run.type in (CANCELLED if call.waits else GOING_ON):
        return "left"
    with database.begin() as session:
        if not retries.begin_anew(session, call, clock.now(), keep_run=run is not None):
            return "left"
    with suppress(NotFound):  # deleted while we looked: the reconciler makes a new run, unless the call went, too
        if run is not None:
            prefect.requeue(run.id, "Запуск повторён и продолжен с последнего готового шага.")
        elif call.priority == "live":  # others are started by the reconciler, as far as there is room
            trigger(database, prefect, settings, call.call_id)
    return "began" if run is None else "went_on"
