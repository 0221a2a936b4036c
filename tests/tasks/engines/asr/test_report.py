"""The JSON of `rop transcribe --json`, and what `rop doctor` says."""

from __future__ import annotations

import json

from checklists.transcript import Transcript, Utterance, Word
from core.settings import Settings
from tasks.engines.asr import Recognition
from tasks.engines.asr.doctor import doctor
from tasks.engines.asr.report import as_json
from tests.peers.asr_peer import AsrPeer


def test_the_shape_that_tools_read() -> None:
    word = Word(start=0.1, end=0.5, text="Алло", confidence=0.9)
    utterance = Utterance(id=0, start=0.1, end=0.5, speaker="customer", channel=1, text="Алло", confidence=0.9, words=(word,))
    transcript = Transcript(duration=2.0, utterances=(utterance,), metrics={"overlap": 0.0}, partial=True, warnings=("damaged",))
    report = json.loads(json.dumps(as_json(Recognition(transcript, "whisper", "base"))))
    assert report == {
        "language": "ru",
        "duration": 2.0,
        "utterances": [
            {
                "start": 0.1,
                "end": 0.5,
                "speaker": "customer",
                "channel": 1,
                "text": "Алло",
                "confidence": 0.9,
                "words": [{"start": 0.1, "end": 0.5, "text": "Алло", "confidence": 0.9}],
            }
        ],
        "metrics": {"overlap": 0.0, "partial": True, "warnings": ["damaged"], "engine": "whisper", "model": "base"},
    }


def test_the_doctor_tells_what_would_be_used(settings: Settings) -> None:
    lines = {name: (what, ok) for name, what, ok in doctor(settings)}
    assert lines["Распознавание"][1]
    assert "base" in lines["Распознавание"][0]
    assert lines["Веса модели"][1]
    assert lines["Голоса в моно-записях"][1]


def test_the_doctor_names_the_cure(settings: Settings) -> None:
    lines = {name: (what, ok) for name, what, ok in doctor(settings.model_copy(update={"asr_model": "large-v3"}))}
    assert not lines["Веса модели"][1]
    assert "ROP_ASR_MODEL_DIR" in lines["Веса модели"][0]


def test_the_doctor_asks_the_server(settings: Settings) -> None:
    remote = settings.model_copy(update={"asr_engine": "openai"})
    assert not doctor(remote)[0][2]
    with AsrPeer() as peer:
        assert doctor(remote.model_copy(update={"asr_url": peer.url}))[0][2]
