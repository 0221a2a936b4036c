"""What is known about a call, and what a person may do to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select

from checklists.findings import Usage
from checklists.results import ChecklistResult, NotApplicable, StageResult
from checklists.transcript import Transcript, Utterance
from core import clock, ids
from core.errors import BadAudio
from core.storage import Storage
from db import results
from db.models import Audit, Call, LoadOutbox, Override, Recording, TranscriptRow
from tests.api.conftest import Api, build
from tests.peers.prefect_peer import PrefectPeer

HEARD = Transcript(
    duration=9.5,
    utterances=(
        Utterance(id=0, start=0.5, end=4, speaker="manager", text="Добрый день!"),
        Utterance(id=1, start=4.5, end=9, speaker="customer", text="Здравствуйте."),
    ),
)
STAGE: dict[str, Any] = {"stage_id": "greeting", "stage_name": "Приветствие", "comment": "", "quote": "Добрый день!", "percentage": 100.0}
RESULT = ChecklistResult(
    call_id="call_1",
    checklist_id="sales",
    checklist_name="Продажи",
    checklist_version="abc",
    total_score=1,
    max_score=1,
    completion_percentage=100.0,
    stages=(StageResult(**STAGE, score=1, status="completed"),),
    not_applicable=(NotApplicable(stage_id="objections", stage_name="Возражения", reason="Возражений не было."),),
    usage=Usage(engine="rules"),
    timestamp=clock.now(),
)


def hear(api: Api, call_id: str = "call_1") -> None:
    """Store the transcript and the recording of an accepted call."""
    row = TranscriptRow(call_id=call_id, engine="whisper", model="base", content=HEARD.model_dump(mode="json"), created_at=clock.now())
    row.peaks, row.text, row.swapped = [], HEARD.text, False
    path = f"{ids.stable_id('rec', call_id)}.ogg"
    sound = {"format": "ogg", "codec": "vorbis", "channels": 2, "sample_rate": 8000, "duration": 9.5}
    with api.database.begin() as session:
        results.save_transcript(session, row)
        session.add(Recording(call_id=call_id, path=path, bytes=3, sha256="0", created_at=clock.now(), **sound))
    storage = Storage(api.settings)
    part = storage.part("x")
    part.write_bytes(b"ogg")
    storage.put(part, path)


@pytest.fixture
def judged(both: Api) -> Api:
    """A call that went all the way."""
    both.upload()
    hear(both)
    both.result("call_1", "checklist", "sales", RESULT.model_dump(mode="json"))
    both.result("call_1", "checklist", "service", {"code": "llm_down", "ru": "Модель недоступна.", "en": "Down."}, status="failed")
    both.end("call_1", "done")
    return both


def test_state_and_timeline(judged: Api) -> None:
    body = judged.get("/calls/call_1").json()
    assert (body["status"], body["stage"], body["progress"], body["duration"], body["error"]) == ("done", "done", 1.0, 9.5, None)
    assert [step["name"] for step in body["timeline"]] == ["accepted", "started", "done"]
    assert "audio_url" not in str(body)


def test_a_failure_says_why_in_both_languages(api: Api) -> None:
    api.upload()
    api.end("call_1", "failed", BadAudio())
    assert api.get("/calls/call_1").json()["error"] == {"code": "not_audio", "detail": "Файл не является аудио MP3, WAV или OGG."}
    english = api.client.get("/api/v1/calls/call_1", headers={"X-API-Key": api.key, "Accept-Language": "en"})
    assert english.json()["error"]["detail"] == "The file is not MP3, WAV or OGG audio."


@pytest.mark.parametrize("call_id", ["звонок №1", "a/b", "a%2Fb", "a/transcript", "?x=1", "#", "a+b", "100%", "💬"])
def test_any_id_has_an_address(api: Api, call_id: str) -> None:
    api.upload(call_id=call_id)
    for suffix in ("", "/checklists", "/deliveries"):
        answer = api.client.get(f"/api/v1/calls/{quote(call_id, safe='')}{suffix}", headers={"X-API-Key": api.key})
        assert (answer.status_code, answer.json().get("call_id", call_id)) == (200, call_id)


def test_unknown_calls_are_404_everywhere(api: Api) -> None:
    for suffix in ("", "/transcript", "/checklists", "/deliveries"):
        assert api.get(f"/calls/none{suffix}").status_code == 404
    for suffix in ("/rescore", "/swap-speakers"):
        assert api.post(f"/calls/none{suffix}").status_code == 404
    assert api.client.delete("/api/v1/calls/none", headers={"X-API-Key": api.key}).status_code == 404


def test_the_transcript(judged: Api) -> None:
    assert judged.get("/calls/call_1/transcript").json() == HEARD.model_dump(mode="json")


def test_no_transcript_yet(api: Api) -> None:
    api.upload()
    answer = api.get("/calls/call_1/transcript")
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (404, "transcript_not_ready", "queued")
    assert api.post("/calls/call_1/rescore").json()["code"] == "transcript_not_ready"
    assert api.post("/calls/call_1/swap-speakers").json()["code"] == "transcript_not_ready"


def test_checklists(judged: Api) -> None:
    good, bad = judged.get("/calls/call_1/checklists").json()["checklists"]
    assert (good["checklist_id"], good["status"], good["revision"], good["error"]) == ("sales", "ok", 1, None)
    assert good["result"] == RESULT.model_dump(mode="json")
    assert (bad["status"], bad["result"], bad["error"]) == ("failed", None, {"code": "llm_down", "detail": "Модель недоступна."})


def test_marks_stand_beside_the_machine_s_score(judged: Api) -> None:
    mark = {"checklist_id": "sales", "stage_id": "greeting", "score": -1, "reason": "Не представился", "author": "Петрова"}
    assert judged.post("/calls/call_1/marks", mark).json()["score"] == -1
    assert judged.post("/calls/call_1/marks", mark | {"score": 1}).status_code == 200
    assert judged.post("/calls/call_1/marks", mark | {"stage_id": "objections", "score": 0}).status_code == 200
    item = judged.get("/calls/call_1/checklists").json()["checklists"][0]
    assert [(m["stage_id"], m["score"], m["author"]) for m in item["marks"]] == [("greeting", 1, "Петрова"), ("objections", 0, "Петрова")]
    assert item["result"]["total_score"] == 1
    with judged.database.read() as session:
        assert len(session.scalars(select(Override)).all()) == 3
        assert session.scalars(select(Audit.action).where(Audit.subject == "call_1")).all() == ["call.marked"] * 3
        assert "call_1" in session.scalars(select(LoadOutbox.call_id)).all()


def test_marks_of_unknown_things(judged: Api) -> None:
    mark = {"checklist_id": "sales", "stage_id": "greeting", "score": 1, "reason": "x", "author": "y"}
    assert judged.post("/calls/call_1/marks", mark | {"stage_id": "none"}).json()["code"] == "stage_not_found"
    assert judged.post("/calls/call_1/marks", mark | {"checklist_id": "service"}).json()["code"] == "result_not_found"
    assert judged.post("/calls/call_1/marks", mark | {"score": 2}).status_code == 400
    assert judged.post("/calls/none/marks", mark).status_code == 404


def speakers(api: Api) -> list[str]:
    return [u["speaker"] for u in api.get("/calls/call_1/transcript").json()["utterances"]]


def test_swapped_speakers_and_a_new_score(tmp_path: Path) -> None:
    with PrefectPeer() as prefect:
        for api in build(tmp_path, prefect_api_url=prefect.url):
            api.upload()
            hear(api)
            assert api.post("/calls/call_1/swap-speakers").json() == {"status": "queued", "call_id": "call_1"}
            assert speakers(api) == ["customer", "manager"]
            assert prefect.bodies[-1]["parameters"] == {"call_id": "call_1", "checklist_id": None}
            assert api.post("/calls/call_1/swap-speakers").status_code == 200
            assert speakers(api) == ["manager", "customer"]


def test_a_rescore_names_the_call_and_the_checklist(tmp_path: Path) -> None:
    with PrefectPeer() as prefect:
        for api in build(tmp_path, prefect_api_url=prefect.url):
            api.upload()
            hear(api)
            assert api.post("/calls/call_1/rescore", {"checklist_id": "none"}).status_code == 404
            assert api.post("/calls/call_1/rescore").status_code == 200
            assert api.client.post("/api/v1/calls/call_1/rescore", headers={"X-API-Key": api.key}).status_code == 200
            assert [b["parameters"] for b in prefect.bodies[-2:]] == [{"call_id": "call_1", "checklist_id": None}] * 2


def test_without_prefect_nothing_is_swapped(api: Api) -> None:
    api.upload()
    hear(api)
    for path in ("rescore", "swap-speakers"):
        answer = api.post(f"/calls/call_1/{path}")
        assert (answer.status_code, answer.json()["code"]) == (503, "prefect_unavailable")
    assert speakers(api) == ["manager", "customer"]


def test_a_forgotten_call_is_gone_everywhere(judged: Api) -> None:
    audio = Path(judged.settings.audio_url)
    assert [p.suffix for p in audio.iterdir() if p.is_file()] == [".ogg"]
    answer = judged.client.delete("/api/v1/calls/call_1", headers={"X-API-Key": judged.key})
    assert (answer.status_code, answer.json()) == (200, {"status": "deleted"})
    assert [p for p in audio.rglob("*") if p.is_file()] == []
    assert judged.get("/calls/call_1").status_code == 404
    with judged.database.read() as session:
        assert session.get(Call, "call_1") is None
        assert session.get(TranscriptRow, "call_1") is None
        assert session.scalars(select(Audit.actor).where(Audit.action == "call.deleted")).all() == [f"api:{judged.key_id}"]
    assert judged.upload().status_code == 200
