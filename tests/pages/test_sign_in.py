"""Who comes in, and what keeps others out: sessions, links, throttle, forms of other sites, headers."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from fastapi.testclient import TestClient
from sqlalchemy import select

from api.app import create_app
from bench import _house as houses
from bench._house import PASSWORD, House
from core import clock
from core.secrets import server_secret
from db import keys, users
from db.models import Audit
from tests.pages.conftest import SITE, Visit

LOGIN = {"login": "head", "password": PASSWORD}


def test_a_stranger_is_led_to_the_sign_in_and_back_to_the_wanted_page(visit: Visit) -> None:
    client = visit(None)
    answer = client.get("/calls?status=failed")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fcalls%3Fstatus%3Dfailed")
    assert client.post("/sign-in", data=LOGIN | {"next": "/calls?status=failed"}).headers["location"] == "/calls?status=failed"
    assert client.get("/calls").status_code == 200


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nX: y", "x"])
def test_the_way_back_never_leaves_the_site(visit: Visit, wanted: str) -> None:
    assert visit(None).post("/sign-in", data=LOGIN | {"next": wanted}).headers["location"] == "/"


@pytest.mark.parametrize("given", [{"login": "head", "password": "wrong password"}, {"login": "nobody", "password": PASSWORD}, {}])
def test_a_wrong_login_and_a_wrong_password_get_the_same_answer(visit: Visit, given: dict[str, str]) -> None:
    answer = visit(None).post("/sign-in", data=given)
    assert answer.status_code == 401
    assert "Неверный логин или пароль." in answer.text
    assert "set-cookie" not in answer.headers


def test_the_cookie_is_ours_alone(visit: Visit, house: House) -> None:
    cookie = visit(None).post("/sign-in", data=LOGIN).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    https = TestClient(create_app(house.settings, house.database), base_url="https://testserver", headers={"origin": "https://testserver"})
    assert "Secure" in https.post("/sign-in", data=LOGIN, follow_redirects=False).headers["set-cookie"]


def test_guessing_is_slowed_down(tmp_path: Path) -> None:
    house = houses.build(tmp_path, sign_in_limit=3)
    house.furnish()
    client = TestClient(create_app(house.settings, house.database), base_url=SITE, headers={"origin": SITE})
    codes = [client.post("/sign-in", data={"login": "head", "password": "x"}).status_code for _ in range(5)]
    assert codes == [401, 401, 401, 429, 429]
    assert client.post("/sign-in", data=LOGIN).status_code == 429
    with time_machine.travel(clock.now() + timedelta(seconds=61)):
        assert client.post("/sign-in", data=LOGIN, follow_redirects=False).status_code == 303


def test_a_session_ends_by_itself_by_signing_out_and_by_a_new_password(visit: Visit, house: House) -> None:
    first, second, third = visit("head"), visit("head"), visit("head")
    assert first.post("/sign-out").headers["location"] == "/sign-in"
    assert first.get("/").status_code == 303
    change = {"old": PASSWORD, "password": "another long one", "repeat": "another long one"}
    assert second.post("/account/password", data=change).headers["location"] == "/account"
    assert second.get("/").status_code == 200
    assert third.get("/").status_code == 303
    with time_machine.travel(clock.now() + timedelta(seconds=house.settings.session_seconds)):
        assert second.get("/").status_code == 303


def test_the_old_password_is_needed_for_a_new_one(visit: Visit) -> None:
    client = visit("head")
    client.post("/account/password", data={"old": "wrong password", "password": "another long one", "repeat": "another long one"})
    assert "Прежний пароль неверен." in client.get("/account").text


def test_a_one_time_link_works_once(visit: Visit, house: House) -> None:
    page = visit("admin").post("/settings/people", data={"login": "new", "role": "analyst", "name": "Новая"}).text
    link = re.search(r"/welcome\?token=([\w-]+)", page)
    assert link is not None
    guest = visit(None)
    assert "new" in guest.get(link[0]).text
    chosen = {"token": link[1], "password": "a fine password", "repeat": "a fine passwort"}
    assert guest.post("/welcome", data=chosen).status_code == 400
    assert guest.post("/welcome", data=chosen | {"repeat": "a fine password"}).headers["location"] == "/"
    assert guest.get("/calls").status_code == 200
    assert visit(None).get(link[0]).status_code == 410
    assert visit(None).post("/welcome", data=chosen | {"repeat": "a fine password"}).status_code == 410


def test_a_link_is_no_session_and_a_session_is_no_link(visit: Visit, house: House) -> None:
    with house.database.begin() as session:
        link = users.open_session(session, house.people["head"].user_id, clock.now(), timedelta(days=1), "invite")
        cookie = users.open_session(session, house.people["head"].user_id, clock.now(), timedelta(days=1))
    client = visit(None)
    client.cookies.set("rop_session", link)
    assert client.get("/").status_code == 303
    assert client.get(f"/welcome?token={cookie}").status_code == 410


def test_the_database_holds_no_token_and_no_password(visit: Visit, house: House) -> None:
    client = visit("head")
    token = client.cookies["rop_session"]
    stored = b"".join(path.read_bytes() for path in house.settings.root.glob("rop.sqlite*"))
    assert token.encode() not in stored
    assert PASSWORD.encode() not in stored


def test_keys_open_no_pages_and_sessions_open_no_api(visit: Visit, house: House) -> None:
    with house.database.begin() as session:
        key = keys.create(session, server_secret(house.settings), "crm", clock.now()).plain
    assert visit(None).get("/calls", params={"apiKey": key}, headers={"x-api-key": key}).status_code == 303
    assert visit("admin").get("/api/v1/calls/x").status_code == 401


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"sec-fetch-site": "none"}, 303),
        ({"sec-fetch-site": "cross-site", "origin": SITE}, 403),
        ({"sec-fetch-site": "same-site", "origin": SITE}, 403),
        ({"origin": SITE}, 303),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://testserver.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_form_of_another_site_is_refused(visit: Visit, headers: dict[str, str], code: int) -> None:
    client = visit("head")
    client.headers.pop("origin")
    assert client.post("/theme", data={"theme": "dark"}, headers=headers).status_code == code


@pytest.mark.parametrize("path", ["/sign-in", "/", "/calls", "/nothing-here", "/assets/app.css"])
def test_every_page_tells_the_browser_to_run_nothing_foreign(visit: Visit, path: str) -> None:
    headers = visit("admin").get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")


def test_pages_are_never_kept_and_assets_for_good(visit: Visit) -> None:
    client = visit("admin")
    page = client.get("/")
    assert page.headers["cache-control"] == "private, no-store"
    asset = re.search(r"/assets/app\.css\?v=\w+", page.text)
    assert asset is not None
    assert "immutable" in client.get(asset[0]).headers["cache-control"]


def test_no_page_holds_a_script_or_a_style_of_its_own(visit: Visit, house: House) -> None:
    house.call("c1")
    client = visit("admin")
    for path in ("/", "/calls", "/calls/c1", "/managers", "/settings/checklists/sales", "/settings/connection", "/settings/people"):
        html = client.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", html)
        assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:", html)


def test_sign_ins_are_in_the_audit(visit: Visit, house: House) -> None:
    visit(None).post("/sign-in", data=LOGIN)
    with house.database.read() as session:
        assert ("head", "user.signed_in") in session.execute(select(Audit.actor, Audit.action)).tuples().all()


def test_an_unknown_page_is_a_page_and_an_unknown_api_path_a_problem(visit: Visit) -> None:
    client = visit("admin")
    page = client.get("/nothing-here")
    assert (page.status_code, "Такой страницы нет" in page.text) == (404, True)
    problem = client.get("/api/v1/nothing-here")
    assert (problem.status_code, problem.headers["content-type"]) == (404, "application/problem+json")
    assert client.get("/api/v1/calls/audio-upload").status_code in (401, 405)
    assert client.post("/healthz").headers["content-type"] == "application/problem+json"


def test_language_and_theme_are_kept_in_the_browser(visit: Visit) -> None:
    client = visit("head")
    client.post("/language", data={"language": "en", "next": "/calls"})
    client.post("/theme", data={"theme": "dark"})
    page = client.get("/calls").text
    assert '<html lang="en" data-theme="dark">' in page
    assert "Managers" in page
    assert not re.search(r"[а-яё]{4}", re.sub(r"Русский|<option[^>]*>[^<]*</option>|class=\"name\"[^<]*<", "", page))
