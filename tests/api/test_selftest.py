"""The self-test: a real call that needs no network, and a test event to every address."""

from __future__ import annotations

import hashlib

from checklists.transcript import Transcript
from core import clock
from core.secrets import server_secret
from core.storage import Storage
from db import calls, endpoints, results
from db.models import TranscriptRow
from tests.api.conftest import Api
from tests.peers.webhook_peer import Reply, WebhookPeer


def test_the_sample_is_accepted_and_already_stored(both: Api) -> None:
    answer = both.post("/self-test")
    assert answer.status_code == 200
    body = answer.json()
    assert [(s["name"], s["status"]) for s in body["steps"]] == [
        ("accepted", "ok"),
        ("transcribed", "waiting"),
        ("checklists", "waiting"),
        ("tables", "waiting"),
        ("webhooks", "waiting"),
    ]
    with both.database.read() as session:
        recording = results.recording(session, body["call_id"])
        call = calls.get(session, body["call_id"])
    assert recording is not None
    assert recording.created_at >= call.received_at
    with Storage(both.settings).open(recording.path) as file:
        assert hashlib.sha256(file.read()).hexdigest() == recording.sha256
    assert (recording.format, recording.channels, round(recording.duration)) == ("ogg", 2, 27)
    assert both.get(f"/self-test/{body['call_id']}").json()["call_id"] == body["call_id"]


def test_every_address_gets_a_test_event(api: Api) -> None:
    with WebhookPeer() as good, WebhookPeer([Reply(503)]) as bad:
        api.post("/settings/webhooks", {"kind": "events", "url": good.url()})
        with api.database.begin() as session:
            endpoints.set_url(session, server_secret(api.settings), "table", "TBL_1", bad.url(), clock.now())
        tests = api.post("/self-test").json()["tests"]
        assert {(t["delivered"], t["status_code"]) for t in tests} == {(True, 200), (False, 503)}
        assert len(good.received) == len(bad.received) == 1


def test_the_steps_follow_the_call(api: Api) -> None:
    call_id = api.post("/self-test").json()["call_id"]
    row = TranscriptRow(call_id=call_id, engine="whisper", model="base", content=Transcript().model_dump(mode="json"))
    row.created_at = clock.now()
    with api.database.begin() as session:
        results.save_transcript(session, row)
    api.result(call_id, "table", "TBL_1", {"code": "llm_down", "ru": "Модель недоступна.", "en": "Down."}, status="failed")
    api.end(call_id, "done")
    steps = {s["name"]: (s["status"], s["detail"]) for s in api.get(f"/self-test/{call_id}").json()["steps"]}
    assert steps["transcribed"][0] == steps["checklists"][0] == steps["webhooks"][0] == "ok"
    assert steps["tables"] == ("failed", "Модель недоступна.")


def test_only_self_tests_are_shown(api: Api) -> None:
    api.upload()
    assert api.get("/self-test/call_1").status_code == 404
    assert api.get("/self-test/selftest_none").status_code == 404
