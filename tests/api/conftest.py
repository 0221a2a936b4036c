"""A whole API in this process: the real application on a real database, a key, and what the CRM would send."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from core import clock
from core.secrets import server_secret
from core.settings import Settings
from db import calls, keys, results
from db.engine import Database
from db.models import Result
from tests.peers import databases

UPLOAD = {
    "manager_id": "mgr_001",
    "call_id": "call_1",
    "deal_id": "deal_5678",
    "deal_stage_id": "stage_qualification",
    "audio_url": "http://crm.invalid/files/call_1.mp3",
}


@dataclass
class Api:
    """A client, the key it may use, and the database behind the application."""

    client: TestClient
    settings: Settings
    database: Database
    key: str
    key_id: str

    def get(self, path: str, **params: Any) -> Any:
        """GET below `/api/v1` with the key."""
        return self.client.get(f"/api/v1{path}", params={"apiKey": self.key, **params})

    def post(self, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        """POST JSON below `/api/v1` with the key."""
        return self.client.post(f"/api/v1{path}", params={"apiKey": self.key}, json=body or {}, headers=headers)

    def upload(self, **fields: Any) -> Any:
        """Post a call; a field of None is left out."""
        sent = {name: value for name, value in (UPLOAD | fields).items() if value is not None}
        return self.client.post("/api/v1/calls/audio-upload", params={"apiKey": self.key}, data=sent)

    def end(self, call_id: str, status: str, reason: Any = None) -> None:
        """Bring an accepted call to its end, as a flow would."""
        with self.database.begin() as session:
            token = calls.claim(session, call_id, f"run-{call_id}", clock.now(), 60).token
            calls.finish(session, call_id, token, status, clock.now(), reason)

    def result(self, call_id: str, kind: results.Kind, definition_id: str, content: dict[str, Any], status: str = "ok") -> Result:
        """Store a result of the call."""
        with self.database.begin() as session:
            return results.save(session, call_id, kind, definition_id, "v1", content, clock.now(), status)


def build(home: Path, database: Database | None = None, **settings: Any) -> Iterator[Api]:
    """An API on `database` or on SQLite in `home`; no Prefect answers, and loopback is open for peers."""
    closed = "http://127.0.0.1:1/api"
    given: dict[str, Any] = {"home": home, "allowed_networks": "127.0.0.1/32", "prefect_api_url": closed, "probe": "off"}
    made = Settings(**(given | settings))
    own = database or databases.empty(made.db_url)
    with own.begin() as session:
        key = keys.create(session, server_secret(made), "test", clock.now())
    with TestClient(create_app(made, own), raise_server_exceptions=False) as client:
        yield Api(client, made, own, key.plain, key.key_id)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """An API with the default settings but for the probe, which `probing` switches on."""
    yield from build(tmp_path / "home", rate_limit=100_000)


@pytest.fixture
def both(database: Database, tmp_path: Path) -> Iterator[Api]:
    """The same on SQLite and on PostgreSQL."""
    yield from build(tmp_path / "home", database, rate_limit=100_000)
