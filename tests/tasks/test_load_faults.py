"""Killed loaders and busy readers, each in a process of its own, on both back ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core import ids

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

KILLS = 6


@pytest.fixture(params=["embedded", "lake"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of a process on one back end; a lake keeps old files for some seconds only, so that they really go."""
    if request.param == "embedded":
        return dict(os.environ)
    url = request.getfixturevalue("postgres_url")
    lake = {"ROP_LAKE_CATALOG": url, "ROP_LAKE_SCHEMA": f"lake_{ids.token(4)}", "ROP_LAKE_KEEP_SECONDS": "20"}
    return {**os.environ, **lake}


def run(environment: dict[str, str], *arguments: str) -> Any:
    done = subprocess.run([sys.executable, "-m", "bench._faults", *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_killed_loaders_lose_and_repeat_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    outcome = run(environment, "kills", str(tmp_path), str(KILLS))
    assert outcome["equal"]
    assert outcome["torn"] == 0
    assert outcome["calls"] == KILLS * 20 - (KILLS - 1), "twenty come each time, and one of the former goes"


def test_readers_see_no_error_and_no_torn_state(environment: dict[str, str], tmp_path: Path) -> None:
    opens = "60" if "ROP_LAKE_CATALOG" in environment else "300"  # a lake takes half a second to open
    outcome = run(environment, "readers", str(tmp_path), opens)
    assert outcome["readers_failed"] == 0
    assert outcome["rounds"] > 2
