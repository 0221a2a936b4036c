"""What other commands know of a stack: `processes.json`, what to end, and `stack.json`, where it answers once all of it is ready.

`rop up` may be killed at any moment, also while it starts, and its services, in sessions of their own, live on: then the former file is
all that is known of them.
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
from typing import Any, ClassVar

from core import clock
from core.errors import PermanentError

FILE = "stack.json"  # tools outside wait for it
PROCESSES = "processes.json"
SUPERVISOR = "rop"  # the name of `rop up` itself among its processes
POLL_SECONDS = 0.1
KILL_SECONDS = 5.0  # for the system to take away what was killed: its ports are free only then


class AlreadyRuns(PermanentError):
    """The home belongs to another `rop up`, which may still be starting."""

    code = "already_runs"
    texts: ClassVar[dict[str, str]] = {
        "ru": "С этой папкой уже работает rop up, процесс {pid}. Остановить его: rop down --home {home}.",
        "en": "Another `rop up` works on this folder, process {pid}. To stop it: rop down --home {home}.",
    }


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


def refuse_second(home: Path) -> None:
    """Raise `AlreadyRuns` while the `rop up` of this home lives."""
    if supervisor := _supervisor(home):
        raise AlreadyRuns(pid=supervisor.pid, home=home)


def note(home: Path, pids: Mapping[str, int]) -> None:
    """Note the processes, in the order of their start."""
    _write(home / PROCESSES, {"pids": dict(pids), "started": {name: _started(pid) for name, pid in pids.items()}})


def announce(home: Path, addresses: Mapping[str, object], pids: Mapping[str, int]) -> None:
    """Tell everybody that the stack is ready, where it answers, and by which processes."""
    _write(home / FILE, {**addresses, "pids": dict(pids)})


def forget(home: Path) -> None:
    """Take both files away: nothing of the stack is left."""
    (home / FILE).unlink(missing_ok=True)
    (home / PROCESSES).unlink(missing_ok=True)


def stop(home: Path) -> bool:
    """Have the `rop up` of this home end everything, and wait until it has; whether it was there."""
    supervisor = _supervisor(home)
    if supervisor is None:
        return False
    os.kill(supervisor.pid, signal.SIGTERM)
    while _members(home) and supervisor.lives:
        time.sleep(POLL_SECONDS)
    return True


def end_remains(home: Path, grace_seconds: float) -> list[str]:
    """End what a killed `rop up` left running, last started first, each within the grace; the names of what was ended.

    Does nothing while `rop up` lives.
    """
    if _supervisor(home):
        return []
    left = [one for one in reversed(_members(home).values()) if one.started is not None and one.lives]
    for one in left:
        _end(one, grace_seconds)
    forget(home)
    return [one.name for one in left]


def _supervisor(home: Path) -> Member | None:
    """The `rop up` of this home, if it lives."""
    found = _members(home).get(SUPERVISOR)
    return found if found is not None and found.lives else None


def _members(home: Path) -> dict[str, Member]:
    # An earlier version has written the second file alone.
    known = _read(home / PROCESSES) or _read(home / FILE)
    started = known.get("started", {})
    return {name: Member(name, pid, started.get(name)) for name, pid in known.get("pids", {}).items()}


def _read(file: Path) -> dict[str, Any]:
    """What is in the file; nothing where there is none, or an empty one, as after a power cut."""
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _write(file: Path, content: Mapping[str, object]) -> None:
    """A reader finds a whole file or none."""
    draft = file.with_suffix(".json.tmp")
    draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
    draft.replace(file)


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
