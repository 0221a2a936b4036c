"""«Подключение»: keys, the delivery log, the self-test, what is open and what is limited."""

from __future__ import annotations

import re

from bench._house import House
from core import clock
from core.secrets import server_secret
from db import deliveries, keys
from tests.pages.conftest import Visit

PAGE = "/settings/connection"


def made_key(page: str) -> str:
    found = re.search(r"rop_\w{49}", page)
    assert found is not None
    return found[0]


def test_a_key_is_made_shown_once_and_opens_the_api(visit: Visit, house: House) -> None:
    admin = visit("admin")
    key = made_key(
        admin.post("/settings/keys", data={"label": "Битрикс24", "days": "30", "manager_channel": "left", "direction": "x"}).text
    )
    page = admin.get(PAGE).text
    assert key not in page
    assert f"rop_…{key[-4:]}" in page
    with house.database.read() as session:
        row = keys.find(session, server_secret(house.settings), key, clock.now())
    assert row is not None
    assert row.defaults == {"manager_channel": "left"}
    assert row.expires_at is not None
    assert visit(None).get("/api/v1/calls/x", params={"apiKey": key}).status_code == 404


def test_a_key_is_replaced_with_an_overlap_and_revoked_at_once(visit: Visit, house: House) -> None:
    admin, crm = visit("admin"), visit(None)
    old = made_key(admin.post("/settings/keys", data={"label": "CRM"}).text)
    with house.database.read() as session:
        (row,) = keys.listed(session)
    fresh = made_key(admin.post(f"/settings/keys/{row.key_id}/rotate").text)
    assert [crm.get("/api/v1/calls/x", params={"apiKey": key}).status_code for key in (old, fresh)] == [404, 404]
    admin.post(f"/settings/keys/{row.key_id}/revoke")
    assert [crm.get("/api/v1/calls/x", params={"apiKey": key}).status_code for key in (old, fresh)] == [401, 404]
    audit = admin.get("/settings/audit").text
    assert "отозван ключ" in audit
    assert old not in audit


def test_a_key_needs_a_name(visit: Visit, house: House) -> None:
    assert visit("admin").post("/settings/keys", data={"label": "  "}).status_code == 400
    with house.database.read() as session:
        assert keys.listed(session) == []


def test_the_log_is_filtered_and_repeated_one_by_one_and_all_since(visit: Visit, house: House) -> None:
    house.webhook()
    for call_id in ("c1", "c2", "c3"):
        house.call(call_id)
    house.attempt("c1", 400, "не тот формат")
    house.attempt("c2", 400)
    house.attempt("c3", 200)
    head = visit("head")
    dead = head.get(f"{PAGE}?status=dead").text
    assert "не тот формат" in dead
    assert "/calls/c3#deliveries" not in dead
    with house.database.read() as session:
        first = deliveries.log(session, call_id="c1")[0].delivery
    head.post(f"/settings/deliveries/{first.delivery_id}/replay")
    with house.database.read() as session:
        assert deliveries.count_by_status(session) == {"pending": 1, "dead": 1, "delivered": 1}
    day = clock.now().date().isoformat()
    answer = head.post("/settings/deliveries/replay", data={"since": day})
    assert "Поставлено на повтор: 1." in head.get(answer.headers["location"]).text
    with house.database.read() as session:
        assert deliveries.count_by_status(session) == {"pending": 2, "delivered": 1}
    assert head.post("/settings/deliveries/replay", data={"since": "вчера"}).status_code == 400
    assert head.post("/settings/deliveries/nothing/replay").status_code == 404


def test_the_self_test_accepts_a_real_call_and_says_what_the_addresses_answered(visit: Visit, house: House) -> None:
    house.webhook("http://127.0.0.1:9/hook")
    head = visit("head")
    page = head.post("/settings/self-test").text
    call = re.search(r"/calls/(selftest_\w+)", page)
    assert call is not None
    assert "Следить за звонком" in page
    assert re.search(r'class="tag poor">\w+', page)
    assert head.get(f"/calls/{call[1]}").status_code == 200


def test_what_is_open_and_what_is_limited_is_said(visit: Visit) -> None:
    page = visit("analyst").get(PAGE).text
    assert "127.0.0.1/32" in page
    assert "ROP_RATE_LIMIT" in page
    assert "100,0\u00a0МиБ" in page
    assert "не отвечает: звонки принимаются" in page
