"""Swapping who is who: lines and figures change sides together, and twice is as before."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from checklists.transcript import Transcript, Utterance
from core.errors import NotFound
from db import calls, export, results, speakers
from db.engine import Database
from db.models import TranscriptRow
from tasks.engines.asr.metrics import talk_metrics

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
UTTERANCES = (
    Utterance(id=0, start=0, end=20, speaker="manager", text="Добрый день! Чем могу помочь?"),
    Utterance(id=1, start=21, end=25, speaker="customer", text="Сколько стоит? А когда?"),
    Utterance(id=2, start=26, end=30, speaker="unknown", text="Алло."),
    Utterance(id=3, start=31, end=60, speaker="manager", text="Пятнадцать тысяч в месяц."),
)


def stored(database: Database) -> Transcript:
    heard = Transcript(duration=60, utterances=UTTERANCES, metrics=talk_metrics(UTTERANCES, 60))
    with database.begin() as session:
        calls.accept(session, calls.NewCall("call", "m", "d", "s", "https://crm.test/a.mp3", key_id=None), AT)
        row = TranscriptRow(call_id="call", engine="whisper", model="base", content=heard.model_dump(mode="json"), created_at=AT)
        row.peaks, row.text, row.swapped = [], heard.text, False
        results.save_transcript(session, row)
    return heard


def swap(database: Database) -> Transcript:
    with database.begin() as session:
        return Transcript.model_validate(speakers.swap(session, "call", "head", AT).content)


def test_the_figures_are_those_of_the_swapped_lines(database: Database) -> None:
    before = stored(database)
    after = swap(database)
    assert [u.speaker for u in after.utterances] == ["customer", "manager", "unknown", "customer"]
    assert after.metrics == talk_metrics(after.utterances, 60) != before.metrics
    with database.read() as session:
        assert export.pending(session, 0, 10).call_ids == ("call",)
    assert swap(database) == before


def test_without_a_transcript_there_is_nothing_to_swap(database: Database) -> None:
    with database.begin() as session, pytest.raises(NotFound):
        speakers.swap(session, "call", "head", AT)
