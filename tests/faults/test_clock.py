"""F14: the clock of a host jumps. Whoever seems to have fallen silent loses the call, and cannot publish beside its successor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from core import clock
from core.errors import LeaseLost
from core.http import Guarded
from tasks import lease as leases
from tasks.load import load_pending
from tasks.publish import Judgement, publish_results
from tasks.runtime import Runtime
from tasks.webhooks import deliver_due
from tests.faults import house as houses
from tests.faults.house import House
from tests.faults.walk import accept, finish, walk
from tests.peers.webhook_peer import Reply


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with houses.empty(tmp_path / "home") as house:
        yield house


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=1)])
def test_f14_a_worker_whose_lease_seems_to_be_over_is_fenced(house: House, jump: timedelta) -> None:
    accept(house, "F14")
    early = leases.claim(house.database, house.settings, "F14", "first run")
    with time_machine.travel(clock.now() + jump, tick=True):
        finish(house, "F14", leases.claim(house.database, house.settings, "F14", "second run"))
    with pytest.raises(LeaseLost):
        publish_results(Runtime(house.settings), early, [Judgement("checklist", "sales", "1", content={})])
    deliver_and_load(house)
    house.check()


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=1)])
def test_f14_a_clock_that_goes_back_leaves_no_negative_time(house: House, jump: timedelta) -> None:
    walk(house, "F14 before")
    with time_machine.travel(clock.now() - jump, tick=True):
        walk(house, "F14 back")
        assert deliver_due(house.database, house.settings, Guarded(house.settings)).delivered == 2
    deliver_and_load(house)
    house.check()
    assert len(house.receiver.received) == len(house.receiver.distinct) == 4


def test_f14_a_clock_that_jumps_ahead_makes_one_attempt_of_each_webhook(house: House) -> None:
    house.receiver.behave = lambda _: Reply(500)
    walk(house, "F14 ahead")
    with time_machine.travel(clock.now() + timedelta(days=1), tick=True):
        for _ in range(5):
            deliver_due(house.database, house.settings, Guarded(house.settings))
    assert len(house.receiver.received) == len(house.receiver.distinct) == 2, "the next is hours, not moments, away"
    house.receiver.behave = lambda _: Reply()
    deliver_and_load(house)
    house.check()


def deliver_and_load(house: House) -> None:
    """What is left to do when the clock is right again."""
    house.pass_time()
    deliver_due(house.database, house.settings, Guarded(house.settings))
    load_pending(house.database, house.settings)
