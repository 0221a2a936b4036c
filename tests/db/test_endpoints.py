"""Webhook addresses and their signing secrets."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core.errors import NotFound
from core.secrets import Unreadable
from db import deliveries, endpoints
from db.engine import Database
from db.models import EndpointSecret

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SERVER = (b"server",)


def make(database: Database, url: str = "https://crm.test/hook") -> str:
    with database.begin() as session:
        return endpoints.set_url(session, SERVER, "checklist", "sales", url, AT).endpoint_id


def secrets_at(database: Database, endpoint_id: str, at: datetime) -> list[str]:
    with database.read() as session:
        return endpoints.live_secrets(session, SERVER, endpoint_id, at)


def test_a_new_address_gets_a_standard_secret_at_once(database: Database) -> None:
    [secret] = secrets_at(database, make(database), AT)
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32


def test_the_database_never_holds_a_secret_in_the_clear(database: Database) -> None:
    endpoint_id = make(database)
    [secret] = secrets_at(database, endpoint_id, AT)
    with database.read() as session:
        [row] = session.scalars(select(EndpointSecret)).all()
        assert secret.removeprefix("whsec_") not in row.secret
        with pytest.raises(Unreadable):
            endpoints.live_secrets(session, (b"another",), endpoint_id, AT)


def test_secrets_are_sealed_anew_under_a_new_server_secret(database: Database) -> None:
    endpoint_id = make(database)
    before = secrets_at(database, endpoint_id, AT)
    with database.begin() as session:
        assert endpoints.reseal(session, (b"new", *SERVER)) == 1
    with database.read() as session:
        assert endpoints.live_secrets(session, (b"new",), endpoint_id, AT) == before
        with pytest.raises(Unreadable):
            endpoints.live_secrets(session, SERVER, endpoint_id, AT)


def test_an_owner_has_one_address_and_keeps_its_secret_when_it_moves(database: Database) -> None:
    first = make(database)
    before = secrets_at(database, first, AT)
    assert make(database, "https://crm.test/other") == first
    assert secrets_at(database, first, AT) == before
    with database.read() as session:
        assert [e.url for e in endpoints.every(session)] == ["https://crm.test/other"]
        assert endpoints.get(session, "checklist", "other") is None


def test_rotation_keeps_two_secrets_for_the_overlap(database: Database) -> None:
    endpoint_id = make(database)
    [old] = secrets_at(database, endpoint_id, AT)
    with database.begin() as session:
        new = endpoints.rotate(session, SERVER, endpoint_id, AT, DAY)
    assert secrets_at(database, endpoint_id, AT) == [new, old]
    assert secrets_at(database, endpoint_id, AT + DAY - timedelta(seconds=1)) == [new, old]
    assert secrets_at(database, endpoint_id, AT + DAY) == [new]


def test_a_second_rotation_ends_the_oldest_secret(database: Database) -> None:
    endpoint_id = make(database)
    with database.begin() as session:
        second = endpoints.rotate(session, SERVER, endpoint_id, AT, DAY)
        third = endpoints.rotate(session, SERVER, endpoint_id, AT + timedelta(hours=1), DAY)
    assert secrets_at(database, endpoint_id, AT + timedelta(hours=1)) == [third, second]


def test_an_overlap_of_nothing_ends_the_old_secret_now(database: Database) -> None:
    endpoint_id = make(database)
    with database.begin() as session:
        new = endpoints.rotate(session, SERVER, endpoint_id, AT, timedelta(0))
    assert secrets_at(database, endpoint_id, AT) == [new]


def test_a_disabled_address_is_enabled_by_hand_or_by_a_new_url(database: Database) -> None:
    endpoint_id = make(database)
    for heal in (
        lambda s: endpoints.enable(s, endpoint_id),
        lambda s: endpoints.set_url(s, SERVER, "checklist", "sales", "https://crm.test/2", AT),
    ):
        with database.begin() as session:
            endpoints.disable(session, endpoint_id, AT, "gone")
        with database.read() as session:
            row = endpoints.by_id(session, endpoint_id)
            assert (row.disabled_at, row.disabled_reason) == (AT, "gone")
        with database.begin() as session:
            heal(session)
        with database.read() as session:
            assert endpoints.by_id(session, endpoint_id).disabled_at is None


def test_saving_the_same_url_does_not_enable_a_disabled_address(database: Database) -> None:
    endpoint_id = make(database)
    with database.begin() as session:
        endpoints.disable(session, endpoint_id, AT, "gone")
    make(database)
    with database.read() as session:
        assert endpoints.by_id(session, endpoint_id).disabled_reason == "gone"


def test_a_removed_address_keeps_its_log_and_comes_back_with_another_secret(database: Database) -> None:
    endpoint_id = make(database)
    [old] = secrets_at(database, endpoint_id, AT)
    with database.begin() as session:
        endpoint = endpoints.by_id(session, endpoint_id)
        what: dict[str, Any] = {"call_id": None, "event": "test", "kind": "test", "definition_id": "x", "version": "1", "body": b"{}"}
        deliveries.enqueue(session, endpoint=endpoint, revision=1, at=AT, **what)
        endpoints.remove(session, "checklist", "sales", AT)
    with database.read() as session:
        assert endpoints.get(session, "checklist", "sales") is None
        assert endpoints.every(session) == []
        assert [one.delivery.status for one in deliveries.log(session)] == ["dead"]
        with pytest.raises(NotFound):
            endpoints.by_id(session, endpoint_id)
    assert secrets_at(database, endpoint_id, AT) == []
    assert make(database) == endpoint_id
    [new] = secrets_at(database, endpoint_id, AT)
    assert new != old


def test_unknown_addresses_are_not_found(database: Database) -> None:
    with database.begin() as session:
        endpoints.remove(session, "table", "nothing", AT)
        for act in (endpoints.by_id, endpoints.enable):
            with pytest.raises(NotFound):
                act(session, "ep_none")
        with pytest.raises(NotFound):
            endpoints.rotate(session, SERVER, "ep_none", AT, DAY)
