"""F1, F3: a process is killed at each of its failpoints in turn; whatever it left is finished once, by whoever comes next."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from core import failpoints, ids
from db import calls, erasure, results
from tasks.forget import LOG_SECONDS
from tasks.recovery import GRACE_SECONDS
from tests.faults.house import KILLED, House
from tests.peers.file_peer import serve, status
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]

# Last first: a call that was killed late goes on past the earlier points, which its finished steps do not reach again.
ENDING = ("ending.after_commit", "ending.inside_commit")
WAY = (
    "call.before_end",
    "deliver.after_record",
    "deliver.after_send",
    "deliver.after_claim",
    "publish.after_commit",
    "publish.inside_commit",
    "publish.before_commit",
    "extract.after",
    "extract.before",
    "score.after",
    "score.before",
    "transcribe.after_store",
    "transcribe.before_store",
    "download.after_record",
    "download.after_put",
    "storage.before_rename",
    "download.before_put",
    "download.part",
    "claim.after_commit",
    "claim.before_commit",
)
INGRESS = ("accept.after_commit", "trigger.before_start", "trigger.after_start", "trigger.after_mark")
REQUEUE = ("reconcile.before_requeue", "reconcile.after_requeue")
RENEW = ("reconcile.after_unlink",)
WAIT = ("postpone.after_commit",)
DRAIN = ("drain.before_requeue", "drain.after_requeue")
RESCORE = ("rescore.before_store", "rescore.after_store")
FORGET = ("forget.after_commit", "forget.after_recording", "forget.after_runs")
RETENTION = ("retention.after_file", "retention.after_texts")
LOOPS = (*ENDING, *WAY, *INGRESS, *REQUEUE, *RENEW, *WAIT, *DRAIN, *RESCORE, *FORGET, *RETENTION)
CLIPS = 2  # the recogniser is asked once a channel
HEARD_AGAIN = 4  # of the calls: the one that is killed with its transcript unstored, and those that another's kill meets at that moment
RECOVERY_SECONDS = 60.0


def test_every_failpoint_belongs_to_one_loop() -> None:
    elsewhere = {name for name in failpoints.POINTS if name.startswith(("load.", "reports."))}
    assert sorted((*LOOPS, *elsewhere)) == sorted(failpoints.POINTS)


def test_a_worker_killed_at_every_step_loses_and_repeats_nothing(house: House) -> None:
    heard = len(house.asr.uploads)
    for name in (*ENDING, *WAY):
        house.start("worker", f"{name}=kill@1")
        house.upload(f"F1 {name}", "/nowhere.wav" if name in ENDING else "/call.wav")
        assert house.died("worker", 120) == KILLED, name
    house.start("worker")
    begun = time.monotonic()
    call_ids = [f"F1 {name}" for name in (*ENDING, *WAY)]
    with suppress(AssertionError):  # one killed just before its worker is noted at the run is found by the reconciler alone
        house.wait(*call_ids, seconds=30)
    assert house.act("reconcile") == 0
    ended = house.wait(*call_ids, seconds=180)
    assert (time.monotonic() - begun) <= RECOVERY_SECONDS
    expected = {f"F1 {name}": "failed" if name in ENDING else "done" for name in (*ENDING, *WAY)}
    assert {call.call_id: call.status for call in ended} == expected
    assert len(house.asr.uploads) - heard <= CLIPS * (len(WAY) + HEARD_AGAIN), "what was heard and stored is not heard again"


def test_a_call_is_kept_when_the_api_dies_after_the_commit(house: House) -> None:
    house.start("worker")
    for name in INGRESS:
        house.stop("api")
        house.start("api", f"{name}=kill@1")
        house.ready("api")
        with suppress(httpx.HTTPError):
            house.upload(f"F3 {name}")
        assert house.died("api") == KILLED, name
        house.start("api")
        house.ready("api")
        again = house.upload(f"F3 {name}")
        assert (again.status_code, again.json()["code"]) == (409, "call_exists")
        assert again.json()["status"] in {"queued", "processing", "done"}
    time.sleep(GRACE_SECONDS)  # what the ingress may still be starting itself is left alone by the reconciler
    assert house.act("reconcile") == 0
    assert [call.status for call in house.wait(*(f"F3 {name}" for name in INGRESS))] == ["done"] * len(INGRESS)
    assert [len(house.runs_of(f"F3 {name}")) for name in INGRESS] == [1] * len(INGRESS)


def test_a_killed_reconciler_is_made_up_for_by_the_next(house: House) -> None:
    house.start("worker", "transcribe.before_store=sleep:600@1")
    house.upload("F1 reconciler")
    eventually(partial(hears, house, "F1 reconciler"), 60)
    house.kill("worker")
    time.sleep(house.settings.lease_seconds + 1)
    for name in REQUEUE:
        assert house.act("reconcile", f"{name}=kill@1") == KILLED, name
    house.prefect("/flow_runs/bulk_delete", {"flow_runs": {"tags": {"all_": ["call:F1 reconciler"]}}})
    for name in RENEW:
        assert house.act("reconcile", f"{name}=kill@1") == KILLED, name
    time.sleep(GRACE_SECONDS)  # a call that has no run may be the ingress's to start
    assert house.act("reconcile") == 0
    house.start("worker")
    assert house.wait("F1 reconciler")[0].status == "done"


def hears(house: House, call_id: str) -> bool:
    return house.call(call_id).status == "transcribing"


def all_ended(house: House, call_id: str) -> bool:
    return {run["state_type"] for run in house.runs_of(call_id)} == {"COMPLETED"}


def test_a_call_goes_on_waiting_when_its_worker_is_killed_as_it_postpones_it(house: House) -> None:
    patient = {"wait_out_seconds": "3600", "postpone_seconds": "2"}
    house.crm.routes["/call.wav"] = status(503)
    for name in WAIT:
        house.start("worker", f"{name}=kill@1", **patient)
        house.upload(f"F1 {name}")
        assert house.died("worker", 180) == KILLED, name
        assert (house.call(f"F1 {name}").status, house.call(f"F1 {name}").reason_code) == ("queued", "server_error")
        house.start("worker", **patient)
        eventually(partial(has_waited, house, f"F1 {name}", 3), 90)
        house.crm.routes["/call.wav"] = serve(house.sound)
        assert house.wait(f"F1 {name}")[0].status == "done"


def has_waited(house: House, call_id: str, times: int) -> bool:
    return house.names(call_id)["postponed"] >= times


def test_a_worker_killed_in_its_drain_leaves_its_call_to_the_next(house: House) -> None:
    for name in DRAIN:
        house.start("worker", f"transcribe.before_store=sleep:600@1,{name}=kill@1")
        house.upload(f"F1 {name}")
        eventually(partial(hears, house, f"F1 {name}"), 60)
        house.processes["worker"].terminate()
        assert house.died("worker") == KILLED, name
    house.start("worker")
    assert [call.status for call in house.wait(*(f"F1 {name}" for name in DRAIN))] == ["done"] * len(DRAIN)


def test_a_killed_rescoring_gives_one_new_result(house: House) -> None:
    house.start("worker")
    house.upload("F1 rescored")
    house.wait("F1 rescored")
    house.stop("worker")
    for revision, name in enumerate(RESCORE, 2):
        house.start("worker", f"{name}=kill@1")
        assert house.ask("POST", "/calls/F1 rescored/rescore").status_code == 200
        assert house.died("worker") == KILLED, name
        house.start("worker")
        eventually(partial(all_ended, house, "F1 rescored"), 90)
        house.stop("worker")
        with house.database.read() as session:
            judged = [*results.current(session, "F1 rescored", "checklist"), *results.current(session, "F1 rescored", "table")]
        assert [row.revision for row in judged] == [revision] * 2


def test_a_killed_deletion_leaves_nothing_in_the_end(house: House) -> None:
    house.start("worker")
    call_ids = [f"F1 {name}" for name in FORGET]
    for call_id in call_ids:
        house.upload(call_id)
    house.wait(*call_ids)
    house.settle()
    house.stop("api")
    for name in FORGET:
        house.start("api", f"{name}=kill@1")
        house.ready("api")
        with suppress(httpx.HTTPError):
            house.ask("DELETE", f"/calls/F1 {name}")
        assert house.died("api") == KILLED, name
        house.accepted.remove(f"F1 {name}")
    house.start("api")
    house.ready("api")
    eventually(partial(_all_removed, house), 2 * LOG_SECONDS)
    for call_id in call_ids:
        assert house.ask("GET", f"/calls/{call_id}").status_code == 404
        assert house.runs_of(call_id) == []
        assert list(Path(house.settings.audio_url).glob(f"*{ids.stable_id('rec', call_id)}*")) == []


def test_a_killed_retention_is_made_up_for_by_the_next(house: House) -> None:
    house.start("worker")
    house.upload("F1 old")
    house.wait("F1 old")
    house.settle()
    with house.database.begin() as session:
        calls.get(session, "F1 old").received_at -= timedelta(days=40)
    for name in RETENTION:
        assert house.act("retention", f"{name}=kill@1") == KILLED, name
    eventually(partial(_all_removed, house), 2 * LOG_SECONDS)
    with house.database.read() as session:
        recording, transcript = results.recording(session, "F1 old"), results.transcript_row(session, "F1 old")
    assert recording is not None
    assert recording.deleted_at is not None
    assert transcript is None
    assert not Path(house.settings.audio_url, recording.path).exists()
    assert house.runs_of("F1 old") == []


def _all_removed(house: House) -> bool:
    """Whether a retention leaves nothing to be removed; it waits for the last log lines of runs that have just ended."""
    assert house.act("retention") == 0
    with house.database.read() as session:
        return erasure.removals(session, 10) == []
