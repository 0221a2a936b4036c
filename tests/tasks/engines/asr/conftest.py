"""One loaded model for all tests of recognition, and recordings with known words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from tasks.engines.asr.whisper import WhisperTranscriber

DATA = Path(__file__).parents[3] / "data"


@pytest.fixture(scope="session")
def dialogue() -> Path:
    """27.6 s, four turns, left = manager, right = customer."""
    return DATA / "dialogue.ogg"


@pytest.fixture(scope="session")
def reference(dialogue: Path) -> list[dict[str, Any]]:
    segments: list[dict[str, Any]] = json.loads(dialogue.with_suffix(".ref.json").read_text())["segments"]
    return segments


@pytest.fixture(scope="session")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> WhisperTranscriber:
    """The model of the product, joined from its packages into a fresh home."""
    transcriber = WhisperTranscriber(Settings(home=tmp_path_factory.mktemp("asr")))
    transcriber.load()
    return transcriber
