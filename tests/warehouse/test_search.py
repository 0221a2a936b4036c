"""Search by Russian word forms, in what is indexed and in what came since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from bench import _year
from core.errors import InvalidInput
from core.settings import Settings
from warehouse import publish, search
from warehouse.batch import Batch
from warehouse.loader import Loader
from warehouse.stores import NotPublished

Make = Callable[..., Batch]


def saying(number: int, *texts: str) -> _year.State:
    state = next(s for s in _year.states(20, first=number * 20) if s["transcript"])
    state["call"]["call_id"] = f"call_{number}"
    same: dict[str, float | int | str] = {"channel": 0, "confidence": 1.0}
    state["transcript"]["utterances"] = [
        {"id": n, "start": 10.0 * n, "end": 10.0 * n + 5, "speaker": ("manager", "customer")[n % 2], "text": text} | same
        for n, text in enumerate(texts)
    ]
    return state


def put(house: Settings, batch: Batch) -> None:
    with Loader(house) as loader:
        loader.load(batch)
    if publish.is_due(house.model_copy(update={"publish_share": 1e9})):
        publish.publish(house)


def ids(hits: list[search.Hit]) -> list[str]:
    return [hit.call_id for hit in hits]


@pytest.fixture
def talk(house: Settings, batch_of: Make) -> Settings:
    put(
        house,
        batch_of(
            [
                saying(1, "Добрый день", "Мне нужна скидка для постоянных клиентов", "Скидки нет"),
                saying(2, "Ёлка стоит дорого", "Пришлите договор"),
                saying(3, "Мы с клиентом договорились о доставке", "Сделка закрыта"),
            ]
        ),
    )
    return house


@pytest.mark.parametrize("indexed", [False, True])
def test_every_form_of_a_word_is_found(talk: Settings, indexed: bool) -> None:
    if indexed:
        assert search.build(talk) == 3
    assert sorted(ids(search.search(talk, "клиента"))) == ["call_1", "call_3"]
    assert ids(search.search(talk, "скидками КЛИЕНТАМ")) == ["call_1"]
    assert ids(search.search(talk, "елку")) == ["call_2"]
    assert ids(search.search(talk, "сделками")) == ["call_3"]
    assert search.search(talk, "дела") == []
    assert search.search(talk, "клиент ипотека") == []


def test_the_hit_shows_where_it_was_said(talk: Settings) -> None:
    search.build(talk)
    (hit,) = search.search(talk, "скидка клиенту")
    assert (hit.speaker, hit.seconds, hit.text) == ("customer", 10.0, "Мне нужна скидка для постоянных клиентов")
    assert hit.score
    assert hit.manager


def test_new_calls_are_found_before_the_next_night_and_deleted_ones_are_not(talk: Settings, batch_of: Make) -> None:
    search.build(talk)
    put(talk, batch_of([saying(4, "Сколько клиентов у вас?")], gone=("call_3",)))
    hits = search.search(talk, "клиент")
    assert ids(hits) == ["call_4", "call_1"]
    assert hits[0].score is None
    search.build(talk)
    assert sorted(ids(search.search(talk, "клиент"))) == ["call_1", "call_4"]


def test_days_and_count_limit_the_answer(talk: Settings) -> None:
    search.build(talk)
    assert len(search.search(talk, "клиент", limit=1)) == 1
    assert search.search(talk, "клиент", since=date(2027, 1, 1)) == []


def test_hostile_words_are_words(talk: Settings) -> None:
    search.build(talk)
    assert search.search(talk, "'; DROP TABLE documents; -- %_\\ $1") == []
    with pytest.raises(InvalidInput):
        search.search(talk, " -- !")


def test_there_is_nothing_before_the_first_load(house: Settings) -> None:
    with pytest.raises(NotPublished):
        search.search(house, "клиент")
