"""How voices sound, as directions: the GE2E encoder in numpy, with the weights inside the installed Resemblyzer package.

The package's code is never imported and torch is not needed. Source of the network: Wan et al. 2018, 3 LSTM layers of 256.
"""

from __future__ import annotations

import importlib.metadata
import io
import pickle
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import PermanentError
from tasks.audio.sound import RATE, Samples
from tasks.engines.asr.weights import sha256

PACKAGE = "resemblyzer"
SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
LAYERS, HIDDEN, MELS = 3, 256, 40
FFT, HOP = 400, 160
# The encoder was trained on windows of 1.6 s.
WINDOW_FRAMES = 160
WINDOW_SECONDS = WINDOW_FRAMES * HOP / RATE
BATCH = 64

Array = NDArray[np.float32]


class VoicesUnavailable(PermanentError):
    """The encoder's weights are missing or are not the pinned ones; mono recordings then stay without speakers."""

    code = "voices_unavailable"


@dataclass(frozen=True)
class VoiceEncoder:
    """Weights by name. Thread-safe."""

    weights: dict[str, Array]
    filters: Array

    def embed(self, windows: Sequence[Samples]) -> Array:
        """Unit vectors, shape (windows, 256), of sounds of `WINDOW_SECONDS` whose speech is near -30 dB of full scale."""
        batches = [windows[i : i + BATCH] for i in range(0, len(windows), BATCH)]
        return np.concatenate([self._embed(np.stack([self._mel(w) for w in batch])) for batch in batches])

    def _mel(self, samples: Samples) -> Array:
        """Power mel spectrogram, shape (160, 40), as librosa makes it."""
        whole = np.zeros(WINDOW_FRAMES * HOP, np.float32)
        whole[: len(samples)] = samples[: len(whole)]
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(whole, FFT // 2), FFT)[::HOP][:WINDOW_FRAMES]
        window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)
        power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
        return np.asarray(power @ self.filters.T, np.float32)

    def _embed(self, mels: Array) -> Array:
        sequence = mels.transpose(1, 0, 2)
        for layer in range(LAYERS):
            sequence = self._lstm(sequence, layer)
        out = np.maximum(sequence[-1] @ self.weights["linear.weight"].T + self.weights["linear.bias"], 0)
        return np.asarray(out / (np.linalg.norm(out, axis=1, keepdims=True) + 1e-9), np.float32)

    def _lstm(self, sequence: Array, layer: int) -> Array:
        """Hidden states, shape (time, batch, 256), of one layer; gates in the order input, forget, cell, output."""
        w = self.weights
        given = sequence @ w[f"lstm.weight_ih_l{layer}"].T + (w[f"lstm.bias_ih_l{layer}"] + w[f"lstm.bias_hh_l{layer}"])
        recurrent = np.ascontiguousarray(w[f"lstm.weight_hh_l{layer}"].T)
        hidden = cell = np.zeros((sequence.shape[1], HIDDEN), np.float32)
        states = np.empty((*sequence.shape[:2], HIDDEN), np.float32)
        for t in range(len(sequence)):
            i, f, g, o = np.split(given[t] + hidden @ recurrent, 4, axis=1)
            cell = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(g)
            hidden = _sigmoid(o) * np.tanh(cell)
            states[t] = hidden
        return states


@lru_cache(maxsize=1)
def encoder() -> VoiceEncoder:
    """The encoder of this process, verified and read once. Raises `VoicesUnavailable`."""
    from faster_whisper.feature_extractor import FeatureExtractor

    path = located()
    if path is None or sha256(path) != SHA256:
        raise VoicesUnavailable(
            ru="Нет проверенных весов голосов: установите пакет {package}==0.1.4 без зависимостей (extra «speakers»).",
            en="No verified voice weights: install {package}==0.1.4 without its dependencies (the extra `speakers`).",
            package=PACKAGE,
        )
    filters = FeatureExtractor.get_mel_filters(RATE, FFT, MELS)
    return VoiceEncoder(dict(_tensors(path)), np.asarray(filters, np.float32))


def located() -> Path | None:
    """The weights inside the installed package, found without importing it."""
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file("resemblyzer/pretrained.pt")))
    except importlib.metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), np.float32)


@dataclass(frozen=True)
class _Tensor:
    """Where a tensor lies: the key of its storage, first element and shape (always contiguous in this file)."""

    key: str
    offset: int
    shape: tuple[int, ...]


class _Reader(pickle.Unpickler):
    """Reads the description of tensors in a torch file and can build nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch", "FloatStorage"): "float32",
            ("torch", "LongStorage"): "int64",
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights")
        return known[module, name]

    def persistent_load(self, pid: Any) -> Any:
        return pid


def _tensor(storage: Any, offset: int, shape: tuple[int, ...], *_: Any) -> _Tensor:
    return _Tensor(str(storage[2]), offset, tuple(shape))


def _tensors(path: Path) -> Iterator[tuple[str, Array]]:
    """Float tensors of `model_state`. The file is torch's legacy format: four pickles, the keys of storages, the storages."""
    file = io.BytesIO(path.read_bytes())
    for _ in range(3):
        _Reader(file).load()
    state = _Reader(file).load()["model_state"]
    storages = {}
    for key in _Reader(file).load():
        count = int(np.frombuffer(file.read(8), "<i8")[0])
        storages[str(key)] = np.frombuffer(file.read(count * 4), "<f4")
    for name, tensor in state.items():
        size = int(np.prod(tensor.shape))
        yield name, storages[tensor.key][tensor.offset : tensor.offset + size].reshape(tensor.shape)
