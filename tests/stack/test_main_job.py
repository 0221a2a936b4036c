"""The main job end to end: a real server, worker, recogniser, receiver and warehouse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.peers.waiting import eventually
from tests.stack.live import LiveStack

pytestmark = pytest.mark.slow
SEED_FIELDS = {"call_id", "manager_id", "checklist_name", "total_score", "max_score", "completion_percentage", "stages", "timestamp"}
STAGE_FIELDS = {"stage_id", "stage_name", "score", "percentage", "status", "comment", "quote"}


@pytest.fixture(scope="module")
def good(stack: LiveStack) -> dict[str, Any]:
    """The good sample, posted and done."""
    answer = stack.upload("e2e good", "good_call.ogg")
    assert (answer.status_code, answer.json()) == (200, {"status": "queued", "call_id": "e2e good"})
    return stack.wait("e2e good")


@pytest.fixture(scope="module")
def run(stack: LiveStack, good: dict[str, Any]) -> dict[str, Any]:
    """Its flow run, which has sent the webhooks and ended."""
    return stack.ended_run_of("e2e good", "COMPLETED")


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
    quotes = [stage["quote"] for one in scores["checklists"] for stage in one["result"]["stages"] if stage["status"] == "completed"]
    assert len(quotes) >= 6
    assert set(quotes) <= said


def test_the_table_is_ready(stack: LiveStack, good: dict[str, Any]) -> None:
    with stack.api as api:
        answer = api.get("/tables/call-ready", params={"tab": "TBL_1755863365", "call": "e2e good"}).json()
    assert answer["ready"] is True
    assert answer["data"]


def test_the_run_is_named_tagged_and_has_a_card(stack: LiveStack, run: dict[str, Any]) -> None:
    assert run["parameters"] == {"call_id": "e2e good"}
    assert "call:e2e good" in run["tags"]
    with stack.prefect as prefect:
        artifacts = prefect.post("/artifacts/filter", json={"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}).json()
        logs = prefect.post("/logs/filter", json={"logs": {"flow_run_id": {"any_": [run["id"]]}}}).json()

        def every_step() -> bool:
            """Prefect writes task runs behind their events."""
            tasks = prefect.post("/task_runs/filter", json={"flow_runs": {"id": {"any_": [run["id"]]}}}).json()
            return {task["task_key"].split("-")[0] for task in tasks} >= {"download", "transcribe", "score", "extract", "publish", "notify"}

        eventually(every_step)
    assert any("Звонок" in str(artifact["data"]) for artifact in artifacts)
    assert logs


def test_a_run_goes_straight_to_its_end(stack: LiveStack, run: dict[str, Any]) -> None:
    with stack.prefect as prefect:
        states = prefect.get("/flow_run_states/", params={"flow_run_id": run["id"]}).json()
    assert [state["name"] for state in states] == ["Scheduled", "Pending", "Running", "Completed"]


def test_the_warehouse_knows_the_call(stack: LiveStack, good: dict[str, Any]) -> None:
    rows = eventually(lambda: stack.query("SELECT status FROM fact_call WHERE call_id = 'e2e good'"), seconds=120)
    assert rows == [{"status": "done"}]


def test_silence_is_not_scored(stack: LiveStack) -> None:
    stack.upload("e2e silent", "silent_call.ogg")
    assert stack.wait("e2e silent")["status"] == "no_speech"
    with stack.api as api:
        assert api.get("/calls/e2e silent/checklists").json()["checklists"] == []


@pytest.mark.parametrize("audio", ["empty.wav", "page.html"])
def test_what_is_proven_to_be_no_audio_is_refused_at_once(stack: LiveStack, audio: str) -> None:
    answer = stack.upload(f"e2e {audio}", audio)
    assert answer.status_code == 400
    assert answer.json()["code"]
    assert answer.json()["detail"]


def test_the_same_call_twice_is_a_conflict(stack: LiveStack, good: dict[str, Any]) -> None:
    answer = stack.upload("e2e good", "good_call.ogg")
    assert (answer.status_code, answer.json()["status"]) == (409, "done")


@pytest.mark.parametrize("name", ["сверка", "доставка вебхуков", "загрузка хранилища"])
def test_housekeeping_is_scheduled(stack: LiveStack, name: str) -> None:
    wanted = {"flow_runs": {"name": {"any_": [name]}, "state": {"type": {"any_": ["COMPLETED"]}}}}
    with stack.prefect as prefect:
        eventually(lambda: prefect.post("/flow_runs/filter", json=wanted).json(), seconds=150)
