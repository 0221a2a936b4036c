"""Houses and visitors: a furnished house a test, and clients that are signed in as one of its people."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from bench import _house as houses
from bench._house import House
from core import clock
from core.settings import Settings
from db import users
from db.engine import Database

SITE = "http://testserver"
Visit = Callable[..., TestClient]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A furnished home that every test gets a copy of: migrations are the slowest part of a house."""
    made = houses.build(tmp_path_factory.mktemp("model") / "home")
    made.furnish()
    made.database.dispose()
    return made.settings.root


@pytest.fixture
def house(model: Path, tmp_path: Path) -> Iterator[House]:
    """A furnished house without calls."""
    shutil.copytree(model, tmp_path / "home")
    made = houses.build(tmp_path / "home")
    made.know()
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
            with house.database.begin() as session:
                token = users.open_session(session, house.people[role].user_id, clock.now(), timedelta(days=1))
            client.cookies.set("rop_session", token)
        return client

    yield come
    for client in opened:
        client.close()
    app.state.context.close()  # its starter would go on trying, and print into other tests
