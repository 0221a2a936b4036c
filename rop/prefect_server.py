"""`python -m rop.prefect_server start …`: `prefect server …` that collects its garbage beside its event loop.

On SQLite the server otherwise stands still for a minute at a time: the collector, run by the event loop's thread, resets a forgotten
cursor whose connection waits in another thread for the write lock, and the lock's owner needs the event loop to let go of it.
"""

from __future__ import annotations

import gc
import itertools
import runpy
import sys
import threading
import time

COLLECT_SECONDS = 2.0  # garbage of two busy seconds is a few MiB
FULL_EVERY = 30  # rounds: most garbage is young


def _collect() -> None:
    for number in itertools.count(1):
        time.sleep(COLLECT_SECONDS)
        gc.collect(2 if number % FULL_EVERY == 0 else 1)
        if number == FULL_EVERY:
            gc.freeze()  # the modules, which stay: later rounds need not walk them


if __name__ == "__main__":
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()
    sys.argv[1:1] = ["server"]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
