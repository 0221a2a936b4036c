"""A Prefect worker that runs flows in its own process: the model stays loaded, a run costs a tenth of a new process.

Registered as pool type `resident`, so that `prefect worker start --pool calls --type resident` finds it. The flows know nothing
of it and deploy to a `process`, `docker` or `kubernetes` pool unchanged.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Self
from uuid import UUID

import anyio
import anyio.abc
import anyio.to_thread
import httpx
import structlog
from prefect import Flow
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.exceptions import Abort, ObjectNotFound, Pause, PrefectException
from prefect.filesystems import RemoteFileSystem
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Cancelled as CancelledState
from prefect.states import Scheduled
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult
from sqlalchemy.exc import SQLAlchemyError

from core import allocator, clock, ids, logging
from core import settings as settings_module
from core.errors import Cancelled, RopError
from core.failpoints import failpoint
from core.settings import Settings
from db import calls, migrate, recovery
from db.models import Call
from tasks import leftovers, step_results
from tasks import runtime as runtimes
from tasks.lease import Lease
from tasks.postpone import STATE as POSTPONED
from tasks.prefect_api import RESIDENT
from tasks.publish import publish_failure
from tasks.recovery import ending
from tasks.runtime import Runtime

FLOWS = {
    "process-call": "flows.process_call:process_call",
    "deliver-webhooks": "flows.deliver_webhooks:deliver_webhooks",
    "load-warehouse": "flows.load_warehouse:load_warehouse",
    "check-quality": "flows.check_quality:check_quality",
    "keep-up": "flows.keep_up:keep_up",
    "apply-retention": "flows.apply_retention:apply_retention",
    "reconcile": "flows.reconcile:reconcile",
    "rescore-call": "flows.rescore:rescore_one",
    "rescore-since": "flows.rescore:rescore_since",
    "try-definition": "flows.try_definition:try_definition",
}
CANCEL_POLL_SECONDS = 1.5  # asked at the first poll, ended at the second: within five seconds also on a busy machine
REFILL_SECONDS = 0.2  # calls that end together share a poll
RECOVER_SECONDS = 60.0
SOUND_SECONDS = 60.0  # since the worker last looked after itself, which it does at every poll for cancels
LOADING_SECONDS = 1800.0  # before it looks after itself for the first time: a large model may have to come from a hub
MIGRATION_POLL_SECONDS = 2.0
TIDY_SECONDS = 3600.0
OVERDUE = timedelta(minutes=15)  # a run that waited for an outage yields to new ones no longer
SERVER_ERROR = 500
LIVE_STATES = ["RUNNING", "PENDING"]
REQUEUE_SECONDS = 8.0  # for Prefect to hear which runs a stopping worker leaves: under the pause before it is killed

log = structlog.get_logger(__name__)


class ResidentResult(BaseWorkerResult):
    """Outcome of a run; its Prefect state was set by the flow engine already."""


class ResidentConfiguration(BaseJobConfiguration):
    """Nothing to resolve: a run starts in this process, which has its environment already. Saves a run four requests."""

    @classmethod
    async def resolve_for_flow_run(cls, flow_run: FlowRun, **_: Any) -> Self:
        configuration = cls()
        configuration._related_objects = {"flow-run": flow_run}
        return configuration


class ResidentWorker(BaseWorker[ResidentConfiguration, BaseVariables, ResidentResult]):
    """Runs flow runs in threads of this process, `limit` at a time."""

    type = RESIDENT
    job_configuration = ResidentConfiguration
    job_configuration_variables = BaseVariables
    _description = "Runs flows inside the worker process, with the models loaded once."
    _display_name = "Resident"

    def __init__(self, work_pool_name: str, name: str | None = None, limit: int | None = None, **options: Any) -> None:
        self.settings = settings_module.load()
        if work_pool_name == self.settings.work_pool:
            allocator.keep_memory()
        logging.configure(self.settings)
        self._slot, slot_name = _stable_name(self.settings, work_pool_name)
        limit = limit or self.settings.worker_limit
        super().__init__(work_pool_name, name=name or slot_name, limit=limit, **options)
        self.boot, self._began = ids.token(4), clock.now()
        self.runtime = Runtime(self.settings)
        self.running: dict[UUID, str] = {}
        self._threads = anyio.CapacityLimiter(limit)
        self._draining = False
        self._looked_at = clock.monotonic() + LOADING_SECONDS
        self._flows: dict[UUID, Flow[..., Any]] = {}
        self._bulk: UUID | None = None

    async def start(self, run_once: bool = False, with_healthcheck: bool = False, printer: Callable[..., None] = print) -> None:
        """Load the model, take over what an earlier boot of this worker left, then serve until SIGTERM."""
        runtimes.use(self.runtime)
        if run_once:
            await self._prepare(printer)
            await super().start(run_once=True, with_healthcheck=with_healthcheck, printer=printer)
            return
        stop = _stop_signal()  # first of all: Prefect's own handlers lose a signal that comes while the model loads
        if not await _ended_before(stop, self._prepare(printer)):
            os._exit(0)  # nothing is under way, and what loads the model cannot be interrupted
        # A run's heartbeat thread would hold its place for up to a second after its end; who has died is seen by the lease of the call.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            await self._serve(stop, with_healthcheck, printer)

    async def _prepare(self, printer: Callable[..., None]) -> None:
        await self._until_migrated(printer)
        if self._work_pool_name == self.settings.work_pool:
            printer("Loading the speech model…")
            await anyio.to_thread.run_sync(self.runtime.transcriber.load)

    async def _until_migrated(self, printer: Callable[..., None]) -> None:
        """Wait for the schema of this version: an upgrade of a fleet starts its workers and the migration together.

        Raises:
            SchemaTooNew: a newer version has migrated it already.
        """
        while not await anyio.to_thread.run_sync(self._is_migrated):
            printer("Waiting for the database and its migration (rop up, rop deploy)…")
            await asyncio.sleep(MIGRATION_POLL_SECONDS)

    def _is_migrated(self) -> bool:
        with suppress(SQLAlchemyError):
            return migrate.is_current(self.runtime.database)
        return False

    async def _serve(self, stop: asyncio.Event, with_healthcheck: bool, printer: Callable[..., None]) -> None:
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(super().start(with_healthcheck=with_healthcheck, printer=printer))
            work = (self._recover, self._watch_cancellations, partial(self._watch_health, stop), self._tidy)
            helpers = [group.create_task(self._steadily(one)) for one in work]
            await stop.wait()
            await self._drain(printer)
            for task in (*helpers, serving):
                task.cancel()

    async def _steadily(self, work: Callable[[], Awaitable[None]]) -> None:
        """Go on after whatever a helper meets: its error must not end the worker, and with it all calls under way, without a drain."""
        while True:
            try:
                await work()
            except Exception:
                log.warning("worker_helper_failed", exc_info=True)
                await asyncio.sleep(CANCEL_POLL_SECONDS)
            else:
                return

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ResidentConfiguration,
        task_status: anyio.abc.TaskStatus[Any] | None = None,
    ) -> ResidentResult:
        """Run one flow run in a thread; a flow's own failure is a state, not an error of the worker."""
        flow = await self._flow(flow_run)  # what fails before the start is a crash; later it would be a run that nobody ends
        if task_status:
            task_status.started(f"{self.name}:{self.boot}")
        self.running[flow_run.id] = str(flow_run.parameters.get("call_id", ""))
        try:
            await anyio.to_thread.run_sync(_run, flow, flow_run, limiter=self._threads)
        finally:
            self.running.pop(flow_run.id, None)
            self.runtime.cancelled.discard(str(flow_run.id))
        return ResidentResult(status_code=0, identifier=str(flow_run.id))

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Nothing new is taken while the worker drains."""
        with _outage():
            return [] if self._draining else await super().get_and_submit_flow_runs()
        return []

    async def _sync_and_initialize(self) -> None:
        """The heartbeat; one that nobody hears is followed by the next."""
        with _outage():
            await super()._sync_and_initialize()

    def is_worker_still_polling(self, query_interval_seconds: float) -> bool:
        """Whether the worker is sound, for its health endpoint. A Prefect that is away is no reason to end what it hears."""
        return not self._collapsed() and clock.monotonic() - self._looked_at < SOUND_SECONDS

    async def _submit_scheduled_flow_runs(self, flow_run_response: list[WorkerFlowRunResponse]) -> list[FlowRun]:
        """A run whose former try has not left its thread yet comes with a later poll."""
        taken = self.running.keys() | self._submitting_flow_run_ids
        free = [one for one in in_turn(flow_run_response, clock.now()) if one.flow_run.id not in taken]
        with_room = leaving_room(free, await self._bulk_queue(), int(self.limiter.available_tokens))
        return await super()._submit_scheduled_flow_runs(with_room)

    async def _bulk_queue(self) -> UUID | None:
        """The queue that leaves a place to live calls; none where this worker has but one place, or takes no live calls."""
        settings, served = self.settings, self._work_queues
        if self._work_pool_name != settings.work_pool or self.limiter.total_tokens < 2 or (served and settings.live_queue not in served):
            return None
        if self._bulk is None:
            with suppress(ObjectNotFound):
                self._bulk = (await self.client.read_work_queue_by_name(settings.bulk_queue, self._work_pool_name)).id
        return self._bulk

    async def _submit_run(self, flow_run: FlowRun) -> None:
        """Without its deployment, which would be read to see that it still is there, and would make the engine open an event stream."""
        await super()._submit_run(flow_run.model_copy(update={"deployment_id": None}))

    async def _propose_submitting_state(self, flow_run: FlowRun) -> None:
        """No state between Pending and Running, which follow each other at once."""

    def _emit_flow_run_submitted_event(self, configuration: BaseJobConfiguration) -> None:
        """No events of the worker beside those of the run's own states."""

    async def _give_worker_labels_to_flow_run(self, flow_run_id: UUID) -> None:
        """No labels: on SQLite the server answers this one request with "locked" and each repeat waits twice as long."""

    def _release_limit_slot(self, flow_run_id: UUID) -> None:
        """A worker that was full, or but for the place of a live call, asks for the next run soon; the poll would come in two seconds."""
        was_full = self.limiter.available_tokens <= 1
        super()._release_limit_slot(flow_run_id)
        if was_full and self._runs_task_group is not None:
            self._runs_task_group.start_soon(self._refill)

    async def _refill(self) -> None:
        await asyncio.sleep(REFILL_SECONDS)
        with suppress(httpx.HTTPError):  # the poll, which backs off, will tell of it
            await self.get_and_submit_flow_runs()

    async def _flow(self, flow_run: FlowRun) -> Flow[..., Any]:
        if flow_run.flow_id not in self._flows:
            name = (await self.client.read_flow(flow_run.flow_id)).name
            module, _, attribute = FLOWS[name].partition(":")
            flow: Flow[..., Any] = getattr(import_module(module), attribute)
            self._flows[flow_run.flow_id] = flow.with_options(persist_result=False)
            # Where results lie is told, or the engine asks the server for it three times a run.
            self._flows[flow_run.flow_id].result_storage = result_storage(self.settings)
        return self._flows[flow_run.flow_id]

    async def _recover(self) -> None:
        """Schedule again what this worker should be at and is not; the call's own cap ends a poison call."""
        while not self.is_setup:  # noqa: ASYNC110  the base class offers no event
            await asyncio.sleep(0.1)
        while True:
            for run in await self._runs({"state": {"type": {"any_": LIVE_STATES}}}):
                if self._seems_lost(run) and not await anyio.to_thread.run_sync(self._is_held, run):
                    await self._resume(run.id, str(run.parameters.get("call_id", "")), "Воркер был остановлен, запуск продолжен.")
            await asyncio.sleep(RECOVER_SECONDS)

    def _seems_lost(self, run: FlowRun) -> bool:
        """Left behind by an earlier boot under this name, or by this one: its end, say, could not be told to Prefect."""
        owner = (run.infrastructure_pid or "").rpartition(":")[0]
        if owner != self.name or run.id in self.running or run.id in self._submitting_flow_run_ids or run.state is None:
            return False
        patience = timedelta(seconds=self.settings.pending_seconds if run.state.timestamp >= self._began else 0.0)
        return clock.now() - run.state.timestamp > patience

    def _is_held(self, run: FlowRun) -> bool:
        """Whether another worker is at its call, which Prefect has not heard: a run keeps the mark of its former worker until then."""
        if run.state is None or run.state.timestamp < self._began:
            return False
        with self.runtime.database.read() as session:
            return recovery.is_held(session, str(run.parameters.get("call_id", "")), clock.now())

    async def _tidy(self) -> None:
        while True:
            try:
                await anyio.to_thread.run_sync(leftovers.tidy, self.settings)
            except (OSError, RopError) as error:
                log.warning("not_tidied", error=str(error))  # a storage that is away; the next look is soon enough
            await asyncio.sleep(TIDY_SECONDS)

    async def _watch_cancellations(self) -> None:
        while True:
            await asyncio.sleep(CANCEL_POLL_SECONDS)
            if self.running:
                wanted = {"id": {"any_": list(self.running)}, "state": {"type": {"any_": ["CANCELLING"]}}}
                for run in await self._runs(wanted):
                    await self._cancel(run.id)

    async def _watch_health(self, stop: asyncio.Event) -> None:
        """End a worker that cannot be healed from within; whoever keeps it alive starts it anew."""
        while not (self._collapsed() or any(lease.hangs for lease in self._held())):
            self._looked_at = clock.monotonic()
            await asyncio.sleep(CANCEL_POLL_SECONDS)
        stop.set()

    def _collapsed(self) -> bool:
        """Whether an error has ended Prefect's own part, which polls no more and waits for the runs under way."""
        return self._runs_task_group is not None and self._runs_task_group.cancel_scope.cancel_called

    def _held(self) -> list[Lease]:
        leases = (self.runtime.leases.get(str(run)) for run in self.running)
        return [lease for lease in leases if lease is not None]

    async def _cancel(self, flow_run_id: UUID) -> None:
        """Ask the run to stop; one that is deep in a native decoder is ended from outside, and what it does later is fenced."""
        lease = self.runtime.leases.get(str(flow_run_id))
        if lease is None:
            await self._cancel_without_lease(flow_run_id)
            return
        if lease.stop_reason is None:
            lease.stop(Cancelled())
            return
        # Its thread may last for minutes more, and would then take back a retry that somebody has asked for meanwhile.
        lease.abandon()
        await anyio.to_thread.run_sync(publish_failure, self.runtime, lease, Cancelled())
        await self.client.set_flow_run_state(flow_run_id, CancelledState(message=Cancelled().text("ru")), force=True)

    async def _cancel_without_lease(self, flow_run_id: UUID) -> None:
        """Rescoring and housekeeping hold no call: they are told, and what does not look up is left to end by itself."""
        if str(flow_run_id) in self.runtime.cancelled:
            await self.client.set_flow_run_state(flow_run_id, CancelledState(message=Cancelled().text("ru")), force=True)
        self.runtime.cancelled.add(str(flow_run_id))

    async def _drain(self, printer: Callable[..., None]) -> None:
        """Let running calls end within the grace, give the rest back to the queue."""
        self._draining = True
        printer(f"Draining {len(self.running)} run(s), at most {self.settings.worker_grace_seconds:.0f} s…")
        with anyio.move_on_after(self.settings.worker_grace_seconds):
            while self.running:  # noqa: ASYNC110  the set empties from worker threads
                await asyncio.sleep(0.1)
        held = dict(self.running)  # before the first of them hears that it has to leave
        left = {run: call_id for run, call_id in held.items() if await self._give_back(run)}
        # A Prefect that is down or slow must not keep the worker: the reconciler finds these runs all the same.
        with anyio.move_on_after(REQUEUE_SECONDS):
            for flow_run_id, call_id in left.items():
                with suppress(httpx.HTTPError, PrefectException, SQLAlchemyError):
                    failpoint("drain.before_requeue")
                    await self._resume(flow_run_id, call_id, "Воркер остановлен, запуск возвращён в очередь.")
                    failpoint("drain.after_requeue")
        if self.running:
            # Threads inside a native decoder cannot be interrupted; everything they would do is fenced by now.
            os._exit(0)

    async def _give_back(self, flow_run_id: UUID) -> bool:
        """Whether the run is still this worker's; its call, if it holds one, may be taken by the next."""
        lease = self.runtime.leases.get(str(flow_run_id))
        if lease is None or lease.hangs:  # what hangs counts as broken off: it must not come back for ever
            return True
        with suppress(SQLAlchemyError):
            return await anyio.to_thread.run_sync(lease.give_back)
        return False

    async def _runs(self, flow_run_filter: dict[str, Any]) -> list[FlowRun]:
        return await self.client.read_flow_runs(
            flow_run_filter=FlowRunFilter.model_validate(flow_run_filter),
            work_pool_filter=WorkPoolFilter.model_validate({"name": {"any_": [self._work_pool_name]}}),
            limit=200,
        )

    async def _resume(self, flow_run_id: UUID, call_id: str, why: str) -> None:
        """Schedule the run again: for when its call is due, if that waits; one whose call has failed would take it up anew, and ends.

        What somebody has asked for meanwhile, a cancel or a retry, is left alone.
        """
        if (await self.client.read_flow_run(flow_run_id)).state_type in {StateType.CANCELLING, StateType.SCHEDULED}:
            return
        call = await anyio.to_thread.run_sync(self._call_of, flow_run_id, call_id)
        await self.client.set_flow_run_state(flow_run_id, _next(call, why), force=True)

    def _call_of(self, flow_run_id: UUID, call_id: str) -> Call | None:
        with self.runtime.database.read() as session:
            return recovery.of_run(session, call_id, str(flow_run_id))


def _next(call: Call | None, why: str) -> State[Any]:
    """The state of a run that its worker has left: waiting as its call does, ended as its call has failed, or in the queue again."""
    if call is not None and call.status == "failed":
        kind, message = ending(call)
        return State(type=StateType(kind), message=message)
    if call is not None and calls.is_postponed(call, clock.now()):
        return Scheduled(name=POSTPONED, message=call.reason and call.reason["ru"], scheduled_time=call.triggered_at)
    return Scheduled(name="AwaitingRetry", message=why)


def in_turn(found: Sequence[WorkerFlowRunResponse], at: datetime) -> list[WorkerFlowRunResponse]:
    """Of each queue first the runs that never began: many may wait for one dead server, and each may hold its place for a time-out.

    One that waits is left out until it is due, as it would hold a place until then, and has its turn when it is long overdue.
    """
    queues = list(dict.fromkeys(one.work_queue_id for one in found))
    overdue = {
        one.flow_run.id: at - (one.flow_run.next_scheduled_start_time or at) for one in found if one.flow_run.state_name == POSTPONED
    }
    due = [one for one in found if overdue.get(one.flow_run.id, timedelta()) >= timedelta()]
    return sorted(due, key=lambda one: (queues.index(one.work_queue_id), overdue.get(one.flow_run.id, OVERDUE) < OVERDUE))


def leaving_room(found: Sequence[WorkerFlowRunResponse], bulk: UUID | None, places: int) -> list[WorkerFlowRunResponse]:
    """Without the runs of the queue `bulk` that would take the last of the free `places`: all the others may be busy with long ones."""
    first = [one for one in found if one.work_queue_id != bulk]
    behind = [one for one in found if one.work_queue_id == bulk]
    return first + behind[: max(places - 1 - len(first), 0)]


@contextmanager
def _outage() -> Iterator[None]:
    """Wait for a Prefect that is away, however long: Prefect's own worker gives up after a while, and with it all that is under way."""
    try:
        yield
    except httpx.TransportError as error:
        log.warning("prefect_away", error=type(error).__name__)
    except httpx.HTTPStatusError as error:
        if error.response.status_code < SERVER_ERROR:
            raise
        log.warning("prefect_away", status=error.response.status_code)


def result_storage(settings: Settings) -> Path | RemoteFileSystem:
    """Where finished steps leave their results, in Prefect's terms; not saved in the server, which needs no key to them."""
    url = step_results.url(settings)
    return RemoteFileSystem(basepath=url) if "://" in url else Path(url)


def _run(flow: Flow[..., Any], flow_run: FlowRun) -> None:
    try:
        run_flow(flow, flow_run=flow_run, return_type="state")
    except (Abort, Pause):
        # Another attempt owns the run, or the server refused the transition: its state is not ours to set.
        return


async def _ended_before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether the work has ended, or failed, before somebody asked to stop."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        working.result()
    return working.done()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _stable_name(settings: Settings, pool: str) -> tuple[IO[str], str]:
    """The first free `host-pool-N` of this home, held by a file lock for the life of the process: a restart finds its own runs."""
    folder = settings.root / "run"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        name = f"{socket.gethostname()}-{pool}-{number}"
        handle = Path(folder / f"{name}.lock").open("w", encoding="utf-8")  # noqa: SIM115  held until the process ends
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            continue
        return handle, name
    raise RuntimeError("a thousand workers of one pool on one host")
