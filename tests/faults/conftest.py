"""One house for all fault tests of a file; whatever a test did to it, the invariants hold at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import house as houses
from tests.faults.house import House
from tests.faults.invariants import zombies


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with its Prefect server and its API."""
    with houses.running(tmp_path_factory.mktemp("house"), "api", max_attempts="50", keep_audio_days="30", keep_text_days="30") as house:
        yield house


@pytest.fixture
def house(shared: House) -> Iterator[House]:
    """The shared house without a worker: the test starts one as it needs it. At the end everything settles, and the invariants hold."""
    shared.heal()
    yield shared
    shared.heal()
    if shared.runs("worker"):
        shared.stop("worker")
    shared.start("worker")
    shared.settle()
    shared.check()
    assert zombies(shared.settings) == []
    shared.stop("worker")
