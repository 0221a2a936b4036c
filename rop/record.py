"""`stack.json`, the record of a running stack: where it answers and which processes it has, so that another command can end them.

`rop up` may be killed while its services, in sessions of their own, live on: then this is all that is known of them.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core import clock

FILE = "stack.json"
SUPERVISOR = "rop"  # the name of `rop up` itself among its processes
POLL_SECONDS = 0.1
KILL_SECONDS = 5.0  # for the system to take away what was killed: its ports are free only then


@dataclass(frozen=True)
class Member:
    """A process of a stack; `started`, in clock ticks since the boot, tells it from a later one with the same number."""

    name: str
    pid: int
    started: int | None

    @property
    def lives(self) -> bool:
        """Whether it is still there. One whose start was not noted, by an earlier version or for want of /proc, goes by its number."""
        return _exists(self.pid) if self.started is None else _started(self.pid) == self.started


def write(home: Path, addresses: Mapping[str, object], pids: Mapping[str, int]) -> None:
    """Note the addresses and the processes, `pids` in the order of their start; a reader finds a whole file or none."""
    started = {name: _started(pid) for name, pid in pids.items()}
    draft = home / f"{FILE}.tmp"
    draft.write_text(json.dumps({**addresses, "pids": dict(pids), "started": started}, indent=1), encoding="utf-8")
    draft.replace(home / FILE)


def stop(home: Path) -> bool:
    """Have the `rop up` of this home end everything, and wait until it has; whether it was there."""
    supervisor = _members(home).get(SUPERVISOR)
    if supervisor is None or not supervisor.lives:
        return False
    os.kill(supervisor.pid, signal.SIGTERM)
    while (home / FILE).exists() and supervisor.lives:
        time.sleep(POLL_SECONDS)
    return True


def end_remains(home: Path, grace_seconds: float) -> list[str]:
    """End what a killed `rop up` left running, last started first, each within the grace; the names of what was ended.

    Does nothing while `rop up` lives.
    """
    members = _members(home)
    if not members or members[SUPERVISOR].lives:
        return []
    left = [one for one in reversed(members.values()) if one.started is not None and one.lives]
    for one in left:
        _end(one, grace_seconds)
    (home / FILE).unlink(missing_ok=True)
    return [one.name for one in left]


def _members(home: Path) -> dict[str, Member]:
    try:
        known = json.loads((home / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    started = known.get("started", {})
    return {name: Member(name, pid, started.get(name)) for name, pid in known["pids"].items()}


def _end(member: Member, grace_seconds: float) -> None:
    with suppress(ProcessLookupError):
        os.kill(member.pid, signal.SIGTERM)
        if not _is_gone_within(member, grace_seconds):
            os.killpg(member.pid, signal.SIGKILL)  # its own: every service begins a session
            _is_gone_within(member, KILL_SECONDS)


def _is_gone_within(member: Member, seconds: float) -> bool:
    deadline = clock.monotonic() + seconds
    while member.lives and clock.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return not member.lives


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _started(pid: int) -> int | None:
    """Clock ticks from the boot to the start of this process; None for one that has ended, and where the system does not tell."""
    try:
        # The name in brackets, the second field, may hold anything.
        state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in {"Z", "X"} else int(fields[18])
