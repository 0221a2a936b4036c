"""Places are bounded, and given in order of arrival."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from core.errors import Cancelled
from tasks.places import LOOK_SECONDS, Places
from tests.peers.waiting import eventually


def nothing() -> None:
    pass


def order(*names: str) -> list[str]:
    """Who is served after whom when all of them came, one by one, before the first one left."""
    places, served, gate = Places(1), [], threading.Event()

    def visit(name: str) -> None:
        with places.one(nothing, behind=name.startswith("past")):
            served.append(name)
            gate.wait(10)

    def arrived(count: int) -> bool:
        return len(served) + len(places._queue) + len(places._behind) == count

    visitors = [threading.Thread(target=visit, args=(name,)) for name in names]
    for number, visitor in enumerate(visitors, 1):
        visitor.start()
        eventually(partial(arrived, number))
    time.sleep(LOOK_SECONDS * 1.5)  # longer than one look, after which a semaphore's oldest visitor would be its last
    gate.set()
    for visitor in visitors:
        visitor.join()
    return served


def test_places_are_given_in_order_of_arrival() -> None:
    assert order("0", "1", "2", "3", "4") == ["0", "1", "2", "3", "4"]


def test_who_stands_behind_is_served_when_nobody_else_waits() -> None:
    assert order("past 1", "past 2", "past 3", "live 1", "live 2") == ["past 1", "live 1", "live 2", "past 2", "past 3"]


def test_no_more_than_the_count_are_inside() -> None:
    places = Places(2)
    with places.one(nothing), places.one(nothing), pytest.raises(Cancelled), places.one(stop):
        pass


def stop() -> None:
    raise Cancelled


def test_one_who_is_told_to_stop_leaves_the_queue() -> None:
    places = Places(1)

    with places.one(nothing), pytest.raises(Cancelled), places.one(stop):
        pass
    with places.one(stop):
        pass
