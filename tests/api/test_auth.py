"""The key: three places, one answer for everything that is not a live key."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core import clock
from core.secrets import server_secret
from core.settings import Settings
from db import keys
from tests.api.conftest import Api, build
from tests.peers.waiting import eventually

PATH = "/api/v1/deliveries"
WRONG = "rop_" + "0" * 49


def other_key(api: Api) -> str:
    with api.database.begin() as session:
        return keys.create(session, server_secret(api.settings), "other", clock.now()).plain


def test_three_places(api: Api) -> None:
    assert api.client.get(PATH, params={"apiKey": api.key}).status_code == 200
    assert api.client.get(PATH, headers={"X-API-Key": api.key}).status_code == 200
    assert api.client.get(PATH, headers={"Authorization": f"Bearer {api.key}"}).status_code == 200
    assert api.client.get(PATH, headers={"Authorization": f"bearer {api.key}"}).status_code == 200
    assert api.client.get(f"{PATH}?api%4Bey={api.key}").status_code == 200


def test_the_same_key_twice_is_one_key(api: Api) -> None:
    headers = {"X-API-Key": api.key, "Authorization": f"Bearer {api.key}"}
    assert api.client.get(PATH, params={"apiKey": api.key}, headers=headers).status_code == 200


def test_two_different_keys_open_nothing(api: Api) -> None:
    other = other_key(api)
    assert api.client.get(PATH, params={"apiKey": api.key}, headers={"X-API-Key": other}).status_code == 401
    assert api.client.get(PATH, headers={"X-API-Key": api.key, "Authorization": f"Bearer {other}"}).status_code == 401
    assert api.client.get(f"{PATH}?apiKey={api.key}&apiKey={other}").status_code == 401
    assert api.client.get(PATH, params={"apiKey": api.key}, headers={"X-API-Key": WRONG}).status_code == 401


@pytest.mark.parametrize("given", ["", "x", WRONG, "rop_" + "я" * 49, "' OR 1=1 --", "a" * 5000])
def test_wrong_keys(api: Api, given: str) -> None:
    answer = api.client.get(PATH, params={"apiKey": given})
    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_api_key"
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_other_schemes_are_no_key(api: Api) -> None:
    assert api.client.get(PATH, headers={"Authorization": f"Basic {api.key}"}).status_code == 401
    assert api.client.get(PATH, headers={"Authorization": api.key}).status_code == 401


def test_expired_and_revoked_keys(api: Api) -> None:
    at = clock.now()
    with api.database.begin() as session:
        expired = keys.create(session, server_secret(api.settings), "x", at, expires_at=at - timedelta(seconds=1))
        revoked = keys.create(session, server_secret(api.settings), "y", at)
        keys.revoke(session, revoked.key_id, at)
    for key in (expired, revoked):
        assert api.client.get(PATH, params={"apiKey": key.plain}).status_code == 401


def test_the_last_use_is_remembered(api: Api) -> None:
    api.get("/deliveries")
    eventually(lambda: _last_use(api), why=lambda: "nobody waits for the note, but it must come")


def _last_use(api: Api) -> datetime | None:
    with api.database.read() as session:
        return keys.get(session, api.key_id).last_used_at


def test_a_wrong_key_is_told_before_the_body_is_read(api: Api) -> None:
    answer = api.client.post("/api/v1/calls/audio-upload", content=b"x" * (5 * 1024 * 1024), headers={"Content-Type": "application/json"})
    assert answer.status_code == 401


def test_the_limit_is_a_key_s_own_and_polling_has_another(tmp_path: Path) -> None:
    assert Settings().rate_limit == 60
    for api in build(tmp_path, rate_limit=5):
        statuses = [api.get("/deliveries").status_code for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        late = api.get("/deliveries")
        assert late.json()["code"] == "rate_limited"
        assert 1 <= int(late.headers["retry-after"]) <= 60
        polls = [api.get("/tables/call-ready", tab="t", call="c").status_code for _ in range(6)]
        assert polls == [404] * 5 + [429]
        anonymous = [api.client.get("/api/v1/tables/call-ready?tab=t&call=c").status_code for _ in range(6)]
        assert anonymous == [200] * 5 + [429]
        assert api.client.get(PATH, params={"apiKey": other_key(api)}).status_code == 200
