"""Every report on both back ends, against figures worked out by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from statistics import mean, stdev
from typing import Any

import pytest
from sklearn.metrics import cohen_kappa_score

from bench import _year
from core.settings import Settings
from warehouse import dimensions
from warehouse.batch import Batch, Dimensions
from warehouse.loader import Loader

Ask = Callable[..., list[tuple[Any, ...]]]
Make = Callable[..., Batch]
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
WEIGHTS = {id: weight for id, _, weight in _year.STAGES}
NAMES = {id: name for id, name, _ in _year.STAGES}


def call(
    number: int, scores: Mapping[str, int | None], manager: str = "mgr_001", at: datetime = MONDAY, stage: str = "lead", **marks: int
) -> _year.State:
    """A call whose stages have these scores (None is not applicable); `marks` are people's."""
    state = next(s for s in (_year.state(n, random.Random(n)) for n in range(number * 100, number * 100 + 100)) if s["results"])
    state["call"] |= {"call_id": f"call_{number}", "manager_id": manager, "started_at": at, "deal_stage_id": stage}
    state["call"] |= {"received_at": at, "finished_at": at + timedelta(seconds=30)}
    stages = [scored(id, score, number) for id, score in scores.items() if score]
    content = state["results"][0]["content"] | {"stages": stages}
    content["not_applicable"] = [
        {"stage_id": id, "stage_name": NAMES[id], "reason": "нет повода"} for id, score in scores.items() if not score
    ]
    content["max_score"] = sum(s["weight"] for s in stages)
    content["total_score"] = sum(s["weight"] * s["score"] for s in stages)
    done = sum(s["weight"] for s in stages if s["score"] == 1)
    content["completion_percentage"] = round(100 * done / content["max_score"], 1) if stages else 0.0
    state["results"][0]["content"] = content
    state["overrides"] = [mark(id, score) for id, score in marks.items()]
    return state


def scored(id: str, score: int, number: int) -> dict[str, Any]:
    said = {"quote": f"цитата {id}", "quote_start": 10.0 * number + WEIGHTS[id], "quote_end": 99.0} if score == 1 else {"quote": ""}
    status = "completed" if score == 1 else "failed"
    name = {"stage_id": id, "stage_name": NAMES[id], "weight": WEIGHTS[id]}
    return name | {"score": score, "status": status, "percentage": 50.0 + 50 * score, "comment": f"о {id}"} | said


def mark(id: str, score: int) -> dict[str, Any]:
    return {"checklist_id": "sales", "stage_id": id, "score": score, "reason": "слышал", "author": "boss", "created_at": MONDAY}


@pytest.fixture
def load(house: Settings, batch_of: Make) -> Callable[[list[_year.State]], None]:
    def run(states: list[_year.State]) -> None:
        with Loader(house) as loader:
            loader.load(batch_of(states))

    return run


def test_ranking_needs_ten_calls_and_says_how_sure_it_is(load: Any, ask: Ask) -> None:
    many = [call(n, {"greeting": 1, "needs": 1 if n % 3 else -1}) for n in range(12)]
    few = [call(n, {"greeting": 1}, manager="mgr_002") for n in range(20, 29)]
    silent = [call(n, {"greeting": 1}) | {"results": []} for n in range(30, 32)]
    load(many + few + silent)
    rows = ask("SELECT rank, manager, n, calls, coverage, mean, low, high FROM manager_ranking")
    points = [100.0 if n % 3 else 25.0 for n in range(12)]
    margin = 2.201 * stdev(points) / 12**0.5
    expected = (mean(points), mean(points) - margin, min(100, mean(points) + margin))
    assert rows[0][:5] == (1, "Петрова Пётр", 12, 14, 85.7)
    assert rows[0][5:] == pytest.approx(expected, abs=0.1)
    assert rows[1] == (None, "Сидоренко Ольга", 9, 9, 100.0, 100.0, 100.0, 100.0)
    assert ask("SELECT n FROM manager_ranking_between('2026-03-03', '2026-03-09')") == []
    assert ask("SELECT n FROM manager_ranking_between('2026-03-01', '2026-03-02') ORDER BY n") == [(9,), (12,)]


def test_funnel_counts_a_stage_by_deal_stage(load: Any, ask: Ask) -> None:
    load(
        [
            call(1, {"greeting": 1, "name": 1, "needs": -1}),
            call(2, {"greeting": 1, "name": None, "needs": 1}),
            call(3, {"greeting": -1, "name": 1, "needs": 1}),
            call(4, {"greeting": 1}, stage="closing"),
        ]
    )
    rows = ask("SELECT deal_stage_id, position, stage, calls, applicable, completed, rate, carried FROM stage_funnel")
    assert rows == [
        ("closing", 1, "Приветствие", 1, 1, 1, 100.0, 1),
        ("lead", 1, "Приветствие", 3, 3, 2, 66.7, 2),
        ("lead", 2, "Имя клиента", 3, 2, 2, 100.0, 1),
        ("lead", 3, "Выявление потребности", 3, 3, 2, 66.7, 1),
    ]


def test_office_trend_follows_weeks_and_moves(load: Any, ask: Ask) -> None:
    july = datetime(2026, 7, 6, 9, tzinfo=UTC)
    load(
        [
            call(1, {"greeting": 1, "name": -1}),
            call(2, {"greeting": 1, "name": 1}, at=MONDAY + timedelta(days=8)),
            call(3, {"greeting": 1}, manager="mgr_010", at=july - timedelta(days=30)),
            call(4, {"greeting": -1}, manager="mgr_010", at=july),
            call(5, {"greeting": 1}, manager="nobody knows"),
        ]
    )
    rows = ask("SELECT office, week, n, mean, change, mean_4_weeks FROM office_trend")
    assert rows == [
        ("Офис № 2", date(2026, 3, 2), 1, 50.0, None, 50.0),
        ("Офис № 2", date(2026, 3, 9), 1, 100.0, 50.0, 75.0),
        ("Офис № 11", date(2026, 6, 1), 1, 100.0, None, 100.0),
        ("Офис № 12", date(2026, 7, 6), 1, 0.0, None, 0.0),
        ("Без офиса", date(2026, 3, 2), 1, 100.0, None, 100.0),
    ]


def test_worst_moments_point_into_the_call(load: Any, ask: Ask, house: Settings, batch_of: Make) -> None:
    public = house.model_copy(update={"public_url": "https://rop.example"})
    with Loader(public) as loader:
        failed = call(1, {"greeting": 1, "budget": -1, "offer": -1}, greeting=1)
        loader.load(batch_of([failed, call(2, {"greeting": 1, "name": 1}, name=-1)]))
    rows = ask("SELECT call_id, stage_id, weight, completion, comment, quote, seconds, link FROM worst_moments")
    assert rows == [
        ("call_1", "offer", 3, 16.7, "о offer", "цитата greeting", 11.0, "https://rop.example/calls/call_1?t=11"),
        ("call_1", "budget", 2, 16.7, "о budget", "цитата greeting", 11.0, "https://rop.example/calls/call_1?t=11"),
        ("call_2", "name", 1, 50.0, "слышал", "цитата name", 21.0, "https://rop.example/calls/call_2?t=21"),
    ]


def test_talk_metrics_by_hand(load: Any, ask: Ask) -> None:
    state = call(1, {"greeting": 1})
    said = [
        ("manager", 0.0, 4.0, "Добрый день, чем помочь?"),
        ("manager", 5.0, 8.0, "Слушаю вас"),
        ("customer", 9.0, 13.0, "Хочу узнать цену на доставку"),
        ("manager", 12.0, 15.0, "Какой объём?"),
        ("unknown", 16.0, 17.0, "алло"),
        ("customer", 18.0, 19.0, "Большой"),
    ]
    same = {"channel": 0, "confidence": 0.9}
    state["transcript"]["utterances"] = [
        {"id": n, "speaker": who, "start": start, "end": end, "text": text} | same for n, (who, start, end, text) in enumerate(said)
    ]
    state["recording"]["duration"] = 20.0
    load([state])
    columns = "manager_words, customer_words, manager_seconds, customer_seconds, silence_seconds, longest_monologue"
    assert ask(f"SELECT {columns} FROM fact_call") == [(8, 6, 10.0, 5.0, 5.0, 8.0)]
    assert ask("SELECT manager_questions, speaker_switches, interruptions FROM fact_call") == [(2, 3, 1)]
    assert ask("SELECT n, talk_share, silence_share, words_per_minute, questions, switches_per_minute FROM talk_metrics") == [
        (1, 66.7, 25.0, 48.0, 2.0, 9.0)
    ]


def test_what_a_transcript_tells_about_itself_wins(load: Any, ask: Ask) -> None:
    state = call(1, {"greeting": 1})
    state["recording"]["duration"] = 200.0
    state["transcript"]["metrics"] = {"talk": {"manager": 70.5, "customer": 9.5}, "silence_share": 0.5, "switches": 4, "words": None}
    load([state])
    assert ask("SELECT manager_seconds, customer_seconds, silence_seconds, speaker_switches FROM fact_call") == [(70.5, 9.5, 100.0, 4)]
    assert ask("SELECT manager_words > 0 FROM fact_call") == [(True,)]


def test_sla_runs_from_the_receipt_to_the_answer(load: Any, ask: Ask) -> None:
    quick, late, none = call(1, {"greeting": 1}), call(2, {"greeting": 1}), call(3, {"greeting": 1}) | {"deliveries": []}
    for state, seconds in ((quick, 40), (late, None)):
        at = MONDAY + timedelta(seconds=seconds) if seconds else None
        state["deliveries"][0] |= {"delivery_id": state["call"]["call_id"], "delivered_at": at}
    load([quick, late, none])
    assert ask("SELECT day, calls, failed, processing_p50, expected, delivered, delivery_p50, delivery_max FROM sla") == [
        (date(2026, 3, 2), 3, 0, 30.0, 2, 1, 40.0, 40.0)
    ]


def test_agreement_is_cohens_kappa(load: Any, ask: Ask) -> None:
    chance = random.Random(3)
    pairs = [(chance.choice((1, 1, -1, 0)), chance.choice((1, -1, 0))) for _ in range(40)]
    load([call(n, {"greeting": machine or None}, greeting=person) for n, (machine, person) in enumerate(pairs)])
    machines, people = zip(*pairs, strict=True)
    agreed = round(100 * mean(one == other for one, other in pairs), 1)
    expected = (40, agreed, round(float(cohen_kappa_score(machines, people)), 3))
    rows = ask("SELECT stage_id, n, agreed, kappa FROM agreement")
    assert rows == [(None, *expected), ("greeting", *expected)]


def test_agreement_without_variety_has_no_kappa(load: Any, ask: Ask) -> None:
    load([call(1, {"greeting": 1}, greeting=1)])
    assert ask("SELECT agreed, kappa FROM agreement") == [(100.0, None), (100.0, None)]


def test_calls_have_names_and_one_row_without_a_score(load: Any, ask: Ask) -> None:
    load([call(1, {"greeting": 1}), call(2, {"greeting": 1}, manager="new") | {"results": []}])
    assert ask("SELECT call_id, manager, office, completion FROM calls ORDER BY call_id") == [
        ("call_1", "Петрова Пётр", "Офис № 2", 100.0),
        ("call_2", "new", "Без офиса", None),
    ]


def test_freshness_is_one_row(load: Any, ask: Ask) -> None:
    load([call(1, {"greeting": 1})])
    ((calls, newest, age),) = ask("SELECT calls, newest_call, age_seconds FROM freshness")
    assert (calls, newest) == (1, MONDAY.replace(tzinfo=None))
    assert 0 <= age < 60


def test_wide_views_follow_the_versions_of_a_table(house: Settings, batch_of: Make, directory: Dimensions, ask: Ask) -> None:
    """The newest version's types win, older values are cast; names that clash with each other or with us are kept apart."""
    fields = [("Budget", "integer"), ("budget", "string"), ("day", "list"), ('odd " name', "string"), ("when", "datetime"), ("ok", "bool")]
    content = {"fields": [{"name": name, "type": type, "title": f"«{name}»"} for name, type in fields]}
    versions = (
        _version("deal", "v9", 9, content),
        _version('t"; DROP TABLE fact_call; --', "v1", 1, content),
        _version("DEAL", "v1", 1, content),
    )
    source = _year.directory()
    source["definition_versions"] += versions
    source["definitions"] += [{"kind": "table", "definition_id": v["definition_id"], "version": v["version"]} for v in versions]
    state = call(1, {"greeting": 1})
    values = {"Budget": "12", "budget": "x", "day": ["a", "b"], 'odd " name': "y", "when": "2026-05-01T10:00:00+03:00", "ok": True}
    state["results"][1]["content"]["fields"] = [{"name": name, "value": value} for name, value in values.items()]
    with Loader(house) as loader:
        loader.load(replace(batch_of([state]), dimensions=dimensions.build(source)))
    columns = 'SELECT "Budget", "budget_2", "day_2", "odd "" name", "when", ok, deadline FROM table_deal'
    assert ask(columns) == [(12, "x", ["a", "b"], "y", datetime.fromisoformat("2026-05-01T10:00"), True, None)]
    if house.lake_catalog is None:
        comments = "SELECT comment FROM duckdb_columns() WHERE table_name = 'table_deal' AND column_name = 'budget_2'"
        assert ask(comments) == [("«budget»",)]
    views = "SELECT view_name FROM duckdb_views() WHERE NOT internal AND starts_with(view_name, 'table_') ORDER BY 1"
    assert ask(views) == [("table_DEAL_2",), ("table_deal",), ('table_t"; DROP TABLE fact_call; --',)]
    with Loader(house) as loader:
        loader.load(replace(batch_of([]), dimensions=directory))
    assert ask(views) == [("table_deal",)]


def _version(id: str, version: str, number: int, content: dict[str, Any]) -> dict[str, Any]:
    same = {"kind": "table", "definition_id": id, "version": version, "number": number, "name": id}
    return same | {"content": content, "author": "", "created_at": MONDAY}
