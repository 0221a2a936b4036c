import json
import platform
import subprocess
import sys

import pytest

from core import allocator

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


class OldLibrary:
    """`mallopt` of a C library that refuses a threshold above `highest`."""

    def __init__(self, highest: int) -> None:
        self.highest = highest
        self.options: dict[int, int] = {}

    def __call__(self, option: int, value: int) -> int:
        if option == allocator.M_MMAP_THRESHOLD and value > self.highest:
            return 0
        self.options[option] = value
        return 1


def test_an_old_library_keeps_what_it_can() -> None:
    old = OldLibrary(highest=32 << 20)
    assert allocator._tell(old)
    assert list(old.options.items()) == [
        (allocator.M_MMAP_THRESHOLD, 32 << 20),
        (allocator.M_TRIM_THRESHOLD, allocator.KEPT_BYTES),
        (allocator.M_ARENA_MAX, 1),
    ]


def test_a_refused_option_does_not_stop_the_others() -> None:
    stubborn = OldLibrary(highest=0)
    assert not allocator._tell(stubborn)
    assert stubborn.options == {allocator.M_TRIM_THRESHOLD: allocator.KEPT_BYTES, allocator.M_ARENA_MAX: 1}
