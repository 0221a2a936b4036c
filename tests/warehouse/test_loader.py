"""The loader on both back ends: batches are whole or nothing, replays change nothing, a fenced loader stops."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench import _year
from core.errors import LeaseLost
from core.settings import Settings
from warehouse.batch import FACTS, Batch, LoadRefused
from warehouse.loader import Loader, rebuild

Ask = Callable[..., list[tuple[Any, ...]]]
Make = Callable[..., Batch]
Read = Callable[[], dict[str, list[tuple[Any, ...]]]]


def states(count: int, first: int = 0) -> list[_year.State]:
    return list(_year.states(count, seed=5, first=first))


def test_a_batch_is_loaded_and_a_repeat_changes_nothing(house: Settings, batch_of: Make, ask: Ask, contents: Read) -> None:
    batch = batch_of(states(20), seq=20)
    with Loader(house) as loader:
        assert loader.load(batch) == 20
    once = contents()
    assert {name: len(rows) for name, rows in once.items()} == {name: len(batch.rows[name]) for name in FACTS}
    with Loader(house) as loader:
        loader.load(batch)
        loader.load(batch_of(states(20)[5:15], seq=15))
    assert contents() == once
    assert ask("SELECT loaded_seq FROM load_state") == [(20,)]


def test_a_call_that_is_gone_leaves_nothing(house: Settings, batch_of: Make, contents: Read) -> None:
    made = states(10)
    gone = made[0]["call"]["call_id"]
    with Loader(house) as loader:
        loader.load(batch_of(made))
        loader.load(batch_of(made[1:3], gone=(gone, "never seen")))
    rest = batch_of(made[1:])
    assert {name: len(rows) for name, rows in contents().items()} == {name: len(rest.rows[name]) for name in FACTS}


def test_a_call_that_moved_to_another_day_takes_its_rows_along(house: Settings, batch_of: Make, ask: Ask) -> None:
    (state,) = states(1)
    with Loader(house) as loader:
        loader.load(batch_of([state]))
        state["call"]["started_at"] = state["call"]["started_at"].replace(month=6)
        loader.load(batch_of([state]))
    assert ask("SELECT DISTINCT month(day) FROM fact_stage UNION ALL SELECT month(day) FROM fact_call") == [(6,), (6,)]


@pytest.mark.parametrize(
    ("table", "change", "rule"),
    [
        ("fact_checklist", {"total_score": 999}, "totals differ from stages"),
        ("fact_stage", {"score": 7, "weight": 0}, "score out of range"),
        ("fact_utterance", {"call_id": "another"}, "fact_utterance without its call"),
        ("fact_call", {"call_id": "stranger"}, "call missing or left over"),
    ],
)
def test_rows_that_contradict_are_refused_whole(
    house: Settings, batch_of: Make, ask: Ask, contents: Read, table: str, change: dict[str, Any], rule: str
) -> None:
    good, bad = batch_of(states(5)), batch_of(states(5, first=5))
    spoilt = [dict(bad.rows[table][0]) | change, *bad.rows[table][1:]]
    known = Batch((*bad.call_ids, "another"), {**bad.rows, table: spoilt}, 9)
    with Loader(house) as loader:
        loader.load(good)
        with pytest.raises(LoadRefused) as refusal:
            loader.load(known)
    assert rule in [broken[0] for broken in refusal.value.fields["rules"]]
    assert len(contents()["fact_call"]) == 5
    assert ask("SELECT loaded_seq FROM load_state") == [(0,)]


def test_a_value_of_the_wrong_type_is_refused(house: Settings, batch_of: Make) -> None:
    batch = batch_of(states(2))
    spoilt = [dict(row) | {"attempt": "first"} for row in batch.rows["fact_call"]]
    with Loader(house) as loader, pytest.raises(LoadRefused):
        loader.load(Batch(batch.call_ids, {**batch.rows, "fact_call": spoilt}))


def test_a_loader_that_was_overtaken_cannot_write(house: Settings, batch_of: Make, contents: Read) -> None:
    """Within one process both back ends let a second loader in; across processes the file's lock keeps it out."""
    with Loader(house) as early, Loader(house) as paused:
        early.load(batch_of(states(2)))
        with pytest.raises(LeaseLost):
            paused.load(batch_of(states(2, first=4)))
        with Loader(house) as late:
            late.load(batch_of(states(2, first=2)))
        with pytest.raises(LeaseLost):
            early.load(batch_of(states(2, first=6)))
    assert len(contents()["fact_call"]) == 4


def test_a_rebuild_equals_what_was_loaded_bit_by_bit(house: Settings, batch_of: Make, ask: Ask, contents: Read) -> None:
    made = states(60)
    random.Random(1).shuffle(made)
    with Loader(house) as loader:
        for at in range(0, 60, 7):
            loader.load(batch_of(made[at : at + 7]))
        loader.load(batch_of(made[10:20], gone=(made[0]["call"]["call_id"],)))
    bit_by_bit = contents()
    kept = sorted(made[1:], key=lambda state: state["call"]["call_id"])
    assert rebuild(house, (batch_of(kept[at : at + 25]) for at in range(0, 59, 25))) == {}
    assert contents() == bit_by_bit
    assert ask("SELECT count(*) FROM table_deal")[0][0] > 0


def test_a_failed_rebuild_changes_nothing(house: Settings, batch_of: Make, contents: Read) -> None:
    def batches() -> Any:
        yield batch_of(states(3, first=50))
        raise RuntimeError("the source broke")

    with Loader(house) as loader:
        loader.load(batch_of(states(5)))
    before = contents()
    with pytest.raises(RuntimeError):
        rebuild(house, batches())
    assert contents() == before


def test_a_rebuild_leaves_out_only_the_calls_that_are_refused(house: Settings, batch_of: Make, contents: Read) -> None:
    made = states(8)
    good, bad = batch_of(made), batch_of(made[3:4])
    rows = [dict(row) | {"total_score": 999} if row["call_id"] == bad.call_ids[0] else row for row in good.rows["fact_checklist"]]
    refused = rebuild(house, [replace(good, rows={**good.rows, "fact_checklist": rows})])
    assert {call_id: [rule for rule, *_ in rules] for call_id, rules in refused.items()} == {bad.call_ids[0]: ["totals differ from stages"]}
    rest = batch_of(made[:3] + made[4:])
    assert {name: len(rows) for name, rows in contents().items()} == {name: len(rest.rows[name]) for name in FACTS}
