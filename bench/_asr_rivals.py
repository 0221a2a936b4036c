"""Other engines with the very same weights, each installed into a temporary environment and run in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from core.settings import Settings
from tasks.engines.asr import weights

RUNNER = Path(__file__).with_name("_asr_rival.py")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Answer:
    text: str
    cpu_seconds: float


@dataclass(frozen=True)
class Rival:
    """An engine by its package; the first run installs it (about two minutes for all of them)."""

    name: str
    packages: tuple[str, ...]

    def run(self, path: Path, settings: Settings, home: Path) -> Answer:
        """The words of a mono wav at 16 kHz, and the CPU of recognising it, without loading the model."""
        python = _environment(home / "rivals", self.packages)
        command = [str(python), str(RUNNER), self.name, str(weights.resolve(settings)), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **ONE_THREAD})
        return Answer(**json.loads(done.stdout.strip().splitlines()[-1]))


RIVALS = (
    (Rival("openai-whisper", ("openai-whisper==20250625",)), 6.0),
    (Rival("whisper.cpp", ("openai-whisper==20250625", "pywhispercpp==1.5.1")), 3.0),
)


def _environment(folder: Path, packages: tuple[str, ...]) -> Path:
    python = folder / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    if not python.exists():
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), *packages], check=True)
    return python
