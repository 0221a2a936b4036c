"""A draft on stored calls through the API: asked for, judged as real calls are, and told in figures."""

from __future__ import annotations

import pytest

from bench._house import CHECKLIST, STAGES, House
from checklists import loader
from checklists.definitions import Checklist
from db import trials
from tasks.runtime import Runtime
from tasks.trial import run_trial
from tests.api.conftest import Api

SALES = next(d for d in loader.builtin() if isinstance(d, Checklist) and d.id == CHECKLIST)


@pytest.fixture
def house(api: Api) -> House:
    """What stands behind the API, with definitions and staff."""
    house = House(api.settings, api.database)
    house.furnish()
    return house


def draft() -> str:
    """The built-in checklist without its last stage."""
    content = SALES.content
    content["stages"] = [s for s in content["stages"] if s["id"] != "goodbye"]
    return loader.dump(Checklist.model_validate(content))


def test_what_would_change_is_told(api: Api, house: House) -> None:
    for number in range(3):
        house.call(f"call_{number}", passed=STAGES if number else STAGES[:4])
    assert api.post("/trials", {"definition": draft(), "last": 2}).status_code == 503  # no Prefect answers here
    with api.database.read() as session:
        (row,) = trials.recent(session, "checklist", CHECKLIST, 5)
    failed = api.get(f"/trials/{row.trial_id}").json()
    assert (failed["status"], failed["asked"], failed["judged"]) == ("failed", 2, 0)
    assert failed["problem"]

    run_trial(Runtime(api.settings), row.trial_id)
    told = api.get(f"/trials/{row.trial_id}").json()
    assert (told["status"], told["judged"], told["worse"]) == ("done", 2, 0)
    assert {one["call_id"] for one in told["calls"]} == {"call_1", "call_2"}
    assert {"id": "goodbye", "name": "Вежливое прощание", "gained": 0, "lost": 2, "other": 0} in told["changes"]


def test_a_broken_draft_names_its_line(api: Api, house: House) -> None:
    house.call("call_1")
    answer = api.post("/trials", {"definition": draft().replace("weight", "wieght") + "wieght: 1\n"})
    assert answer.status_code == 400
    assert "строка" in answer.json()["detail"]


def test_without_calls_there_is_nothing_to_try_on(api: Api, house: House) -> None:
    assert api.post("/trials", {"definition": draft()}).status_code == 400


def test_an_unknown_trial_and_no_key(api: Api) -> None:
    assert api.get("/trials/trial_0").status_code == 404
    assert api.client.get("/api/v1/trials/trial_0").status_code == 401
