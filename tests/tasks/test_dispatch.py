"""A delivery run for the moment when the next webhook is due: one for many, none that finds nothing, none without Prefect."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from core import clock
from core.settings import Settings
from db import deliveries, endpoints
from db.engine import Database
from db.models import Delivery
from tasks.dispatch import deliver_soon
from tasks.prefect_api import PrefectApi
from tests.peers.prefect_peer import PrefectPeer

AT = datetime.fromisoformat("2026-11-23T09:00:00.300+00:00")
SLOT = datetime.fromisoformat("2026-11-23T09:00:07+00:00")  # a second after its end, as Prefect may begin the run early
SERVER = (b"server",)


@pytest.fixture
def peer() -> Iterator[PrefectPeer]:
    with PrefectPeer() as running, time_machine.travel(AT, tick=False):
        yield running


@pytest.fixture
def prefect(settings: Settings, peer: PrefectPeer) -> Iterator[PrefectApi]:
    client = PrefectApi(settings.model_copy(update={"prefect_api_url": peer.url}))
    yield client
    client.close()


def put(database: Database, seconds: float, owner: str = "sales", **state: Any) -> None:
    """A waiting webhook whose next attempt is that many seconds away."""
    with database.begin() as session:
        endpoint = endpoints.set_url(session, SERVER, "checklist", owner, "https://crm.test/", AT)
        identity: dict[str, Any] = {"kind": "checklist", "definition_id": owner, "version": str(seconds), "revision": 1, "body": b"{}"}
        row = deliveries.enqueue(session, call_id=None, event="checklist.completed", endpoint=endpoint, at=AT, **identity)
        assert isinstance(row, Delivery)
        for name, value in ({"next_attempt_at": AT + timedelta(seconds=seconds)} | state).items():
            setattr(row, name, value)


def test_a_run_is_made_for_the_moment_and_nearby_ones_share_it(database: Database, prefect: PrefectApi, peer: PrefectPeer) -> None:
    for seconds in (5.0, 4.2, 30.0, 59.0):
        put(database, seconds)
    assert deliver_soon(database, prefect) == SLOT
    assert deliver_soon(database, prefect) == SLOT
    assert len(peer.runs) == 1
    sent = peer.bodies[0]
    assert (sent["parameters"], sent["state"]) == ({}, {"type": "SCHEDULED", "state_details": {"scheduled_time": SLOT.isoformat()}})


def test_what_the_schedule_brings_in_time_needs_no_run(database: Database, prefect: PrefectApi, peer: PrefectPeer) -> None:
    assert deliver_soon(database, prefect) is None
    put(database, 61.0)
    assert deliver_soon(database, prefect) is None
    put(database, 5.0, "gone", status="dead")
    put(database, 5.0, "delivered", status="delivered")
    put(database, -5.0, "held", locked_until=AT + timedelta(seconds=50))
    put(database, 5.0, "disabled")
    with database.begin() as session:
        endpoints.disable(
            session, endpoints.set_url(session, SERVER, "checklist", "disabled", "https://crm.test/", AT).endpoint_id, AT, "gone"
        )
    assert deliver_soon(database, prefect) is None
    assert peer.runs == {}


def test_overdue_webhooks_are_for_who_made_or_left_them(database: Database, prefect: PrefectApi) -> None:
    put(database, -100.0)
    assert deliver_soon(database, prefect, overdue=False) is None
    moment = deliver_soon(database, prefect)
    assert moment is not None
    assert 1 <= (moment - clock.now()).total_seconds() <= 3


def test_a_prefect_that_is_down_leaves_it_to_the_schedule(database: Database, settings: Settings) -> None:
    put(database, -1.0)
    prefect = PrefectApi(settings.model_copy(update={"prefect_api_url": "http://127.0.0.1:1/api", "prefect_seconds": 0.2}))
    assert deliver_soon(database, prefect) is None
    prefect.close()
