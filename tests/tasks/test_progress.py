"""Progress: short steps show none, and a server that is away spoils nothing."""

from __future__ import annotations

import pytest
import time_machine
from prefect.settings import PREFECT_API_URL, temporary_settings

from core.errors import Cancelled
from tasks.progress import FIRST_SECONDS, ShownProgress


def test_every_fraction_is_handed_on_even_when_it_cannot_be_shown() -> None:
    told: list[float] = []
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), time_machine.travel(0, tick=False) as clock:
        shown = ShownProgress(told.append, "a step")
        shown(0.1)
        clock.shift(FIRST_SECONDS + 1)
        shown(0.5)
        shown(1.0)
    assert told == [0.1, 0.5, 1.0]


def test_what_the_listener_raises_stops_the_step() -> None:
    def stop(_fraction: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        ShownProgress(stop, "a step")(0.1)
