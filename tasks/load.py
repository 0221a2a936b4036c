"""Loading: calls that changed in the operational database become rows of the warehouse, and readers get a new file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy.orm import Session

from core import clock
from core.errors import LeaseLost
from core.failpoints import failpoint
from core.settings import Settings
from db import export, leases
from db.engine import Database
from tasks.runtime import Runtime
from warehouse import dimensions, lake, loader, publish, scores
from warehouse.batch import Batch, Rules
from warehouse.facts import Flattener
from warehouse.loader import Loader, SchemaChanged

LEASE = "warehouse-loader"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LoadReport:
    """What one run did: calls brought up to date, transactions, whether readers got a new file, seconds.

    `refused` are calls whose rows contradict each other; they stay pending. `busy` when another loader was at work.
    """

    calls: int = 0
    batches: int = 0
    published: bool = False
    seconds: float = 0.0
    refused: tuple[str, ...] = field(default=())
    busy: bool = False


def load_pending(database: Database, settings: Settings) -> LoadReport:
    """Bring the warehouse up to date and publish it when that is due; one process at a time does it.

    May be killed anywhere: rows are marked as loaded after the warehouse has them, and a repeat loads the same.
    """
    with _leased(database, settings) as run:
        if run is None:
            return LoadReport(busy=True)
        try:
            run.drain()
        except SchemaChanged:
            run.rebuild()
        return run.report()


def rebuild(database: Database, settings: Settings) -> LoadReport:
    """Make the warehouse anew from the operational database; readers keep the old one until it is whole."""
    with _leased(database, settings) as run:
        if run is None:
            return LoadReport(busy=True)
        run.rebuild()
        return run.report()


def maintain(database: Database, settings: Settings) -> None:
    """The nightly upkeep: old rows of the outbox go, and a lake is compacted. Does nothing while a loader is at work."""
    with _leased(database, settings) as run:
        if run is None:
            return
        with database.begin() as session:
            export.forget_loaded(session, clock.now() - timedelta(seconds=settings.outbox_keep_seconds))
        if settings.lake_catalog is not None:
            lake.maintain(settings)


@contextmanager
def _leased(database: Database, settings: Settings) -> Iterator[_Run | None]:
    """A run that holds the lease for the length of the block, or None while somebody else holds it."""
    with database.begin() as session:
        token = leases.acquire(session, LEASE, settings.load_lease_seconds, clock.now())
    if token is None:
        yield None
        return
    try:
        yield _Run(database, settings, token)
    finally:
        with database.begin() as session:
            leases.release(session, LEASE, token)


class _Run:
    """The work of one loader under the lease `token`."""

    def __init__(self, database: Database, settings: Settings, token: str) -> None:
        self._database, self._settings, self._token = database, settings, token
        self._started = clock.monotonic()
        self._calls = self._batches = 0
        self._refused: dict[str, Rules] = {}

    def drain(self) -> None:
        """Load everything that is pending, batch by batch."""
        after = 0
        with Loader(self._settings) as warehouse:
            while True:
                pending, batch = self._pending(after)
                if not pending.rows and batch.dimensions and batch.dimensions.fingerprint == warehouse.dimensions_hash:
                    return
                self._count(batch, warehouse.load_sound(batch))
                self._mark(pending)
                after = pending.last or after

    def rebuild(self) -> None:
        """Load every call into an empty warehouse that then takes the place of the old one."""
        self._refuse(loader.rebuild(self._settings, self._everything()))

    def report(self) -> LoadReport:
        """Publish if that is due, and say what was done."""
        published = publish.is_due(self._settings)
        if published:
            self._keep_lease()
            publish.publish(self._settings)
        seconds = clock.monotonic() - self._started
        return LoadReport(self._calls, self._batches, published, seconds, tuple(self._refused))

    def _keep_lease(self) -> None:
        with self._database.begin() as session:
            if not leases.renew(session, LEASE, self._token, self._settings.load_lease_seconds, clock.now()):
                raise LeaseLost(ru="Витрину загружает другой процесс.", en="Another loader took the warehouse over.")

    def _pending(self, after: int) -> tuple[export.Pending, Batch]:
        self._keep_lease()
        with export.snapshot(self._database) as session:
            pending = export.pending(session, after, self._settings.load_batch_calls)
            return pending, self._batch(session, pending.call_ids, pending.last)

    def _everything(self) -> Iterator[Batch]:
        after = ""
        while True:
            self._keep_lease()
            with export.snapshot(self._database) as session:
                call_ids = export.reportable_ids(session, after, self._settings.load_batch_calls)
                batch = self._batch(session, call_ids, 0)
            yield batch
            self._count(batch, {})
            if not call_ids:
                return
            after = call_ids[-1]

    def _batch(self, session: Session, call_ids: tuple[str, ...], seq: int) -> Batch:
        """The present state of these calls; those that have none are gone."""
        known = dimensions.build(export.dimensions(session))
        states = export.states(session, call_ids)
        gone = set(call_ids) - {state["call"]["call_id"] for state in states}
        flattener = Flattener(self._settings.time_zone, scores.places(known.rows["dim_stage"]))
        batch, unreadable = flattener.batch(states, sorted(gone), seq, known)
        self._refuse(unreadable)
        return batch

    def _count(self, batch: Batch, refused: Mapping[str, Rules]) -> None:
        self._calls += len(batch.call_ids) - len(refused)
        self._batches += 1
        self._refuse(refused)

    def _refuse(self, refused: Mapping[str, Rules]) -> None:
        self._refused.update(refused)
        for call_id, rules in refused.items():
            log.warning("load_refused", call_id=call_id, rules=rules)

    def _mark(self, pending: export.Pending) -> None:
        if seqs := pending.without(self._refused):
            with self._database.begin() as session:
                export.mark_loaded(session, seqs, clock.now())
            failpoint("load.after_mark")


@task(name="load", cache_policy=NO_CACHE)
def load(runtime: Runtime) -> LoadReport:
    """Load what is pending; a failure is repeated by the next run of the schedule."""
    return load_pending(runtime.database, runtime.settings)
