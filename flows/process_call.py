"""The way of one call. A flow run names the call and nothing else; everything it needs is in the database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

from prefect import State, flow, get_run_logger
from prefect.exceptions import Abort
from prefect.runtime import flow_run
from prefect.states import Cancelled as CancelledState
from prefect.states import Completed, Failed
from sqlalchemy.exc import OperationalError

from core.errors import Cancelled, LeaseLost, NotFound, RopError, as_rop
from core.failpoints import failpoint
from db import calls, definitions
from db.definitions import kind_of
from tasks import lease as leases
from tasks import runtime as runtimes
from tasks.cards import show_card
from tasks.download import download
from tasks.extract import extract
from tasks.lease import Lease
from tasks.notify import notify_if_owed
from tasks.postpone import STATE as POSTPONED
from tasks.postpone import postpone
from tasks.prefect_api import PrefectApi, PrefectUnavailable
from tasks.publish import Judgement, judgement, publish, publish_failure, publish_silence
from tasks.runtime import Runtime
from tasks.score import score
from tasks.transcribe import transcribe


@flow(name="process-call", flow_run_name="{call_id}", retries=0)
def process_call(call_id: str) -> State[Any]:
    """Download, transcribe, judge, publish, notify; ends in a state with a reason that a person can read."""
    runtime = runtimes.current()
    try:
        claimed = leases.claim(runtime.database, runtime.settings, call_id, str(flow_run.id))
    except (LeaseLost, NotFound) as refused:
        # Another run's, or deleted: somebody has retried an old run, say.
        return CancelledState(message=refused.text("ru"))
    with runtime.holding(claimed, str(flow_run.id)) as lease:
        try:
            return _work(runtime, lease)
        except LeaseLost as lost:
            return _left(runtime, call_id, lost)


def _work(runtime: Runtime, lease: Lease) -> State[Any]:
    try:
        return _steps(runtime, lease)
    except LeaseLost:
        raise
    except Exception as error:  # whatever happened, the call ends in a state with a reason or goes on later
        reason = lease.stop_reason or as_rop(error)
        if isinstance(reason, LeaseLost):
            raise reason from error
        if lease.stop_reason is None and isinstance(error, OperationalError):
            raise  # a database that is away can be told nothing: the reconciler goes on when the lease is over
        if type(reason) is RopError:
            get_run_logger().exception("unexpected error", exc_info=error)
        _wait_out(runtime, lease, [reason])
        return _failed(runtime, lease, reason)


def _steps(runtime: Runtime, lease: Lease) -> State[Any]:
    call_id = lease.call.call_id
    if not lease.finished:
        _refuse_poison(runtime, lease)
        download(call_id)
        if transcribe(call_id)["utterances"] == 0:
            publish_silence(call_id)
        else:
            lease.enter("analysing", runtime.settings.analyse_seconds)
            judged = _judge(runtime, lease)
            lease.heed()
            _wait_out(runtime, lease, [one.error for one in judged if one.error])
            publish(call_id, judged)
    return Completed(message=_tell(runtime, call_id))


def _wait_out(runtime: Runtime, lease: Lease, errors: Sequence[RopError]) -> None:
    """Leave the run, to go on when the outage that stopped it may be over; returns if there is nothing to wait for.

    The state is not returned: where a run is a process, Prefect calls one that ends in a scheduled state crashed.
    """
    wait = postpone(runtime, lease, errors)
    if wait is None:
        return
    with suppress(PrefectUnavailable, NotFound), closing(PrefectApi(runtime.settings)) as prefect:  # the reconciler sees to it
        prefect.postpone(str(flow_run.id), POSTPONED, wait.why.text("ru"), wait.until)
    raise Abort(str(wait.why))


def _left(runtime: Runtime, call_id: str, lost: LeaseLost) -> State[Any]:
    """The end of a run that may not write any more; its state is not ours to set when another try of this very run has the call."""
    with runtime.database.read() as session:
        if calls.is_of_run(session, call_id, str(flow_run.id)):
            raise Abort(str(lost)) from lost
    return CancelledState(message=lost.text("ru"))


def _tell(runtime: Runtime, call_id: str) -> str:
    notify_if_owed(call_id)
    failpoint("call.before_end")
    return show_card(runtime, call_id)


def _refuse_poison(runtime: Runtime, lease: Lease) -> None:
    if lease.call.runs <= runtime.settings.max_attempts:
        return  # as nearly every call: there is nothing to count
    with runtime.database.read() as session:
        broken = calls.broken_runs(session, lease.call) - 1  # without this one
    if broken >= runtime.settings.max_attempts:
        raise calls.TooManyRuns(runs=broken)


def _judge(runtime: Runtime, lease: Lease) -> list[Judgement]:
    """Every checklist and table that this call is routed to; one that fails does not stop the others."""
    with runtime.database.read() as session:
        asked = definitions.judging(session, lease.call)
    answers = [(score if kind_of(d) == "checklist" else extract).submit(lease.call.call_id, d.id, d.version) for d in asked]
    return [judgement(d, answer.result(raise_on_failure=False)) for d, answer in zip(asked, answers, strict=True)]


def _failed(runtime: Runtime, lease: Lease, reason: RopError) -> State[Any]:
    publish_failure(runtime, lease, reason)
    notify_if_owed(lease.call.call_id)
    make = CancelledState if isinstance(reason, Cancelled) else Failed
    return make(message=reason.text("ru"))
