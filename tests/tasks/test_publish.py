"""What a call ends with: results and webhooks in one transaction."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from checklists.definitions import Checklist, Table
from checklists.findings import Usage
from checklists.results import ChecklistResult, TableResult
from core.errors import BadAudio, Unavailable
from core.settings import Settings
from db import calls, definitions, deliveries, endpoints, keys, results
from db.engine import Database
from tasks import lease as leases
from tasks.publish import Judgement, _end_with_event, publish_failure, publish_results, save
from tasks.runtime import Runtime

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SERVER = (b"server",)
STAGE = {"id": "greeting", "name": "Приветствие", "criteria": [{"id": "hello", "ask": "Поздоровался?"}]}


def sales(name: str) -> Checklist:
    return Checklist.model_validate({"id": "sales", "name": name, "stages": [STAGE]})


TABLE = Table.model_validate({"id": "TBL_1", "name": "Сделка", "fields": [{"name": "city"}]})


@pytest.fixture
def runtime(database: Database, settings: Settings) -> Runtime:
    url = database.engine.url.render_as_string(hide_password=False)
    made = Runtime(settings.model_copy(update={"database_url": url}))
    with made.database.begin() as session:
        for definition in (sales("Первая"), sales("Вторая"), TABLE):
            definitions.apply(session, definition, "test", AT)
        for kind, name in (("checklist", "sales"), ("table", "TBL_1")):
            endpoints.set_url(session, SERVER, definitions.as_kind(kind), name, "https://crm.test/", AT)
        calls.accept(session, calls.NewCall("call-1", "m", "d", "s", "https://crm.test/a.mp3", key_id=None), AT)
    return made


def judged() -> list[Judgement]:
    common: dict[str, Any] = {"call_id": "call-1", "usage": Usage(engine="rules"), "timestamp": AT}
    named = {"checklist_id": "sales", "checklist_name": "Вторая", "checklist_version": sales("Вторая").version}
    scores = ChecklistResult(**common, **named, total_score=0, max_score=0, completion_percentage=0.0, stages=())
    values = TableResult(**common, table_id="TBL_1", table_name="Сделка", table_version=TABLE.version, fields=(), processing_time=1.0)
    return [
        Judgement("checklist", "sales", sales("Вторая").version, scores.model_dump(mode="json")),
        Judgement("table", "TBL_1", TABLE.version, values.model_dump(mode="json")),
    ]


def bodies(runtime: Runtime) -> dict[str, dict[str, Any]]:
    with runtime.database.read() as session:
        return {one.delivery.event: json.loads(one.delivery.body) for one in deliveries.log(session)}


def test_a_webhook_tells_which_version_of_the_history_it_is(runtime: Runtime) -> None:
    lease = leases.claim(runtime.database, runtime.settings, "call-1", "run-1")
    publish_results(runtime, lease, judged())
    sent = bodies(runtime)
    assert sent["checklist.completed"]["checklist_version"] == sales("Вторая").version
    assert sent["checklist.completed"]["checklist_version_number"] == 2
    assert sent["table.completed"]["table_version_number"] == 1


@pytest.mark.parametrize("address", [True, False])
def test_a_call_that_ends_without_results_tells_the_key_s_own_address(runtime: Runtime, address: bool) -> None:
    with runtime.database.begin() as session:
        key = keys.create(session, SERVER, "CRM", AT)
        successor = keys.rotate(session, SERVER, key.key_id, AT, timedelta(hours=1))
        if address:
            endpoints.set_url(session, SERVER, "key", key.key_id, "https://crm.test/events", AT)
        for call_id in ("broken", "silent"):
            calls.accept(session, calls.NewCall(call_id, "m", "d", "s", "https://crm.test/a.mp3", successor.key_id), AT)
    publish_failure(runtime, leases.claim(runtime.database, runtime.settings, "broken", "run-1"), BadAudio())
    _end_with_event(runtime, leases.claim(runtime.database, runtime.settings, "silent", "run-2"), "no_speech", None)
    sent = bodies(runtime)
    assert sent.keys() == ({"call.failed", "call.no_speech"} if address else set())
    if address:
        assert sent["call.failed"]["error"] == {"code": "not_audio", "detail": BadAudio().text()}
        assert sent["call.no_speech"]["status"] == "no_speech"


def test_one_failed_judgement_does_not_hold_back_the_other(runtime: Runtime) -> None:
    lease = leases.claim(runtime.database, runtime.settings, "call-1", "run-1")
    broken, table = judged()
    publish_results(runtime, lease, [Judgement("checklist", "sales", broken.version, error=Unavailable()), table])
    assert bodies(runtime).keys() == {"table.completed"}
    with runtime.database.read() as session:
        assert calls.get(session, "call-1").status == "done"


def test_a_call_that_is_judged_anew_while_it_ends_still_ends(runtime: Runtime) -> None:
    lease = leases.claim(runtime.database, runtime.settings, "call-1", "run-1")
    with ThreadPoolExecutor(1) as pool:
        with runtime.database.begin() as session:
            for one in judged():
                save(session, runtime, calls.get(session, "call-1"), one, AT)
            ending = pool.submit(publish_results, runtime, lease, judged())
            wait([ending], timeout=0.5)
        ending.result()
    with runtime.database.read() as session:
        assert calls.get(session, "call-1").status == "done"
        assert [row.revision for row in results.current(session, "call-1", "checklist")] == [2]
