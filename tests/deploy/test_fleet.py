"""Two hundred calls through the scaled-out product: every call once, whatever the number of processes."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from tasks.load import load_pending
from tests.deploy.conftest import LiveFleet
from tests.peers.waiting import eventually
from warehouse import export, query

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(600)]
CALLS, TWICE = 200, 20
CALLS_SECONDS = 400
FLOWS = {"flows": {"name": {"any_": ["process-call"]}}}


@pytest.fixture(scope="module")
def answers(fleet: LiveFleet) -> dict[str, list[int]]:
    """All calls posted to both APIs in turn, some to both at once, and done; the statuses of each."""
    key = fleet.rop("key", "create", "--label", "crm", "--plain")
    posts = [(f"call-{number}", number % 2) for number in range(CALLS)] + [(f"call-{number}", (number + 1) % 2) for number in range(TWICE)]
    posts.sort(key=lambda post: int(post[0].removeprefix("call-")))
    with fleet.api(0, key) as first, fleet.api(1, key) as second, ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda post: _post(fleet, (first, second)[post[1]], post[0]), posts))
    found: dict[str, list[int]] = {}
    for (call_id, _), status in zip(posts, statuses, strict=True):
        found.setdefault(call_id, []).append(status)
    _wait(fleet)
    return found


def _post(fleet: LiveFleet, api: httpx.Client, call_id: str) -> int:
    form = {"manager_id": "m", "call_id": call_id, "deal_id": "d", "deal_stage_id": "new", "audio_url": fleet.audio_url}
    return api.post("/calls/audio-upload", data=form).status_code


def _wait(fleet: LiveFleet) -> None:
    deadline = time.monotonic() + CALLS_SECONDS
    while len(fleet.rows("SELECT 1 FROM calls WHERE status IN ('done', 'failed', 'no_speech')")) < CALLS:
        assert time.monotonic() < deadline, fleet.rows("SELECT status, count(*) FROM calls GROUP BY status")
        time.sleep(0.5)


def test_a_call_is_accepted_once_by_whichever_api(answers: dict[str, list[int]]) -> None:
    assert Counter(tuple(sorted(statuses)) for statuses in answers.values()) == {(200,): CALLS - TWICE, (200, 409): TWICE}


def test_every_call_is_done_by_one_run(fleet: LiveFleet, answers: dict[str, list[int]]) -> None:
    assert fleet.rows("SELECT status, attempt, runs, count(*) FROM calls GROUP BY 1, 2, 3") == [("done", 1, 1, CALLS)]
    assert len(fleet.rows("SELECT DISTINCT flow_run_id FROM calls")) == CALLS


def test_a_result_is_one_row(fleet: LiveFleet, answers: dict[str, list[int]]) -> None:
    found = fleet.rows("SELECT kind, definition_id, revision, count(*), count(DISTINCT call_id) FROM results GROUP BY 1, 2, 3")
    assert {row[0] for row in found} == {"checklist", "table"}
    assert all(row[3:] == (CALLS, CALLS) for row in found)
    assert len({row[1] for row in found}) == len(found)


def test_both_prefect_servers_tell_the_same_and_both_workers_worked(fleet: LiveFleet, answers: dict[str, list[int]]) -> None:
    for url in fleet.stack["prefect_urls"]:
        runs = eventually(partial(_ended, url))
        assert Counter((run["state"]["type"], run["run_count"]) for run in runs) == {("COMPLETED", 1): CALLS}
        assert {run["infrastructure_pid"].partition(":")[0] for run in runs} == {"worker-1", "worker-2"}


def _ended(url: str) -> list[dict[str, Any]]:
    """The runs of all calls; none while one goes on, which it does a moment longer than its call."""
    asked = FLOWS | {"limit": CALLS}
    runs: list[dict[str, Any]] = httpx.post(f"{url}/api/flow_runs/filter", json=asked, trust_env=False, timeout=30).json()
    return [] if any(run["state"]["type"] == "RUNNING" for run in runs) else runs


def test_recordings_are_in_the_bucket(fleet: LiveFleet, answers: dict[str, list[int]]) -> None:
    stored = fleet.stored("audio/") - fleet.stored("audio/steps/")
    assert stored == {f"audio/{path}" for (path,) in fleet.rows("SELECT path FROM recordings")}
    assert len(stored) == CALLS


def test_the_lake_in_the_bucket_has_every_call_once(fleet: LiveFleet, answers: dict[str, list[int]]) -> None:
    deadline = time.monotonic() + 60
    while load_pending(fleet.database, fleet.settings).busy or fleet.rows("SELECT 1 FROM load_outbox WHERE loaded_at IS NULL"):
        assert time.monotonic() < deadline
    assert query("SELECT count(*), count(DISTINCT call_id) FROM fact_call", fleet.settings)[1] == [(CALLS, CALLS)]
    assert fleet.s3.list_objects_v2(Bucket="rop", Prefix="lake/")["KeyCount"] > 0
    exported = json.loads(export.months(fleet.settings).read_text(encoding="utf-8"))["files"]
    assert sum(entry["rows"] for entry in exported if entry["table"] == "fact_call") == CALLS


def test_a_deleted_call_leaves_the_bucket(fleet: LiveFleet, answers: dict[str, list[int]]) -> None:
    key = fleet.rop("key", "create", "--label", "eraser", "--plain")
    ((path,),) = fleet.rows("SELECT path FROM recordings WHERE call_id = 'call-0'")
    before = fleet.stored("audio/steps/")
    with fleet.api(1, key) as api:
        assert api.delete("/calls/call-0").is_success
    assert fleet.stored(f"audio/{path}") == set()
    assert fleet.stored("audio/steps/") < before, "whichever worker had the call, what its steps left is gone"


def test_the_rate_limit_is_exact_over_both_apis(fleet: LiveFleet) -> None:
    key = fleet.rop("key", "create", "--label", "eager", "--plain")
    limit = fleet.settings.rate_limit
    with fleet.api(0, key) as first, fleet.api(1, key) as second, ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda number: (first, second)[number % 2].get("/calls/none").status_code, range(limit + 50)))
    assert Counter(statuses) == {404: limit, 429: 50}
