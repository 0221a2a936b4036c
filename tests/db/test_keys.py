"""API keys: shown once, found by their hash alone, ended on time."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from core import clock
from core.errors import NotFound
from core.secrets import Secrets
from db import keys
from db.engine import Database
from db.models import Audit

NOW = clock.now()
SECRET = (b"server secret",)


def create(database: Database, **values: object) -> keys.NewKey:
    with database.begin() as session:
        return keys.create(session, SECRET, "CRM", NOW, **values)  # type: ignore[arg-type]


def find(database: Database, plain: str, at: datetime = NOW, secret: Secrets = SECRET) -> keys.Key | None:
    with database.engine.connect() as connection:
        return keys.find(connection, secret, plain, at)


def test_a_key_is_found_by_its_plain_form_and_not_stored(database: Database) -> None:
    new = create(database, defaults={"language": "ru"})
    found = find(database, new.plain)
    assert found is not None
    assert (found.key_id, found.defaults) == (new.key_id, {"language": "ru"})
    with database.read() as session:
        row = keys.get(session, new.key_id)
    assert (row.label, row.hint) == ("CRM", f"rop_…{new.plain[-4:]}")
    assert new.plain not in str(vars(row))


def test_the_form_is_readable_and_carries_256_bits(database: Database) -> None:
    plain = {create(database).plain for _ in range(20)}
    assert len(plain) == 20
    assert all(keys.SHAPE.fullmatch(one) for one in plain)
    assert len(keys.ALPHABET) ** keys.RANDOM_CHARS >= 2**256


def test_a_key_stays_valid_while_the_server_secret_it_was_made_with_is_known(database: Database) -> None:
    old = create(database)
    both = (b"new", *SECRET)
    assert find(database, old.plain, secret=both) is not None
    with database.begin() as session:
        new = keys.create(session, both, "CRM", NOW)
        keys.revoke(session, old.key_id, NOW)
    assert find(database, new.plain, secret=(b"new",)) is not None
    assert find(database, new.plain) is None
    assert find(database, old.plain, secret=both) is None


def test_a_typo_another_server_secret_and_rubbish_open_nothing(database: Database) -> None:
    plain = create(database).plain
    typo = plain[:-1] + ("a" if plain[-1] != "a" else "b")
    assert find(database, typo) is None
    assert find(database, plain, secret=(b"another server",)) is None
    assert all(find(database, rubbish) is None for rubbish in ("", "rop_", plain + " ", plain * 100, "\x00", "ключ"))


def test_expiry_and_revocation_end_a_key(database: Database) -> None:
    expiring = create(database, expires_at=NOW + timedelta(days=1)).plain
    assert find(database, expiring, NOW + timedelta(hours=23)) is not None
    assert find(database, expiring, NOW + timedelta(days=1)) is None
    revoked = create(database)
    with database.begin() as session:
        keys.revoke(session, revoked.key_id, NOW)
        keys.revoke(session, revoked.key_id, NOW + timedelta(days=1))
    assert find(database, revoked.plain) is None
    with database.read() as session:
        assert keys.get(session, revoked.key_id).revoked_at == NOW


def test_a_rotated_key_and_its_successor_live_side_by_side(database: Database) -> None:
    old = create(database, defaults={"language": "ru"}, expires_at=NOW + timedelta(hours=30))
    with database.begin() as session:
        new = keys.rotate(session, SECRET, old.key_id, NOW, timedelta(hours=24))
        newer = keys.rotate(session, SECRET, new.key_id, NOW, timedelta(hours=48))
    soon, later = NOW + timedelta(hours=23), NOW + timedelta(hours=25)
    assert all(find(database, one.plain, soon) for one in (old, new, newer))
    assert find(database, old.plain, later) is None
    assert find(database, new.plain, later)
    assert {keys.integration(one.key_id) for one in (old, new, newer)} == {old.key_id}
    assert len({old.key_id, new.key_id, newer.key_id}) == 3
    found = find(database, newer.plain)
    assert found is not None
    assert (found.defaults, found.expires_at) == ({"language": "ru"}, None)


def test_unknown_keys_cannot_be_rotated_or_revoked(database: Database) -> None:
    with database.begin() as session:
        with pytest.raises(NotFound):
            keys.rotate(session, SECRET, "key_none", NOW, timedelta(0))
        with pytest.raises(NotFound):
            keys.revoke(session, "key_none", NOW)


def test_the_last_use_is_written_once_a_minute(database: Database) -> None:
    key = create(database)
    for seconds in (0, 59, 60, 61):
        at = NOW + timedelta(seconds=seconds)
        with database.begin() as session:
            needed = keys.needs_touch(keys.get(session, key.key_id), at)
            keys.touch(session, key.key_id, at)
            assert needed == (seconds in (0, 60))
    with database.read() as session:
        assert keys.get(session, key.key_id).last_used_at == NOW + timedelta(seconds=60)


def test_every_change_leaves_an_audit_line(database: Database) -> None:
    key = create(database)
    with database.begin() as session:
        new = keys.rotate(session, SECRET, key.key_id, NOW, timedelta(0))
        keys.revoke(session, new.key_id, NOW)
    with database.read() as session:
        lines = session.scalars(select(Audit.action).order_by(Audit.audit_id)).all()
        assert lines == ["key.created", "key.rotated", "key.created", "key.revoked"]
        assert [row.key_id for row in keys.listed(session)] == [key.key_id, new.key_id]
