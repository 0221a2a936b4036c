"""«Звонки»: filters in the address, pages, files for spreadsheets, and texts that want to be more than text."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from openpyxl import load_workbook

from api.app import create_app
from bench import _house as houses
from bench._house import CHECKLIST, PASSWORD, STAGES, TALK, House
from core import clock
from db import directory, marks
from db.directory import ManagerInput
from tests.pages.conftest import SITE, Visit

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def listed(page: str) -> list[str]:
    return re.findall(r'class="row nowrap" href="/calls/([^"?]+)"', page)


def test_the_address_holds_the_filters(visit: Visit, house: House) -> None:
    house.call("good")
    house.call("bad", "mgr_002", passed=())
    client = visit("analyst")
    assert listed(client.get("/calls?low=50").text) == ["good"]
    page = client.get("/calls?manager=mgr_002&high=10").text
    assert listed(page) == ["bad"]
    assert '<option value="mgr_002" selected>' in page
    assert "1\u00a0звонок" in page


def test_nonsense_in_the_address_filters_nothing(visit: Visit, house: House) -> None:
    house.call("one")
    nonsense = "since=31.02.2025&until=x&low=abc&high=-5&status=sold&older=~&newer=x~y&checklist="
    assert listed(visit("analyst").get(f"/calls?{nonsense}").text) == ["one"]


def test_days_are_those_of_the_company(visit: Visit, house: House) -> None:
    late = clock.now().replace(year=2025, month=6, day=19, hour=21, minute=30)
    house.call("after-midnight-in-moscow", at=late)
    client = visit("analyst")
    assert listed(client.get("/calls?since=2025-06-20&until=2025-06-20").text) == ["after-midnight-in-moscow"]
    assert listed(client.get("/calls?since=2025-06-19&until=2025-06-19").text) == []


def test_pages_lead_to_each_other(visit: Visit, house: House) -> None:
    now = clock.now()
    for number in range(53):
        house.accept(f"c{number:02}", at=now - timedelta(minutes=number))
    client = visit("analyst")
    first = client.get("/calls?status=queued").text
    assert listed(first) == [f"c{number:02}" for number in range(50)]
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = client.get(older[1].replace("&amp;", "&")).text
    assert listed(second) == ["c50", "c51", "c52"]
    newer = re.search(r'rel="prev" href="([^"]+)"', second)
    assert newer is not None
    assert listed(client.get(newer[1].replace("&amp;", "&")).text) == listed(first)


def test_an_empty_list_says_what_to_do(visit: Visit, house: House) -> None:
    client = visit("head")
    assert "Звонков ещё нет" in client.get("/calls").text
    house.call("one")
    assert "Ничего не нашлось" in client.get("/calls?q=никогданебыло").text


def test_any_id_has_a_page(visit: Visit, house: House) -> None:
    strange = "а/б?c#d%2F é&\"'<>"
    house.call(strange)
    client = visit("head")
    (link,) = listed(client.get("/calls").text)
    page = client.get(f"/calls/{link}")
    assert page.status_code == 200
    assert "&lt;&gt;" in page.text
    answer = client.post(f"/calls/{link}/mark", data={"checklist": CHECKLIST, "stage": "price", "score": "-1", "reason": "нет"})
    assert client.get(answer.headers["location"]).status_code == 200


def test_hostile_text_is_shown_as_text_everywhere(visit: Visit, house: House) -> None:
    with house.database.begin() as session:
        directory.sync_managers(session, [ManagerInput("mgr_001", EVIL, EVIL, EVIL)], clock.now())
    house.call("evil", said=(f"М: {EVIL}", *TALK[1:]), deal_id=EVIL, deal_stage_id=EVIL, passed=["greeting"])
    house.webhook("https://crm.example.ru/?x=<script>alert(3)</script>")
    house.call("evil2", said=(f"М: {EVIL}", *TALK[1:]))
    house.attempt("evil2", 500, EVIL)
    with house.database.begin() as session:
        marks.add(session, "evil", CHECKLIST, "price", 1, EVIL, "head", clock.now())
    client = visit("admin")
    client.post("/settings/keys", data={"label": EVIL})
    client.post("/settings/people", data={"login": EVIL, "name": EVIL, "role": "head"})
    client.post("/language", data={"language": EVIL, "next": EVIL})
    pages = ["/", "/calls", f"/calls?q={EVIL}", "/calls/evil", "/calls/evil2", "/calls/evil/receipt", "/settings/connection"]
    for path in [*pages, "/settings/people", "/settings/audit", "/settings/checklists/sales", "/managers/mgr_001"]:
        html = client.get(path).text
        assert "<script>alert" not in html, path
        assert "<img src=x" not in html, path
    assert "&lt;script&gt;alert(1)" in client.get("/calls/evil").text


def test_the_csv_is_what_the_list_shows_and_no_formula(visit: Visit, house: House) -> None:
    house.call("one", deal_id="=HYPERLINK(1)", passed=STAGES[:4])
    house.fail("two", manager="mgr_002")
    answer = visit("analyst").get("/calls.csv?high=60")
    assert answer.headers["content-disposition"] == 'attachment; filename="calls.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert [row["Звонок"] for row in rows] == ["one"]
    assert rows[0]["Сделка"] == "'=HYPERLINK(1)"
    assert rows[0]["Базовый скрипт продаж, %"] == "50.0"
    everything = visit("analyst").get("/calls.csv").content.decode("utf-8-sig")
    assert "Файл не является аудио" in everything


def test_the_workbook_has_real_numbers_and_times(visit: Visit, house: House) -> None:
    at = clock.now().replace(microsecond=0)
    house.call("one", at=at, deal_id="+7 900")
    sheet = load_workbook(io.BytesIO(visit("head").get("/calls.xlsx").content)).active
    assert sheet is not None
    header, row = sheet.iter_rows(values_only=True)
    values = dict(zip(header, row, strict=True))
    assert values["Базовый скрипт продаж, %"] == 100
    assert values["Сделка"] == "'+7 900"
    assert values["Время"] == at.astimezone(ZoneInfo("Europe/Moscow")).replace(tzinfo=None)


def test_an_export_is_bounded_and_remembered(tmp_path: Path) -> None:
    house = houses.build(tmp_path, export_rows=2)
    house.furnish()
    for number in range(3):
        house.accept(f"c{number}")
    client = TestClient(create_app(house.settings, house.database), base_url=SITE, headers={"origin": SITE})
    client.post("/sign-in", data={"login": "admin", "password": PASSWORD})
    assert len(client.get("/calls.csv").text.splitlines()) == 1 + 2
    assert "выгрузка" in client.get("/settings/audit").text


@pytest.mark.parametrize("path", ["/calls", "/calls?q=x", "/"])
def test_a_list_needs_no_script(visit: Visit, house: House, path: str) -> None:
    house.call("one")
    page = visit("head").get(path).text
    assert "<main" in page
    assert "<noscript>" not in page
