"""«Пересчёт звонков»: the number first, then the flow, then how far it is."""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from bench._house import CHECKLIST, House
from core import clock
from core.settings import Settings
from db import users
from tests.pages.conftest import SITE, Visit
from tests.peers.prefect_peer import PrefectPeer

PAGE = "/settings/rescoring"


def day(ago: int) -> str:
    """As the page counts days: at this hour it may be tomorrow there."""
    return (clock.now().astimezone(ZoneInfo(Settings().time_zone)) - timedelta(days=ago)).date().isoformat()


@pytest.fixture
def calls(house: House) -> House:
    for ago in (1, 3, 30):
        house.call(f"c{ago}", at=clock.now() - timedelta(days=ago))
    house.fail("failed")
    return house


def test_the_number_is_shown_before_anything_begins(visit: Visit, calls: House) -> None:
    head = visit("head")
    assert PAGE in head.get("/settings/checklists").text
    assert "Начать пересчёт" not in head.get(PAGE).text
    page = head.get(PAGE, params={"since": day(5), "webhooks": "yes"}).text
    assert "Будет пересчитано: 2\u00a0звонка" in page
    assert "Новые результаты уйдут в CRM." in page
    assert "В CRM ничего не отправится." in head.get(PAGE, params={"since": day(5)}).text
    assert "нет ни одного готового звонка" in head.get(PAGE, params={"since": day(0)}).text
    assert head.get(PAGE, params={"since": "вчера"}).status_code == 400


def test_the_flow_is_asked_and_watched(calls: House) -> None:
    with PrefectPeer() as prefect:
        head = visitor(calls, prefect.url)
        since = day(5)
        sent = {"since": since, "checklist": CHECKLIST, "webhooks": "no"}
        answer = head.post(PAGE, data=sent)
        page = head.get(answer.headers["location"]).text
        assert "Пересчёт начат." in page
        parameters = prefect.bodies[-1]["parameters"]
        assert parameters == {"since": f"{since}T00:00:00+03:00", "checklist_id": CHECKLIST, "webhooks": False}
        assert "ждёт очереди" in page
        assert "every 3s" in page
        prefect.state, prefect.percent = "RUNNING", 50.0
        part = head.get(f"{PAGE}/history", headers={"hx-request": "true"}).text
        assert re.search(r'<progress[^>]*value="50.0"', part)
        assert "осталось около" in part
        prefect.state = "COMPLETED"
        part = head.get(f"{PAGE}/history").text
        assert "завершён" in part
        assert "every 3s" not in part
        assert "начат пересчёт звонков" in visitor(calls, prefect.url, "admin").get("/settings/audit").text


def test_what_cannot_be_started_changes_nothing(visit: Visit, calls: House) -> None:
    head = visit("head")
    answer = head.post(PAGE, data={"since": day(5)})
    assert "пересчёт не начат" in head.get(answer.headers["location"]).text
    assert "Пересчётов ещё не было" in head.get(PAGE).text
    assert head.post(PAGE, data={"since": day(0)}).status_code == 400
    assert head.post(PAGE, data={"since": day(5), "checklist": "none"}).status_code == 404


def visitor(house: House, prefect_url: str, role: str = "head") -> TestClient:
    """A browser of a house whose Prefect answers."""
    settings = Settings(**house.settings.model_dump() | {"prefect_api_url": prefect_url})
    client = TestClient(create_app(settings, house.database), base_url=SITE, headers={"origin": SITE}, follow_redirects=False)
    with house.database.begin() as session:
        client.cookies.set("rop_session", users.open_session(session, house.people[role].user_id, clock.now(), timedelta(days=1)))
    return client
