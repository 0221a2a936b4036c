"""Loading: calls that changed in the operational database become rows of the warehouse, and readers get a new file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from prefect import task
from prefect.cache_policies import NO_CACHE

from core import clock
from core.errors import LeaseLost
from core.settings import Settings
from db import export, leases
from db.engine import Database
from tasks.runtime import Runtime
from warehouse import dimensions, publish, scores
from warehouse.batch import Batch, Dimensions, LoadRefused
from warehouse.facts import Flattener
from warehouse.loader import Loader

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
    started = clock.monotonic()
    with database.begin() as session:
        token = leases.acquire(session, LEASE, settings.load_lease_seconds, clock.now())
    if token is None:
        return LoadReport(busy=True)
    try:
        run = _Run(database, settings, token)
        run.drain()
        published = publish.is_due(settings)
        if published:
            run.keep_lease()
            publish.publish(settings)
    finally:
        with database.begin() as session:
            leases.release(session, LEASE, token)
    seconds = clock.monotonic() - started
    return LoadReport(run.calls, run.batches, published, seconds, tuple(run.refused))


class _Run:
    """One drain of the outbox under the lease `token`."""

    def __init__(self, database: Database, settings: Settings, token: str) -> None:
        self._database, self._settings, self._token = database, settings, token
        self.calls = self.batches = 0
        self.refused: list[str] = []

    def drain(self) -> None:
        """Load everything that is pending, batch by batch."""
        after = 0
        with Loader(self._settings, self._token) as loader:
            while True:
                self.keep_lease()
                part = self._next(after)
                if not part.pending.rows and part.dimensions.fingerprint == loader.dimensions_hash:
                    return
                already = len(self.refused)
                self._load(loader, part, part.pending.call_ids)
                self._mark(part.pending, self.refused[already:])
                after = part.pending.last or after

    def keep_lease(self) -> None:
        """Prolong the lease; raises `LeaseLost` when it went to another loader."""
        with self._database.begin() as session:
            if not leases.renew(session, LEASE, self._token, self._settings.load_lease_seconds, clock.now()):
                raise LeaseLost(ru="Витрину загружает другой процесс.", en="Another loader took the warehouse over.")

    def _next(self, after: int) -> _Part:
        with export.snapshot(self._database) as session:
            pending = export.pending(session, after, self._settings.load_batch_calls)
            return _Part(pending, dimensions.build(export.dimensions(session)), export.states(session, pending.call_ids))

    def _load(self, loader: Loader, part: _Part, call_ids: tuple[str, ...]) -> None:
        """Load these calls of the part; when the rows of some are refused, all but those."""
        try:
            loader.load(part.batch(call_ids, self._settings.time_zone))
        except LoadRefused as refusal:
            if len(call_ids) == 1:
                self.refused.append(call_ids[0])
                log.warning("load_refused", call_id=call_ids[0], rules=refusal.fields["rules"])
                return
            middle = len(call_ids) // 2
            self._load(loader, part, call_ids[:middle])
            self._load(loader, part, call_ids[middle:])
        else:
            self.calls += len(call_ids)
            self.batches += 1

    def _mark(self, pending: export.Pending, refused: Sequence[str]) -> None:
        if seqs := pending.without(refused):
            with self._database.begin() as session:
                export.mark_loaded(session, seqs, clock.now())


@dataclass(frozen=True)
class _Part:
    """What one snapshot of the operational database says about the calls that are pending."""

    pending: export.Pending
    dimensions: Dimensions
    states: list[dict[str, Any]]

    def batch(self, call_ids: Collection[str], zone: str) -> Batch:
        """The rows of some of the calls; raises `LoadRefused` for content that is none."""
        flattener = Flattener(zone, scores.places(self.dimensions.rows["dim_stage"]))
        wanted = [state for state in self.states if state["call"]["call_id"] in set(call_ids)]
        return Batch(tuple(call_ids), flattener.batch(wanted), self.pending.last, self.dimensions)


@task(name="load", cache_policy=NO_CACHE)
def load(runtime: Runtime) -> LoadReport:
    """Load what is pending; a failure is repeated by the next run of the schedule."""
    return load_pending(runtime.database, runtime.settings)
