"""A running stack as operators live with it: cancel, retry, kill, copy, delete, fill back, and find nothing secret in what is left."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from bench._asr_sounds import read, repeated, write
from bench._browser import browser
from core import clock, ids
from core.settings import Settings
from tasks.dispatch import RECONCILE
from tasks.prefect_api import PrefectApi
from tasks.recovery import GRACE_SECONDS
from tests.peers.waiting import eventually
from tests.stack.leaks import written
from tests.stack.live import CALL_SECONDS, FINAL, TOKEN, LiveStack, rop

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
LONG_SECONDS = 600.0  # of talk: recognised in nearly three times as long as a bar needs to appear, longer than it on a quick machine
PAST_CALLS = 24
DEAD = ("gone.mp3", "http://127.0.0.1:9/dead.mp3")


@pytest.fixture(scope="module", autouse=True)
def dead(stack: LiveStack) -> None:
    """Posted first of all: the tries at what does not answer take most of a minute, during which the other tests go on."""
    for audio in DEAD:
        assert stack.upload(f"e2e {audio[-8:]}", audio).status_code == 200


@pytest.fixture(scope="module")
def deleted(stack: LiveStack) -> list[str]:
    """The flow runs of a call that has just ended and of one under way, both deleted."""
    stack.upload("e2e silent", "silent_call.ogg")
    stack.wait("e2e silent")
    stack.upload("e2e unwanted", "good_call.ogg")
    stack.wait("e2e unwanted", until=lambda call: call["stage"] == "transcribing")
    runs = [stack.run_of(call_id)["id"] for call_id in ("e2e silent", "e2e unwanted")]
    with stack.api as api:
        for call_id in ("e2e silent", "e2e unwanted"):
            assert api.delete(f"/calls/{call_id}").json() == {"status": "deleted"}
    return runs


def test_a_call_is_deleted_also_while_it_is_worked_on(stack: LiveStack, deleted: list[str]) -> None:
    recordings = {path.stem for path in (stack.home / "audio").glob("rec_*")}
    with stack.api as api:
        for call_id in ("e2e silent", "e2e unwanted"):
            assert api.get(f"/calls/{call_id}").status_code == 404
            assert ids.stable_id("rec", call_id) not in recordings


def test_cancel_stops_a_transcription_within_seconds(stack: LiveStack) -> None:
    stack.upload("e2e cancelled", "good_call.ogg")
    stack.wait("e2e cancelled", until=lambda call: call["stage"] == "transcribing")
    with stack.prefect as prefect:
        state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        prefect.post(f"/flow_runs/{stack.run_of('e2e cancelled')['id']}/set_state", json=state)
    call = stack.wait("e2e cancelled", seconds=5)
    assert (call["status"], call["error"]["code"]) == ("failed", "cancelled")
    stack.ended_run_of("e2e cancelled", "CANCELLED")


def test_a_long_transcription_shows_how_far_it_is(stack: LiveStack) -> None:
    sound = read(stack.recordings / "average_call.mp3", Settings(home=stack.home))
    write(stack.recordings / "long.wav", repeated(sound, LONG_SECONDS))
    stack.upload("e2e long", "long.wav")
    stack.wait("e2e long", until=lambda call: call["stage"] == "transcribing")
    wanted = {"flow_run_id": {"any_": [stack.run_of("e2e long")["id"]]}, "type": {"any_": ["progress"]}}
    with stack.prefect as prefect:

        def bar() -> list[float]:
            found = prefect.post("/artifacts/filter", json={"artifacts": wanted}).json()
            return [float(one["data"]) for one in found if float(one["data"]) > 0]

        assert eventually(bar, CALL_SECONDS)[0] < 100
        assert stack.wait("e2e long")["status"] == "done"
        assert bar() == [100.0]


def test_a_live_call_does_not_wait_for_a_back_fill(stack: LiveStack, tmp_path: Path) -> None:
    past = [f"e2e past {number}" for number in range(PAST_CALLS)]
    rows = [f"{call_id},mgr_001,deal_1,new,{stack.crm.url}/silent_call.ogg?token={TOKEN}" for call_id in past]
    sheet = tmp_path / "past.csv"
    sheet.write_text("\n".join(["call_id,manager_id,deal_id,deal_stage_id,audio_url", *rows]))
    rop(stack.home, "backfill", str(sheet))
    _sweep(stack, clock.now() + timedelta(seconds=GRACE_SECONDS + 1))
    stack.wait(past[0])
    stack.upload("e2e now", "silent_call.ogg")
    assert stack.wait("e2e now")["status"] == "no_speech"
    assert sum(stack.call(call_id)["status"] not in FINAL for call_id in past) > PAST_CALLS / 3
    assert stack.wait(past[-1])["status"] == "no_speech"


@pytest.mark.parametrize("audio", DEAD)
def test_a_dead_address_ends_in_a_reason_for_people(stack: LiveStack, audio: str) -> None:
    call_id = f"e2e {audio[-8:]}"
    call = stack.wait(call_id)
    assert call["status"] == "failed"
    assert call["error"]["detail"] == stack.ended_run_of(call_id, "FAILED")["state"]["message"]
    assert stack.upload(call_id, audio).status_code == 200, "a failed call may be sent again"


def test_retry_of_an_ended_run_goes_on_after_its_last_finished_step(stack: LiveStack) -> None:
    """What the Retry button does: the same run is scheduled again, and the download is not paid twice."""
    run = stack.run_of("e2e cancelled")
    state = {"type": "SCHEDULED", "name": "AwaitingRetry"}
    with stack.prefect as prefect:
        prefect.post(f"/flow_runs/{run['id']}/set_state", json={"state": state, "force": True}).raise_for_status()
        assert stack.wait("e2e cancelled", until=lambda call: call["status"] == "done")["status"] == "done"
        wanted = {"flow_runs": {"id": {"any_": [run["id"]]}}}
        tasks = eventually(lambda: _finished(prefect.post("/task_runs/filter", json=wanted).json(), "notify"))
    downloads = sorted(one["state_name"] for one in tasks if one["task_key"].startswith("download"))
    assert downloads == ["Cached", "Completed"]


def test_a_failed_run_is_retried_by_a_click_in_the_prefect_ui(stack: LiveStack) -> None:
    """The recording comes late: ops find the reason at the run, see to the cause, and press Retry."""
    stack.upload("e2e late", "late.ogg")
    assert stack.wait("e2e late")["error"]["code"] == "source_refused"
    run = stack.ended_run_of("e2e late", "FAILED")
    shutil.copy(stack.recordings / "good_call.ogg", stack.recordings / "late.ogg")
    with browser() as chromium:
        page = chromium.new_page()
        page.goto(f"{stack.addresses['prefect_url']}/runs/flow-run/{run['id']}")
        expect(page.get_by_text(run["state"]["message"]).first).to_be_visible()
        page.get_by_role("button", name="Retry").click()
        page.get_by_role("dialog").get_by_role("button", name="Retry").click()
        assert stack.wait("e2e late", until=lambda call: call["status"] != "failed")
        assert stack.wait("e2e late")["status"] == "done"
        expect(page.get_by_text("Completed").first).to_be_visible()


def test_a_killed_worker_loses_nothing(stack: LiveStack) -> None:
    stack.upload("e2e killed", "average_call.mp3")
    stack.wait("e2e killed", until=lambda call: call.get("stage") == "transcribing")
    time.sleep(1)
    stack.kill("worker")
    assert stack.wait("e2e killed")["status"] == "done"
    with stack.api as api:
        assert len(api.get("/calls/e2e killed/checklists").json()["checklists"]) == 1
    assert "started" in [step["name"] for step in stack.call("e2e killed")["timeline"]]


def test_the_self_test_of_the_terminal(stack: LiveStack) -> None:
    told = rop(stack.home, "selftest")
    assert "✓ чек-листы: sales" in told
    assert "checklist.completed, checklist sales → 127.0.0.1: 204" in told


def test_the_first_repeat_of_a_webhook_comes_in_seconds(stack: LiveStack) -> None:
    """The receiver refuses the first attempt; the schedule of deliveries alone would repeat it within a minute."""
    path = f"/hooks/events?token={TOKEN}"
    with stack.api as api:
        hook = api.post("/settings/webhooks", json={"kind": "events", "url": f"{stack.crm.url}{path}"}).json()
        stack.upload("e2e repeat", "silent_call.ogg")

        def attempts() -> list[dict[str, Any]]:
            return [one for sent in api.get("/calls/e2e repeat/deliveries").json()["deliveries"] for one in sent["attempts"]]

        eventually(attempts)
        stack.crm.inbox.secrets[path] = hook["secret"]
        assert eventually(lambda: stack.crm.inbox.of(path, "e2e repeat"), seconds=90)["event"] == "call.no_speech"
        first, second = eventually(lambda: attempts()[1:] and attempts())
    waited = datetime.fromisoformat(second["at"]) - datetime.fromisoformat(first["at"])
    assert 4 <= waited.total_seconds() <= 30


def test_a_copy_of_the_running_stack_knows_what_was_under_way(stack: LiveStack, tmp_path: Path) -> None:
    stack.upload("e2e copied", "good_call.ogg")
    stack.wait("e2e copied", until=lambda call: call["stage"] == "transcribing")
    rop(stack.home, "backup", str(tmp_path / "copy.zip"), "--with-audio")
    told = rop(tmp_path / "elsewhere", "restore", str(tmp_path / "copy.zip"))
    assert re.search(r"начнутся заново: [1-9]", told)
    assert rop(tmp_path / "elsewhere", "call", "show", "e2e copied").startswith("e2e copied: queued")


def test_nothing_is_left_of_deleted_calls(stack: LiveStack, deleted: list[str]) -> None:
    """The run that was going on is removed by the reconciler, once its worker is surely gone."""
    with stack.prefect as prefect:

        def gone(run: str) -> bool:
            mine = {"flow_run_id": {"any_": [run]}}
            found = [prefect.post(f"/{kind}/filter", json={kind: mine}).json() for kind in ("artifacts", "logs")]
            return not any(found) and prefect.get(f"/flow_runs/{run}").status_code == 404

        for run in deleted:
            eventually(partial(gone, run), seconds=240)
    eventually(lambda: stack.query("SELECT count(*) AS n FROM fact_call WHERE call_id = 'e2e silent'") == [{"n": 0}], seconds=60)


def test_no_secret_is_written_anywhere(stack: LiveStack) -> None:
    """After all of the above: logs, Prefect's parameters, inputs, artifacts, states and logs, our errors and events."""
    wrong = "rop_" + "Wr0ng" * 9 + "Keys"
    with httpx.Client(base_url=stack.addresses["api_url"], trust_env=False) as client:
        for name in ("apiKey", "api%4Bey", "%61piKey"):
            for key in (stack.key, wrong):
                client.get(f"/api/v1/deliveries?{name}={key}")
                client.get(f"/nowhere/{key}?{name}={key}", headers={"Authorization": f"Bearer {key}", "Referer": f"http://x/?{name}={key}"})
    places = list(written(stack.home))
    assert {"logs/api.log", "flow_run.parameters", "task_run.task_inputs", "artifact.data", "log.message"} <= {place for place, _ in places}
    assert any("e2e late" in text for place, text in places if place == "flow_run.parameters")
    signing = [secret.removeprefix("whsec_") for secret in stack.crm.inbox.secrets.values()]
    for secret in (stack.key, stack.key[4:], wrong, TOKEN, *signing):
        assert [place for place, text in places if secret in text] == []


def _sweep(stack: LiveStack, at: datetime) -> None:
    """Sooner than the next minute."""
    with closing(PrefectApi(Settings(prefect_api_url=f"{stack.addresses['prefect_url']}/api"))) as prefect:
        prefect.start(RECONCILE, {}, key=f"e2e {at}", name="сверка", tags=[], at=at)


def _finished(tasks: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """All task runs, as soon as the one of that name has ended."""
    return tasks if any(one["task_key"].startswith(name) and one["state_type"] == "COMPLETED" for one in tasks) else []
