"""The main job end to end: a real server, worker, recogniser, receiver and warehouse."""

from __future__ import annotations

import time
from typing import Any

import pytest
from conftest import LiveStack

pytestmark = pytest.mark.slow
SEED_FIELDS = {"call_id", "manager_id", "checklist_name", "total_score", "max_score", "completion_percentage", "stages", "timestamp"}
STAGE_FIELDS = {"stage_id", "stage_name", "score", "percentage", "status", "comment", "quote"}


@pytest.fixture(scope="module")
def good(stack: LiveStack) -> dict[str, Any]:
    """The good sample, posted and done."""
    answer = stack.upload("e2e good", "good_call.ogg")
    assert (answer.status_code, answer.json()) == (200, {"status": "queued", "call_id": "e2e good"})
    return stack.wait("e2e good")


def test_the_call_is_done_and_its_timeline_tells_how(good: dict[str, Any]) -> None:
    assert good["status"] == "done"
    names = [step["name"] for step in good["timeline"]]
    assert names[:3] == ["accepted", "queued", "started"]
    assert names[-1] == "done"


def test_signed_webhooks_arrive_with_the_seeds_fields(stack: LiveStack, good: dict[str, Any]) -> None:
    body = eventually(lambda: stack.crm.inbox.of("/hooks/checklist", "e2e good"))
    assert body.keys() >= SEED_FIELDS
    assert all(stage.keys() >= STAGE_FIELDS for stage in body["stages"])
    assert body["total_score"] == sum(stage["score"] for stage in body["stages"])
    assert eventually(lambda: stack.crm.inbox.of("/hooks/table", "e2e good"))["table_id"] == "TBL_1755863365"
    assert stack.crm.inbox.refused == 0


def test_every_quote_is_in_the_transcript(stack: LiveStack, good: dict[str, Any]) -> None:
    with stack.api as api:
        said = {u["text"] for u in api.get("/calls/e2e good/transcript").json()["utterances"]}
        scores = api.get("/calls/e2e good/checklists").json()
    quotes = [stage["quote"] for one in scores["checklists"] for stage in one["stages"] if stage["status"] == "completed"]
    assert len(quotes) >= 6
    assert set(quotes) <= said


def test_the_table_is_ready(stack: LiveStack, good: dict[str, Any]) -> None:
    with stack.api as api:
        answer = api.get("/tables/call-ready", params={"tab": "TBL_1755863365", "call": "e2e good"}).json()
    assert answer["ready"] is True
    assert answer["data"]


def test_the_run_is_named_tagged_and_has_a_card(stack: LiveStack, good: dict[str, Any]) -> None:
    run = stack.run_of("e2e good")
    assert run["state"]["type"] == "COMPLETED"
    assert run["parameters"] == {"call_id": "e2e good"}
    assert "call:e2e good" in run["tags"]
    with stack.prefect as prefect:
        artifacts = prefect.post("/artifacts/filter", json={"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}).json()
        tasks = prefect.post("/task_runs/filter", json={"flow_runs": {"id": {"any_": [run["id"]]}}}).json()
        logs = prefect.post("/logs/filter", json={"logs": {"flow_run_id": {"any_": [run["id"]]}}}).json()
    assert any("Звонок" in artifact["data"] for artifact in artifacts)
    assert {"download", "transcribe", "score", "extract", "publish", "notify"} <= {t["name"].split("-")[0] for t in tasks} | task_keys(tasks)
    assert logs


def test_the_warehouse_knows_the_call(stack: LiveStack, good: dict[str, Any]) -> None:
    rows = eventually(lambda: stack.query("SELECT status FROM fact_call WHERE call_id = 'e2e good'"), seconds=120)
    assert rows == [{"status": "done"}]


def test_silence_is_not_scored(stack: LiveStack) -> None:
    stack.upload("e2e silent", "silent_call.ogg")
    assert stack.wait("e2e silent")["status"] == "no_speech"
    with stack.api as api:
        assert api.get("/calls/e2e silent/checklists").json()["checklists"] == []


@pytest.mark.parametrize(
    ("audio", "code"),
    [("dead.mp3", "download"), ("http://127.0.0.1:9/a.mp3", "download"), ("empty.wav", "audio"), ("page.html", "audio")],
)
def test_bad_addresses_end_in_a_reason_for_people(stack: LiveStack, audio: str, code: str, tmp_path) -> None:
    call_id = f"e2e bad {audio}"
    answer = stack.upload(call_id, audio)
    if answer.status_code == 400:
        assert answer.json()["detail"]
        return
    call = stack.wait(call_id)
    assert call["status"] == "failed"
    assert call["error"]["detail"]
    assert stack.run_of(call_id)["state"]["type"] == "FAILED"
    assert call["error"]["detail"] in stack.run_of(call_id)["state"]["message"]


def test_a_killed_worker_loses_nothing(stack: LiveStack) -> None:
    stack.upload("e2e killed", "average_call.mp3")
    stack.wait("e2e killed", until=lambda call: call.get("stage") == "transcribing")
    time.sleep(1)
    stack.kill("worker")
    assert stack.wait("e2e killed")["status"] == "done"
    with stack.api as api:
        assert len(api.get("/calls/e2e killed/checklists").json()["checklists"]) == 1
    assert "started" in [step["name"] for step in stack.call("e2e killed")["timeline"]]


def eventually(ask: Any, seconds: float = 30) -> Any:
    """The first true answer within the time."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return answer


def task_keys(tasks: list[dict[str, Any]]) -> set[str]:
    return {task["task_key"].split("-")[0].split(".")[-1] for task in tasks}
