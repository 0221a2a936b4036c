"""Prometheus metrics: requests of this process, and the state of the house as the database knows it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from starlette.types import Scope

from core import clock
from db import calls
from db.engine import Database
from db.models import Call, Delivery, LoadOutbox

PREFIX = "/api/v1"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0)


class Metrics:
    """A registry of its own: several applications in one process do not mix."""

    def __init__(self, database: Database) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("rop_http_requests", "Answered requests", labels, registry=self._registry)
        self._seconds = Histogram("rop_http_seconds", "Time to answer", ("method", "route"), buckets=BUCKETS, registry=self._registry)
        self._house = _House(database)

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answer under its route; the path itself could hold anything."""
        route = _template(scope)
        self._requests.labels(scope["method"], route, str(status)).inc()
        self._seconds.labels(scope["method"], route).observe(seconds)

    def text(self) -> bytes:
        """The exposition format; with several processes `PROMETHEUS_MULTIPROC_DIR` joins their request counts."""
        requests = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            requests = CollectorRegistry()
            MultiProcessCollector(requests)  # type: ignore[no-untyped-call]
        house = CollectorRegistry()
        house.register(self._house)
        return generate_latest(requests) + generate_latest(house)


def _template(scope: Scope) -> str:
    """The route's path with its parameters unfilled; a nested router knows its own part of it alone."""
    path = getattr(scope.get("route"), "path", None)
    if path is None:
        return "unknown"
    prefix = PREFIX if scope["path"].startswith(PREFIX) and not path.startswith(PREFIX) else ""
    return f"{prefix}{path}"


class _House(Collector):
    """Gauges that are true whichever process answers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        with self._database.read() as session:
            by_status = calls.count_by_status(session)
            oldest = session.scalar(select(func.min(Call.received_at)).where(Call.status.in_(calls.WAITING)))
            deliveries = session.execute(select(Delivery.status, func.count()).group_by(Delivery.status)).tuples().all()
            unloaded = session.scalar(select(func.count()).where(LoadOutbox.loaded_at.is_(None))) or 0
        yield _gauge("rop_calls", "Calls by state", by_status)
        yield _gauge("rop_deliveries", "Webhooks by state", dict(deliveries))
        age = 0.0 if oldest is None else max((clock.now() - oldest).total_seconds(), 0.0)
        yield GaugeMetricFamily("rop_queue_age_seconds", "Age of the oldest waiting call", value=age)
        yield GaugeMetricFamily("rop_warehouse_backlog", "Changes the warehouse has not loaded", value=unloaded)


def _gauge(name: str, text: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["status"])
    for status, count in sorted(values.items()):
        family.add_metric([status], count)
    return family
