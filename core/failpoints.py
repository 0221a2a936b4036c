"""Named places where a process can be made to fail from outside, so that tests prove what a kill there leaves behind.

`ROP_FAILPOINTS=publish.after_commit=kill@1,deliver.after_send=sleep:0.5` in the environment of one process arms two of them there:
`kill` ends the process with SIGKILL, `raise` raises `Unavailable`, `sleep:S` waits S seconds; `@N` means the N-th time alone.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from dataclasses import dataclass, field

from core.errors import Unavailable

VARIABLE = "ROP_FAILPOINTS"
POINTS = frozenset(
    {
        "accept.after_commit",
        "trigger.before_start",
        "trigger.after_start",
        "trigger.after_mark",
        "claim.before_commit",
        "claim.after_commit",
        "download.part",
        "download.before_put",
        "storage.before_rename",
        "download.after_put",
        "download.after_record",
        "transcribe.before_store",
        "transcribe.after_store",
        "score.before",
        "score.after",
        "extract.before",
        "extract.after",
        "publish.before_commit",
        "publish.inside_commit",
        "publish.after_commit",
        "ending.inside_commit",
        "ending.after_commit",
        "deliver.after_claim",
        "deliver.after_send",
        "deliver.after_record",
        "call.before_end",
        "postpone.after_commit",
        "load.before_commit",
        "load.inside_commit",
        "load.after_commit",
        "load.after_mark",
        "reports.before_copy",
        "reports.before_rename",
        "reports.after_rename",
        "reconcile.before_requeue",
        "reconcile.after_requeue",
        "reconcile.after_unlink",
        "drain.before_requeue",
        "drain.after_requeue",
        "rescore.before_store",
        "rescore.after_store",
        "forget.after_commit",
        "forget.after_recording",
        "forget.after_runs",
        "retention.after_file",
        "retention.after_texts",
    }
)
_ARMING = re.compile(r"(?P<name>[\w.]+)=(?P<action>kill|raise|sleep)(?::(?P<seconds>[\d.]+))?(?:@(?P<at>\d+))?")


@dataclass
class _Armed:
    """What happens at a point: at hit `at` alone, or at every hit."""

    action: str
    seconds: float
    at: int | None
    hits: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_due(self) -> bool:
        with self.lock:
            self.hits += 1
            return self.at in (None, self.hits)


def failpoint(name: str) -> None:
    """Do what was armed for this point; nothing, at the cost of one look, in every process that was not told otherwise."""
    if _armed and name in _armed and _armed[name].is_due():
        _fail(name, _armed[name])


def parse(arming: str) -> dict[str, _Armed]:
    """What the variable asks for, by point; raises `ValueError` for an unknown point or action."""
    armed: dict[str, _Armed] = {}
    for one in filter(None, arming.split(",")):
        found = _ARMING.fullmatch(one.strip())
        if found is None or found["name"] not in POINTS:
            raise ValueError(f"{VARIABLE}: no such point or action: {one!r}")
        armed[found["name"]] = _Armed(found["action"], float(found["seconds"] or 0), int(found["at"]) if found["at"] else None)
    return armed


def _fail(name: str, armed: _Armed) -> None:
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if armed.action == "raise":
        raise Unavailable("failpoint", point=name)
    time.sleep(armed.seconds)


# Read once a process: whoever starts it decides, and nobody can change it from inside.
_armed = parse(os.environ.get(VARIABLE, ""))
