"""Roles: what each may see and do, and that a manager learns nothing of other people's calls."""

from __future__ import annotations

import pytest

from bench._house import CHECKLIST, House, tone
from tests.pages.conftest import Visit

READ = ("/", "/calls", "/calls/mine", "/calls/mine/receipt", "/account")
STAFF = ("/managers", "/managers/mgr_001", "/offices", "/settings/checklists", "/settings/tables", "/settings/connection", "/calls.csv")
EDITORS = ("/settings/checklists/new", "/settings/rescoring", "/settings/rescoring/history")
INSPECTORS = ("/settings/quality",)
ADMIN = ("/settings/people", "/settings/audit")
MARK = {"checklist": CHECKLIST, "stage": "price", "score": "1", "reason": "прозвучало"}
ALLOWED = {
    "admin": READ + STAFF + EDITORS + INSPECTORS + ADMIN,
    "head": READ + STAFF + EDITORS,
    "analyst": READ + STAFF + INSPECTORS,
    "manager": READ,
}
POSTS = {
    "/calls/mine/mark": ("admin", "head"),
    "/calls/mine/unmark": ("admin", "head"),
    "/calls/mine/appeal": ("manager",),
    "/calls/mine/answer": ("admin", "head"),
    "/calls/mine/rescore": ("admin", "head"),
    "/calls/mine/swap": ("admin", "head"),
    "/calls/mine/replay": ("admin", "head"),
    "/calls/theirs/delete": ("admin",),
    "/settings/checklists/draft": ("admin", "head"),
    "/settings/checklists/check": ("admin", "head"),
    "/settings/checklists/sales/switch": ("admin", "head"),
    "/settings/checklists/sales/activate": ("admin", "head"),
    "/settings/checklists/sales/webhook": ("admin", "head"),
    "/settings/checklists/sales/webhook/reveal": ("admin", "head"),
    "/settings/checklists/sales/webhook/rotate": ("admin", "head"),
    "/settings/checklists/sales/webhook/test": ("admin", "head"),
    "/settings/checklists/sales/webhook/enable": ("admin", "head"),
    "/settings/deliveries/replay": ("admin", "head"),
    "/settings/deliveries/x/replay": ("admin", "head"),
    "/settings/self-test": ("admin", "head"),
    "/settings/rescoring": ("admin", "head"),
    "/settings/keys": ("admin",),
    "/settings/keys/x/rotate": ("admin",),
    "/settings/keys/x/revoke": ("admin",),
    "/settings/people": ("admin",),
    "/settings/people/x/role": ("admin",),
    "/settings/people/x/invite": ("admin",),
    "/settings/people/x/disable": ("admin",),
    "/settings/people/x/enable": ("admin",),
}
ROLES = ("admin", "head", "analyst", "manager")


def test_a_role_opens_its_own_pages_and_no_others(visit: Visit, house: House) -> None:
    house.call("mine")
    for role in ROLES:
        client = visit(role)
        for path in ALLOWED["admin"]:
            assert client.get(path).status_code == (200 if path in ALLOWED[role] else 403), (path, role)


def test_a_change_needs_its_right(visit: Visit, house: House) -> None:
    house.call("mine")
    house.call("theirs")
    people = {role: visit(role) for role in ROLES}
    stranger = visit(None)
    for path, allowed in POSTS.items():
        sent = MARK if path.endswith(("mark", "appeal")) else {}
        for role in ROLES:
            assert (people[role].post(path, data=sent).status_code == 403) == (role not in allowed), (path, role)
        assert stranger.post(path, data=sent).headers["location"].startswith("/sign-in")


def test_for_a_manager_the_calls_of_others_do_not_exist(visit: Visit, house: House, tmp_path_factory: pytest.TempPathFactory) -> None:
    sound = tone(tmp_path_factory.mktemp("sound") / "a.wav", 2)
    house.call("mine", "mgr_001", sound=sound)
    house.call("theirs", "mgr_002", sound=sound)
    client = visit("manager")
    listed = client.get("/calls").text
    assert "/calls/mine" in listed
    assert "theirs" not in listed
    assert "/calls/theirs" not in client.get("/calls?manager=mgr_002&q=theirs").text
    for path in ("", "/audio", "/receipt", "/state"):
        assert client.get(f"/calls/mine{path}").status_code == 200, path
        assert client.get(f"/calls/theirs{path}").status_code == 404, path
    assert client.post("/calls/theirs/appeal", data=MARK).status_code == 404


def test_a_manager_without_calls_sees_an_empty_house(visit: Visit, house: House) -> None:
    house.call("theirs", "mgr_002")
    client = visit("manager")
    assert "Звонков ещё нет" in client.get("/calls").text
    assert "Звонков ещё нет" in client.get("/").text


def test_a_person_whose_sign_in_is_closed_is_out_at_once(visit: Visit, house: House) -> None:
    head, admin = visit("head"), visit("admin")
    admin.post(f"/settings/people/{house.people['head'].user_id}/disable")
    assert head.get("/").status_code == 303
    assert "Вход для head закрыт." in admin.get("/settings/people").text


def test_a_changed_role_counts_at_the_next_request(visit: Visit, house: House) -> None:
    head, admin = visit("head"), visit("admin")
    admin.post(f"/settings/people/{house.people['head'].user_id}/role", data={"role": "manager", "manager": "mgr_002"})
    assert head.get("/managers").status_code == 403
