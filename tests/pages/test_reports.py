"""«Сводка», «Менеджеры», «Офисы»: figures from a really loaded and published warehouse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from bench import _house as houses
from bench._house import PASSWORD, House
from core import clock
from tasks.load import load_pending
from tests.pages.conftest import SITE, Visit


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A month of calls, loaded and published."""
    made = houses.build(tmp_path_factory.mktemp("month"))
    made.furnish()
    made.month(calls_a_day=2)
    made.fail("bad")
    made.call("weak", "mgr_004", clock.now(), passed=["greeting"])
    assert load_pending(made.database, made.settings).published
    yield made
    made.database.dispose()


@pytest.fixture
def head(month: House) -> TestClient:
    return signed_in(month, "head")


def signed_in(house: House, role: str) -> TestClient:
    client = TestClient(create_app(house.settings, house.database), base_url=SITE, headers={"origin": SITE})
    client.post("/sign-in", data={"login": role, "password": PASSWORD})
    return client


def test_the_summary_tells_today_the_trend_the_weak_stages_and_what_to_look_at(head: TestClient) -> None:
    page = head.get("/").text
    assert re.search(r"Звонков сегодня.*?<span class=\"value\">\d", page, re.DOTALL)
    assert page.count('class="dot"') > 10
    assert "Следующий шаг" in page
    assert "/calls/weak" in page
    assert "/calls/bad" in page


def test_a_manager_sees_their_own_figures_alone(month: House) -> None:
    page = signed_in(month, "manager").get("/").text
    assert "/calls/weak" not in page
    assert "Не доставлено в CRM" not in page


def test_nobody_is_ranked_under_ten_calls_and_every_mean_has_its_interval(head: TestClient) -> None:
    page = head.get("/managers?days=30").text
    rows = re.findall(r"<tr><td class=\"number\">(.*?)</td>.*?href=\"/managers/(\w+)\?.*?since=.*?>(\d+)</a>", page, re.DOTALL)
    assert len(rows) == 5
    for place, _, calls in rows:
        assert ("мало звонков" in place) == (int(calls) < 10)
    assert page.count('class="interval"') == 5


def test_the_heat_table_leads_to_the_calls(head: TestClient) -> None:
    page = head.get("/managers").text
    cell = re.search(r'<a class="h\d" href="(/calls\?manager=[^"]+)"', page)
    assert cell is not None
    assert "/calls/call_" in head.get(cell[1].replace("&amp;", "&")).text


def test_an_office_leads_to_its_managers(head: TestClient) -> None:
    offices = head.get("/offices").text
    assert "Офис продаж Центр" in offices
    assert "Кузнецова Мария Олеговна" in offices
    managers = head.get("/managers?office=office_002").text
    assert set(re.findall(r'class="row" href="/managers/(\w+)', managers)) == {"mgr_004", "mgr_005"}


def test_one_manager_is_shown_beside_the_others(head: TestClient) -> None:
    page = head.get("/managers/mgr_004").text
    assert "Васильев Дмитрий" in page
    assert "О чём поговорить" in page
    assert "/calls/weak" in page
    assert head.get("/managers/nobody").status_code == 404


@pytest.mark.parametrize("query", ["?days=7", "?days=90", "?days=abc", "?checklist=nothing", "?days=30&checklist=sales&office=%27"])
def test_any_period_has_a_page(head: TestClient, query: str) -> None:
    for path in ("/", "/managers", "/managers/mgr_001", "/offices"):
        assert head.get(path + query).status_code == 200


def test_before_the_first_load_the_pages_say_so(visit: Visit, house: House) -> None:
    house.call("c1")
    client = visit("head")
    for path in ("/", "/managers", "/managers/mgr_001", "/offices"):
        answer = client.get(path)
        assert answer.status_code == 200
    assert "Отчёты ещё готовятся" in client.get("/managers").text


def test_a_published_file_is_noticed_without_a_restart(visit: Visit, house: House, tmp_path: Path) -> None:
    house.call("c1")
    client = visit("head")
    assert "Отчёты ещё готовятся" in client.get("/managers").text
    load_pending(house.database, house.settings)
    assert "Соколова Анна" in client.get("/managers").text
