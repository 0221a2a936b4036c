"""Housekeeping in a process of its own, settings from the environment.

python -m tests.faults.actor reconcile      does it once
python -m tests.faults.actor serve          a line `load ARMING` (or another of `WORKS`) is done by a child; its exit code is the answer
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from core import failpoints, logging
from core import settings as settings_module
from tasks.load import load_pending
from tasks.retention import apply_retention
from tasks.runtime import Runtime
from tasks.webhooks import deliver_due

WORKS: dict[str, Callable[[Runtime], object]] = {
    "load": lambda runtime: load_pending(runtime.database, runtime.settings),
    "deliver": lambda runtime: deliver_due(runtime.database, runtime.settings, runtime.http),
    "retention": apply_retention,
}


def serve() -> None:
    """Fork for every line, so that each work has a process of its own and none pays for the imports again."""
    for line in sys.stdin:
        work, _, armed = line.strip().partition(" ")
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                failpoints._armed = failpoints.parse(armed)
                WORKS[work](Runtime(settings_module.load()))
                code = 0
            finally:
                os._exit(code)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


def main(what: str) -> None:
    """The whole program."""
    logging.configure(settings_module.load())
    if what == "serve":
        serve()
        return
    from flows.reconcile import reconcile

    reconcile()


if __name__ == "__main__":
    main(sys.argv[1])
