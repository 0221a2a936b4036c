"""The warehouse on both back ends, and batches of the synthetic company."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import warehouse
from bench import _year
from core import ids
from core.settings import Settings
from warehouse import dimensions, publish, scores
from warehouse.batch import FACTS, Batch, Dimensions
from warehouse.facts import Flattener

Ask = Callable[..., list[tuple[Any, ...]]]
Contents = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(params=["embedded", pytest.param("lake", marks=pytest.mark.slow)])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an empty warehouse, once on each back end."""
    if request.param == "embedded":
        return Settings(home=tmp_path)
    url = request.getfixturevalue("postgres_url")
    return Settings(home=tmp_path, lake_catalog=SecretStr(url), lake_schema=f"lake_{ids.token(4)}")


@pytest.fixture(scope="session")
def directory() -> Dimensions:
    """The dimensions of the synthetic company."""
    return dimensions.build(_year.directory())


@pytest.fixture(scope="session")
def batch_of(directory: Dimensions) -> Callable[..., Batch]:
    """A batch of call states; a state of None only names a call that is gone."""
    flattener = Flattener("Europe/Moscow", scores.places(directory.rows["dim_stage"]))

    def build(states: list[_year.State], gone: tuple[str, ...] = (), seq: int = 0) -> Batch:
        batch, unreadable = flattener.batch(states, gone, seq, directory)
        assert not unreadable
        return batch

    return build


def _publish(house: Settings) -> None:
    if publish.is_due(house.model_copy(update={"publish_share": 1e9})):
        publish.publish(house)


@pytest.fixture
def ask(house: Settings) -> Ask:
    """Publishes what is loaded and answers a query as a reader."""

    def answer(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        _publish(house)
        return warehouse.query(sql, house, parameters)[1]

    return answer


@pytest.fixture
def contents(house: Settings) -> Callable[[], Contents]:
    """Publishes what is loaded and reads every fact table whole, in an order of its own."""

    def read() -> Contents:
        _publish(house)
        with warehouse.connect(house) as connection:
            return {name: connection.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in FACTS}

    return read
