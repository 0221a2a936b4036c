import json
import platform
import subprocess
import sys

import pytest

# A thread that frees and takes 64 MiB ten times, as a recognition does; how many pages the kernel had to clear for it.
CHILD = """
import json, resource, sys, threading
from core import allocator

told = allocator.keep_memory() if "keep" in sys.argv else None
thread = threading.Thread(target=lambda: [len(b"x" * (1 << 26)) for _ in range(10)])
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
thread.start()
thread.join()
print(json.dumps([told, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before]))
"""


def faults(*arguments: str) -> tuple[bool | None, int]:
    done = subprocess.run([sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, check=True)
    told, count = json.loads(done.stdout)
    return told, count


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps its own counsel")
def test_what_was_freed_is_not_asked_of_the_kernel_again() -> None:
    _, plain = faults()
    told, kept = faults("keep")
    assert told
    assert kept < plain / 3
