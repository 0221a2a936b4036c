"""F2, F4, F5, F16: processes of a house die, are away or are restarted while calls come in."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from db import calls
from tests.faults.house import House
from tests.peers.waiting import eventually

OUTAGE_SECONDS = 120.0  # longer than Prefect's own client tries
pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]


def test_f2_the_whole_house_is_killed_in_the_middle_of_a_transcription(house: House) -> None:
    house.start("worker", "transcribe.before_store=sleep:600@1")
    house.upload("F2")
    eventually(lambda: house.call("F2").status == "transcribing", 60)
    for name in ("prefect", "api", "worker"):
        house.kill(name)
    house.heal()
    house.start("worker")
    assert house.wait("F2")[0].status == "done"
    assert house.names("F2")["started"] == 2
    eventually(lambda: len(messages(house, "F2")) == 2)
    assert max(messages(house, "F2").values()) <= 2


def test_f2_calls_of_a_host_that_never_comes_back_go_to_another(house: House) -> None:
    house.start("worker", "transcribe.before_store=sleep:600@1")
    house.upload("F2 host")
    eventually(lambda: house.call("F2 host").status == "transcribing", 60)
    first = house.processes.pop("worker")
    house.start("worker-2")
    time.sleep(5)
    first.kill()
    first.wait()
    time.sleep(house.settings.lease_seconds + 1)
    assert house.act("reconcile") == 0
    assert house.wait("F2 host")[0].status == "done"
    house.stop("worker-2")


def test_f2_a_call_that_breaks_every_worker_is_not_tried_for_ever(house: House) -> None:
    house.environment["ROP_MAX_ATTEMPTS"] = "3"
    house.upload("F2 poison")
    for _ in range(3):
        house.start("worker", "transcribe.before_store=kill")
        house.died("worker", 120)
    house.start("worker")
    [call] = house.wait("F2 poison")
    assert (call.status, call.reason_code) == ("failed", "too_many_runs")
    house.environment["ROP_MAX_ATTEMPTS"] = "50"


def test_f2_a_decoder_that_hangs_ends_its_worker_and_not_the_call(house: House) -> None:
    house.environment |= {"ROP_TRANSCRIBE_SECONDS": "2", "ROP_HANG_SECONDS": "2"}
    house.start("worker", "transcribe.before_store=sleep:600@1")
    house.upload("F2 hangs")
    assert house.died("worker", 120) == 0
    for name in ("ROP_TRANSCRIBE_SECONDS", "ROP_HANG_SECONDS"):
        del house.environment[name]
    house.start("worker")
    assert house.wait("F2 hangs")[0].status == "done"
    assert (house.names("F2 hangs")["started"], house.names("F2 hangs")["worker_stopped"]) == (2, 0)


def test_f4_calls_are_taken_while_prefect_is_down(house: House) -> None:
    house.start("worker")
    house.upload("F4 before")
    house.wait("F4 before")
    house.kill("prefect")
    ids = [f"F4 {number:02}" for number in range(12)]
    seconds = []
    for call_id in ids:
        begun = time.monotonic()
        assert house.upload(call_id).status_code == 200
        seconds.append(time.monotonic() - begun)
    assert max(seconds) < 0.3, seconds
    ready = httpx.get(f"{house.addresses.api_url}/readyz", trust_env=False, timeout=30)
    assert ready.status_code == 200, "a warning, because calls are kept"
    assert "prefect" in ready.text
    house.heal()
    house.tend()
    time.sleep(15)
    house.act("reconcile")
    assert [call.status for call in house.wait(*ids, seconds=180)] == ["done"] * len(ids)
    runs = [house.runs_of(call_id) for call_id in ids]
    assert [len(one) for one in runs] == [1] * len(ids)
    made = [one[0]["created"] for one in runs]
    assert made == sorted(made), "in order of receipt"


def test_f4_a_call_under_way_outlives_an_outage_of_prefect(house: House) -> None:
    house.start("worker", "transcribe.before_store=sleep:5@1")
    house.upload("F4 under way")
    eventually(lambda: house.call("F4 under way").status == "transcribing", 60)
    house.kill("prefect")
    time.sleep(OUTAGE_SECONDS)
    assert house.call("F4 under way").status != "failed", house.call("F4 under way").reason_code
    house.heal()
    house.tend()
    house.act("reconcile")
    assert house.wait("F4 under way", seconds=120)[0].status == "done"


def test_f5_of_fifty_posts_of_one_call_the_first_wins(house: House) -> None:
    house.start("worker")
    with ThreadPoolExecutor(50) as pool:
        same = list(pool.map(lambda _: house.upload("F5 same").status_code, range(50)))
        other = list(pool.map(lambda number: house.upload("F5 other", deal_id=f"deal {number}"), range(50)))
    assert Counter(same) == {200: 1, 409: 49}
    assert Counter(answer.status_code for answer in other) == {200: 1, 409: 49}
    first = next(number for number, answer in enumerate(other) if answer.status_code == 200)
    assert [call.status for call in house.wait("F5 same", "F5 other")] == ["done", "done"]
    assert house.call("F5 other").deal_id == f"deal {first}"
    assert [len(house.runs_of(call_id)) for call_id in ("F5 same", "F5 other")] == [1, 1]


def test_f16_a_rolling_restart_breaks_off_no_answer(house: House) -> None:
    house.start("worker")
    met: Counter[object] = Counter()
    enough = threading.Event()

    def post() -> None:
        number = 0
        while not enough.wait(0.5):
            number += 1
            try:
                met[house.upload(f"F16 {number}").status_code] += 1
            except httpx.ConnectError:
                met["refused"] += 1
            except httpx.HTTPError as error:
                met[type(error).__name__] += 1

    crm = threading.Thread(target=post)
    crm.start()
    try:
        for name in ("api", "worker", "api", "worker"):
            time.sleep(4)
            begun = time.monotonic()
            assert house.stop(name) in {0, -signal.SIGTERM}
            assert time.monotonic() - begun <= 20
            house.start(name)
            if name == "api":
                house.ready("api")
    finally:
        enough.set()
        crm.join()
    assert met.keys() <= {200, "refused"}, met
    taken = [call_id for call_id in house.accepted if call_id.startswith("F16")]
    assert [call.status for call in house.wait(*taken, seconds=180)] == ["done"] * len(taken)


def test_f16_a_worker_that_is_stopped_gives_back_what_it_cannot_finish(house: House) -> None:
    house.start("worker", "transcribe.before_store=sleep:600@1")
    house.upload("F16 long")
    eventually(lambda: house.call("F16 long").status == "transcribing", 60)
    begun = time.monotonic()
    assert house.stop("worker") == 0
    assert house.settings.worker_grace_seconds <= time.monotonic() - begun <= house.settings.worker_grace_seconds + 8
    [run] = house.runs_of("F16 long")
    assert (house.call("F16 long").status, run["state_type"], run["state_name"]) == ("queued", "SCHEDULED", "AwaitingRetry")
    with house.database.read() as session:
        assert calls.broken_runs(session, calls.get(session, "F16 long")) == 0
    house.start("worker")
    assert house.wait("F16 long")[0].status == "done"


def messages(house: House, call_id: str) -> Counter[str]:
    """How often the receiver got each webhook of the call."""
    needle = f'"call_id":"{call_id}"'.encode()
    return Counter(one.id for one in house.receiver.received if needle in one.body)
