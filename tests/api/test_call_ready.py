"""Polling for a table's results: with a key, without one, before and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checklists.definitions import Table
from checklists.findings import Usage
from checklists.results import FieldResult, TableResult
from core import clock
from core.errors import BadAudio
from db import calls, definitions
from tests.api.conftest import Api, build

TABLE = Table.model_validate({"id": "TBL_1", "name": "Сделка", "fields": [{"name": "budget"}, {"name": "city"}]})
DATA = {"budget": "100 000", "city": None}
PATH = "/api/v1/tables/call-ready"


def prepare(api: Api) -> Api:
    with api.database.begin() as session:
        definitions.apply(session, TABLE, "test", clock.now())
    api.upload()
    return api


def finish(api: Api) -> None:
    fields = tuple(FieldResult(name=name, value=value) for name, value in DATA.items())
    values: dict[str, Any] = {"call_id": "call_1", "table_id": "TBL_1", "table_name": "Сделка", "table_version": TABLE.version}
    result = TableResult(**values, fields=fields, usage=Usage(engine="rules"), processing_time=1.0, timestamp=clock.now())
    api.result("call_1", "table", "TBL_1", result.model_dump(mode="json"))
    api.end("call_1", "done")


def anonymous(api: Api, tab: str = "TBL_1", call: str = "call_1") -> Any:
    return api.client.get(PATH, params={"tab": tab, "call": call})


@pytest.fixture
def ready(both: Api) -> Api:
    return prepare(both)


def test_a_call_on_its_way(ready: Api) -> None:
    assert ready.get("/tables/call-ready", tab="TBL_1", call="call_1").json() == {"ready": False, "status": "queued"}
    with ready.database.begin() as session:
        calls.claim(session, "call_1", "run", clock.now(), 60)
    assert ready.get("/tables/call-ready", tab="TBL_1", call="call_1").json() == {"ready": False, "status": "processing"}


def test_a_finished_table(ready: Api) -> None:
    finish(ready)
    answer = ready.get("/tables/call-ready", tab="TBL_1", call="call_1")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "data": DATA})
    assert ready.get("/tables/call-ready", table_id="TBL_1", call_id="call_1").json() == answer.json()


def test_a_failed_call_says_why(ready: Api) -> None:
    ready.end("call_1", "failed", BadAudio())
    answer = ready.get("/tables/call-ready", tab="TBL_1", call="call_1")
    detail = "Файл не является аудио MP3, WAV или OGG."
    assert answer.json() == {"ready": False, "status": "failed", "error": {"code": "not_audio", "detail": detail}}


def test_a_failed_table_of_a_finished_call_says_why(ready: Api) -> None:
    texts = {"code": "llm_down", "ru": "Модель недоступна.", "en": "The model is down."}
    ready.result("call_1", "table", "TBL_1", texts, status="failed")
    ready.end("call_1", "done")
    english = ready.client.get(PATH, params={"tab": "TBL_1", "call": "call_1", "apiKey": ready.key}, headers={"Accept-Language": "en"})
    assert english.json() == {"ready": False, "status": "failed", "error": {"code": "llm_down", "detail": "The model is down."}}


def test_a_call_without_speech(ready: Api) -> None:
    ready.end("call_1", "no_speech")
    assert ready.get("/tables/call-ready", tab="TBL_1", call="call_1").json() == {"ready": False, "status": "no_speech"}


def test_unknown_things_are_404_with_a_key(ready: Api) -> None:
    finish(ready)
    assert ready.get("/tables/call-ready", tab="none", call="call_1").json()["code"] == "table_not_found"
    assert ready.get("/tables/call-ready", tab="TBL_1", call="none").status_code == 404


def test_a_table_that_was_not_applied_never_becomes_ready(ready: Api) -> None:
    ready.end("call_1", "done")
    answer = ready.get("/tables/call-ready", tab="TBL_1", call="call_1")
    assert (answer.status_code, answer.json()["code"]) == (404, "table_not_applied")


def test_without_a_key_only_readiness(ready: Api) -> None:
    assert anonymous(ready).json() == {"ready": False}
    assert anonymous(ready, "none", "none").json() == {"ready": False}
    finish(ready)
    assert (anonymous(ready).status_code, anonymous(ready).json()) == (200, {"ready": True})
    assert ready.client.get(PATH, params={"tab": "TBL_1", "call": "call_1", "apiKey": ""}).json() == {"ready": True}


def test_a_wrong_key_is_401_even_where_none_is_needed(ready: Api) -> None:
    assert ready.client.get(PATH, params={"tab": "TBL_1", "call": "call_1", "apiKey": "wrong"}).status_code == 401


def test_parameters_are_named(api: Api) -> None:
    answer = api.client.get(PATH)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["tab", "call"])
    assert api.get("/tables/call-ready", tab="a" * 129, call="b").json()["fields"].keys() == {"tab"}


def mode(tmp_path: Path, auth: str) -> Iterator[Api]:
    for api in build(tmp_path, call_ready_auth=auth):
        finish(prepare(api))
        yield api


def test_open_mode_shows_data_to_everybody(tmp_path: Path) -> None:
    for api in mode(tmp_path, "open"):
        assert anonymous(api).json() == {"ready": True, "data": DATA}
        assert anonymous(api, "none").status_code == 404
        assert api.client.get(PATH, params={"tab": "TBL_1", "call": "call_1", "apiKey": "wrong"}).status_code == 401


def test_required_mode_shows_nothing_without_a_key(tmp_path: Path) -> None:
    for api in mode(tmp_path, "required"):
        assert anonymous(api).status_code == 401
        assert api.get("/tables/call-ready", tab="TBL_1", call="call_1").json()["ready"] is True
