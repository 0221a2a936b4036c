"""The C library's allocator, told to keep what a recognition frees: the next piece asks for the same again at once.

By default glibc gives every thread an arena of its own and hands large free blocks back to the kernel, which has to clear their pages
when they are wanted again: a fifth of all CPU time of a recognition (docs/adr/0108).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # mallopt(3)
KEPT_BYTES = 1 << 30  # above what the longest call frees at once
OLD_LIMIT = 32 << 20  # glibc before 2.35 refuses an M_MMAP_THRESHOLD above it on 64 bits (HEAP_MAX_SIZE / 2)


def keep_memory() -> bool:
    """Make this process keep its memory; False where the C library has no such choice.

    To be called before other threads allocate: one that has an arena of its own goes on using it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return _tell(mallopt)


def _tell(mallopt: Callable[[int, int], int]) -> bool:
    """Whether `mallopt` took every option; a refusal of one keeps none of the others from being tried."""
    taken = [
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES) or mallopt(M_MMAP_THRESHOLD, OLD_LIMIT),
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES),
        mallopt(M_ARENA_MAX, 1),
    ]
    return all(taken)
