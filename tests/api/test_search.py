"""Search in conversations: by word forms, with the line, for who has a key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from checklists.transcript import Transcript, Utterance
from core import clock
from db import calls, results
from db.models import TranscriptRow
from tasks.load import load_pending
from tests.api.conftest import Api

SAID = ("Добрый день!", "Нужна скидка для постоянных клиентов.", "Хорошо, пять процентов.")
AT = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)


@pytest.fixture
def found(api: Api) -> Api:
    """An API whose one call is in the warehouse; it began after midnight in Moscow."""
    with api.database.begin() as session:
        calls.accept(session, calls.NewCall("call_1", "mgr_001", "d", "s", "http://crm.invalid/a.mp3", key_id=None, started_at=AT), AT)
        token = calls.claim(session, "call_1", "run", AT, 60).token
        sides = ("manager", "customer")
        lines = tuple(Utterance(id=i, start=10.0 * i, end=10.0 * i + 5, speaker=sides[i % 2], text=t) for i, t in enumerate(SAID))
        heard = Transcript(duration=30, utterances=lines)
        row = TranscriptRow(call_id="call_1", engine="whisper", model="base", content=heard.model_dump(mode="json"), created_at=AT)
        row.peaks, row.text, row.swapped = [], heard.text, False
        results.save_transcript(session, row)
        calls.finish(session, "call_1", token, "done", clock.now())
    load_pending(api.database, api.settings)
    return api


def test_any_form_of_the_words_finds_the_line(found: Api) -> None:
    answer = found.get("/search", q="скидкой клиентам")
    assert answer.status_code == 200
    assert answer.json() == {
        "found": [
            {
                "call_id": "call_1",
                "started_at": "2026-11-21T00:30:00+03:00",
                "manager": "mgr_001",
                "speaker": "customer",
                "seconds": 10.0,
                "text": SAID[1],
            }
        ]
    }
    assert found.get("/search", q="ипотека").json() == {"found": []}
    assert found.get("/search", q="скидка", since="2026-11-22").json() == {"found": []}
    assert len(found.get("/search", q="скидка", until="2026-11-21").json()["found"]) == 1


def test_what_cannot_be_asked_is_named(found: Api) -> None:
    for wrong in ({}, {"q": ""}, {"q": "x", "limit": 0}, {"q": "x", "since": "вчера"}, {"q": "?!"}, {"q": "x" * 201}):
        assert found.get("/search", **wrong).status_code == 400, wrong
    assert found.client.get("/api/v1/search", params={"q": "скидка"}).status_code == 401


def test_before_the_first_load_there_is_nowhere_to_search(api: Api, tmp_path: Path) -> None:
    answer = api.get("/search", q="скидка")
    assert (answer.status_code, answer.json()["code"]) == (404, "warehouse_empty")
