"""F18: five fixed seeds of chaos, with fewer calls than `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.chaos import run
from tests.faults.invariants import report

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
CALLS = 20


@pytest.mark.parametrize("seed", [1, 2, 3, 5, 8])
def test_f18_all_invariants_hold_after_chaos(seed: int, tmp_path: Path) -> None:
    _, done, found = run(seed, CALLS, tmp_path / "home")
    assert sum(count for name, count in done.items() if name.startswith("killed")) > 0
    assert not any(found.values()), f"seed {seed}\n{report(found)}"
