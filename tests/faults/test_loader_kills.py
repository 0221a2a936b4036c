"""F1 for the warehouse: the loader is killed at each of its failpoints; readers see whole states, and the next loader finishes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import warehouse
from core import failpoints
from tests.faults import house as houses
from tests.faults.house import KILLED, House
from tests.faults.walk import walk

pytestmark = pytest.mark.faults
LOADER = ("load.before_commit", "load.inside_commit", "load.after_commit", "load.after_mark")
REPORTS = ("reports.before_copy", "reports.before_rename", "reports.after_rename")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with houses.empty(tmp_path_factory.mktemp("loader"), load_lease_seconds="0.5") as house:
        yield house


def test_the_loops_name_every_point_of_the_loader() -> None:
    assert {*LOADER, *REPORTS} == {name for name in failpoints.POINTS if name.startswith(("load.", "reports."))}


def test_a_loader_killed_at_every_step_loses_and_repeats_nothing(house: House) -> None:
    walk(house, "first")
    assert house.act("load") == 0
    for name in (*LOADER, *REPORTS):
        walk(house, f"F1 {name}")
        assert house.act("load", f"{name}=kill@1") == KILLED, name
        time.sleep(house.settings.load_lease_seconds)
        _, rows = warehouse.query("SELECT count(*) FROM fact_call", house.settings)
        assert 1 <= rows[0][0] <= len(house.accepted)
    assert house.act("load") == 0
    assert house.act("deliver") == 0
    assert house.act("load") == 0
    house.check()
