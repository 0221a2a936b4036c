"""Houses and visitors: a furnished house a test, and clients that are signed in as one of its people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from core.settings import Settings
from db.engine import Database
from tests.pages import house as houses
from tests.pages.house import PASSWORD, House

SITE = "http://testserver"
Visit = Callable[..., TestClient]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A furnished house without calls."""
    made = houses.build(tmp_path / "home")
    made.furnish()
    yield made
    made.database.dispose()


@pytest.fixture
def both(database: Database, settings: Settings) -> House:
    """A furnished house on each database engine."""
    made = House(settings, database)
    made.furnish()
    return made


@pytest.fixture
def visit(house: House) -> Iterator[Visit]:
    """`visit("head")` is a browser that is signed in as the head; `visit(None)` a stranger's."""
    app = create_app(house.settings, house.database)
    opened: list[TestClient] = []

    def come(role: str | None) -> TestClient:
        client = TestClient(app, base_url=SITE, headers={"origin": SITE, "accept-language": "ru"}, follow_redirects=False)
        opened.append(client)
        if role is not None:
            answer = client.post("/sign-in", data={"login": role, "password": PASSWORD})
            assert answer.status_code == 303
        return client

    yield come
    for client in opened:
        client.close()
