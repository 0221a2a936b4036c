"""Starting flow runs behind the answer: in order, once, and never in the caller's way."""

from __future__ import annotations

import time
from pathlib import Path

from api.starter import DOWN_SECONDS, TRIES, Starter
from core import clock
from core.settings import Settings
from db import calls
from db.calls import NewCall
from db.engine import Database
from tasks.prefect_api import PrefectApi
from tests.peers import databases
from tests.peers.prefect_peer import PrefectPeer
from tests.peers.waiting import eventually

IDS = [f"c{number}" for number in range(5)]


def prepared(home: Path, prefect_url: str) -> tuple[Database, Starter]:
    """Accepted calls, and a starter that knows of none of them."""
    settings = Settings(home=home, prefect_api_url=prefect_url)
    database = databases.empty(settings.db_url)
    with database.begin() as session:
        for call_id in IDS:
            calls.accept(session, NewCall(call_id, "m", "d", "s", "http://crm.invalid/a.mp3", None), clock.now())
    return database, Starter(database, PrefectApi(settings), settings)


def test_calls_are_started_in_order_with_their_id_alone(tmp_path: Path) -> None:
    with PrefectPeer() as prefect:
        database, starter = prepared(tmp_path, prefect.url)
        for call_id in IDS:
            starter.start(call_id)
        eventually(lambda: len(prefect.bodies) == len(IDS))
        starter.close()
        assert [body["parameters"] for body in prefect.bodies] == [{"call_id": call_id} for call_id in IDS]
        with database.read() as session:
            assert {calls.get(session, call_id).status for call_id in IDS} == {"queued"}


def test_close_starts_what_still_waits(tmp_path: Path) -> None:
    with PrefectPeer() as prefect:
        _, starter = prepared(tmp_path, prefect.url)
        for call_id in IDS:
            starter.start(call_id)
        starter.close()
        assert len(prefect.runs) == len(IDS)


def test_what_comes_while_prefect_restarts_is_started_when_it_is_back(tmp_path: Path) -> None:
    with PrefectPeer() as prefect:
        prefect.down = True
        _, starter = prepared(tmp_path, prefect.url)
        for call_id in IDS:
            starter.start(call_id)
        time.sleep(DOWN_SECONDS * TRIES + 1)
        prefect.down = False
        eventually(lambda: len(prefect.runs) == len(IDS))
        starter.close()
        assert [body["parameters"]["call_id"] for body in prefect.bodies] == IDS


def test_a_call_that_prefect_refuses_does_not_hold_up_the_others(tmp_path: Path) -> None:
    with PrefectPeer() as prefect:
        prefect.refused = {"c0"}
        database, starter = prepared(tmp_path, prefect.url)
        for call_id in IDS:
            starter.start(call_id)
        eventually(lambda: len(prefect.runs) == len(IDS) - 1)
        starter.close()
        with database.read() as session:
            assert [call.call_id for call in calls.untriggered(session, clock.now(), 10)] == ["c0"]


def test_a_call_that_the_reconciler_has_started_meanwhile_is_left_alone(tmp_path: Path) -> None:
    with PrefectPeer() as prefect:
        database, starter = prepared(tmp_path, prefect.url)
        with database.begin() as session:
            calls.mark_triggered(session, "c0", 1, "run", clock.now())
        starter.start("c0")
        starter.close()
        assert prefect.bodies == []


def test_without_prefect_nobody_waits_and_the_calls_stay_for_the_reconciler(tmp_path: Path) -> None:
    database, starter = prepared(tmp_path, "http://127.0.0.1:1/api")
    begun = time.monotonic()
    for call_id in [*IDS, "unknown"]:
        starter.start(call_id)
    assert time.monotonic() - begun < 5
    starter.close()
    with database.read() as session:
        assert [call.call_id for call in calls.untriggered(session, clock.now(), 10)] == IDS
