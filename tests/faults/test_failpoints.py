"""Failpoints by themselves: each stands in the code once, does what it was armed for, and is nothing in a process that was not armed."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from core import failpoints

ROOT = Path(__file__).parents[2]
ROOMS = ("api", "core", "db", "flows", "rop", "tasks", "warehouse")


def placed() -> Counter[str]:
    """The names that the product's code calls."""
    found: Counter[str] = Counter()
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "failpoint":
                assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno} a point is named by a literal"
                found[str(node.args[0].value)] += 1
    return found


def run(arming: str, code: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {failpoints.VARIABLE: arming}
    program = f"from core.failpoints import failpoint\n{code}"
    return subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_point_stands_in_the_code_exactly_once() -> None:
    assert placed() == Counter(failpoints.POINTS)


def test_a_killed_process_runs_nothing_more() -> None:
    done = run("publish.after_commit=kill@2", "for i in range(3): failpoint('publish.after_commit'); print(i, flush=True)")
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "0\n")


def test_a_raised_error_is_transient() -> None:
    done = run(
        "score.before=raise",
        "from core.errors import TransientError\ntry: failpoint('score.before')\nexcept TransientError as e: print(e.reason)",
    )
    assert done.stdout == "failpoint\n"


def test_several_points_are_armed_at_once() -> None:
    done = run(
        "score.before=sleep:0.3@1,score.after=kill", "failpoint('score.before'); print('awake', flush=True); failpoint('score.after')"
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "awake\n")


@pytest.mark.parametrize("arming", ["no.such.point=kill", "score.before=explode", "score.before", "score.before=kill@x"])
def test_what_cannot_be_armed_is_told_at_start(arming: str) -> None:
    done = run(arming, "")
    assert done.returncode == 1
    assert failpoints.VARIABLE in done.stderr


def test_an_unarmed_point_costs_next_to_nothing() -> None:
    begun = time.perf_counter()
    for _ in range(100_000):
        failpoints.failpoint("publish.after_commit")
    assert (time.perf_counter() - begun) / 100_000 < 5e-6
