"""Synchronising offices and managers over HTTP."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from core import clock
from db import directory
from db.models import Manager, Office
from tests.api.conftest import Api

OFFICE = {
    "office_title": "Офис продаж Центр",
    "office_id": "office_001",
    "leader_ids": ["leader_123", "leader_456"],
    "managers_ids": ["manager_789", "manager_012"],
}
MANAGER = {"manager_id": "manager_789", "name": "Иван", "surname": "Иванов", "middlename": "Иванович"}


def members(api: Api) -> dict[str, list[str]]:
    with api.database.read() as session:
        ids = session.scalars(select(Manager.manager_id)).all()
        return {one: directory.offices_at(session, one, clock.now()) for one in ids}


def test_the_document_s_examples(both: Api) -> None:
    first = both.post("/settings/offices-update", {"offices": [OFFICE]})
    assert (first.status_code, first.json()) == (200, {"status": "ok", "created": 1, "updated": 0, "unchanged": 0})
    again = both.post("/settings/offices-update", {"offices": [OFFICE]})
    assert again.json() == {"status": "ok", "created": 0, "updated": 0, "unchanged": 1}
    named = both.post("/settings/managers-update", {"managers": [MANAGER]})
    assert named.json() == {"status": "ok", "created": 0, "updated": 1, "unchanged": 0}
    assert members(both) == {one: ["office_001"] for one in ("leader_123", "leader_456", "manager_012", "manager_789")}


def test_a_full_sync_says_what_it_closed(api: Api) -> None:
    api.post("/settings/offices-update", {"offices": [OFFICE, OFFICE | {"office_id": "office_002"}]})
    answer = api.post("/settings/offices-update", {"offices": [OFFICE], "mode": "full"})
    assert answer.json() == {"status": "ok", "created": 0, "updated": 0, "unchanged": 1, "deactivated": 1}
    assert api.post("/settings/managers-update", {"managers": [MANAGER], "mode": "full"}).json()["deactivated"] == 3


def test_lists_in_forms(api: Api) -> None:
    path, params = "/api/v1/settings/offices-update", {"apiKey": api.key}
    as_json = api.client.post(path, params=params, data={"offices": json.dumps([OFFICE])})
    assert as_json.json()["created"] == 1
    brackets = {
        "offices[0][office_title]": "Север",
        "offices[0][office_id]": "office_002",
        "offices[0][managers_ids][0]": "m1",
        "offices[0][managers_ids][1]": "m2",
    }
    assert api.client.post(path, params=params, data=brackets).json()["created"] == 1
    multipart = {"managers": (None, json.dumps([MANAGER]))}
    assert api.client.post("/api/v1/settings/managers-update", params=params, files=multipart).json()["updated"] == 1
    assert members(api)["m2"] == ["office_002"]
    repeated = {"offices": [json.dumps(OFFICE), json.dumps(OFFICE | {"office_id": "office_003"})], "offices*": "x"}
    assert api.client.post(path, params=params, data=repeated).json() == {"status": "ok", "created": 1, "updated": 0, "unchanged": 1}


def test_all_or_nothing(api: Api) -> None:
    answer = api.post("/settings/offices-update", {"offices": [OFFICE, {"office_title": "", "leader_ids": "x"}]})
    assert answer.status_code == 400
    assert answer.json()["fields"].keys() == {"offices[1].office_title", "offices[1].office_id", "offices[1].leader_ids"}
    with api.database.read() as session:
        assert session.scalars(select(Office)).all() == []


def test_the_same_id_twice_is_a_mistake(api: Api) -> None:
    answer = api.post("/settings/offices-update", {"offices": [OFFICE, OFFICE]})
    assert (answer.status_code, answer.json()["fields"]) == (400, {"offices": "повторяется office_id: office_001"})
    answer = api.post("/settings/managers-update", {"managers": [MANAGER, MANAGER]})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["managers"])


def test_an_empty_list_cannot_close_everything(api: Api) -> None:
    api.post("/settings/offices-update", {"offices": [OFFICE]})
    for body in ({"mode": "full"}, {"offices": [], "mode": "full"}):
        assert api.post("/settings/offices-update", body).status_code == 400
    assert members(api)["manager_789"] == ["office_001"]


def test_wrong_shapes(api: Api) -> None:
    offices: tuple[Any, ...] = ("x", {}, [1], None)
    for body in (*({"offices": one} for one in offices), {"offices": [OFFICE], "mode": "all"}):
        assert api.post("/settings/offices-update", body).status_code == 400
    for manager in ({"manager_id": "m"}, MANAGER | {"name": "a\x00"}, MANAGER | {"surname": "x" * 201}):
        assert api.post("/settings/managers-update", {"managers": [manager]}).status_code == 400
