"""The memory of this process."""

from __future__ import annotations

import re
from pathlib import Path


def peak_mib() -> float:
    """The most that was resident so far, in MiB (`VmHWM`, proc(5)).

    Not `getrusage`: what it knows survives `exec`, so a child would tell the peak of its parent.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError("this kernel does not tell VmHWM")
    return int(found[1]) / 1024
