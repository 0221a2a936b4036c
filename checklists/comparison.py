"""Two judgements of the same call beside each other, and what many such pairs add up to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checklists.results import ChecklistResult, TableResult

# One call: `before` and `after` in percent or filled fields, `changes` by stage or field, tokens and seconds; or a `problem`.
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Sums:
    """Many outcomes in figures; means are of the calls that have both, percent or filled fields."""

    judged: int
    better: int
    worse: int
    before: float | None
    after: float | None
    marks: int
    agreed_before: int
    agreed_after: int
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Flip:
    """In how many calls one stage came to pass, ceased to, or changed otherwise; for a field: filled, emptied, another value."""

    id: str
    name: str
    gained: int
    lost: int
    other: int

    @property
    def count(self) -> int:
        return self.gained + self.lost + self.other


def compare_checklists(before: ChecklistResult | None, after: ChecklistResult, marked: Mapping[str, int]) -> Outcome:
    """Stage by stage what changes, and how often either agrees with the marks of people, given by stage id."""
    was = _scores(before) if before else {}
    now = _scores(after)
    names = (_names(before) if before else {}) | _names(after)
    changed = [
        {"id": key, "name": names[key], "before": was.get(key), "after": now.get(key)} for key in names if was.get(key) != now.get(key)
    ]
    return {
        "before": before.completion_percentage if before else None,
        "after": after.completion_percentage if after.stages else None,
        "changes": changed if before else [],
        "marks": len(marked),
        "agreed_before": sum(was.get(key) == score for key, score in marked.items()),
        "agreed_after": sum(now.get(key) == score for key, score in marked.items()),
        **_cost(after),
    }


def compare_tables(before: TableResult | None, after: TableResult) -> Outcome:
    """Field by field what changes; `before` and `after` count the fields that are filled."""
    was = before.extracted_data if before else {}
    now = after.extracted_data
    changed = [
        {"id": key, "name": key, "before": was.get(key), "after": now.get(key)} for key in {**was, **now} if was.get(key) != now.get(key)
    ]
    return {
        "before": sum(value is not None for value in was.values()) if before else None,
        "after": sum(value is not None for value in now.values()),
        "changes": changed if before else [],
        **_cost(after),
    }


def sums(outcomes: Sequence[Outcome]) -> Sums:
    """The figures of the calls that could be judged."""
    judged = [one for one in outcomes if "problem" not in one]
    both = [one for one in judged if one["before"] is not None and one["after"] is not None]

    def total(name: str) -> int:
        return sum(one.get(name, 0) for one in judged)

    return Sums(
        judged=len(judged),
        better=sum(one["after"] > one["before"] for one in both),
        worse=sum(one["after"] < one["before"] for one in both),
        before=_mean([one["before"] for one in both]),
        after=_mean([one["after"] for one in both]),
        marks=total("marks"),
        agreed_before=total("agreed_before"),
        agreed_after=total("agreed_after"),
        tokens=total("tokens"),
        seconds=round(sum(one.get("seconds", 0.0) for one in judged), 3),
    )


def flips(kind: str, outcomes: Sequence[Outcome]) -> list[Flip]:
    """What changes how often, by stage of a `checklist` or field of a `table`; the most changed first."""
    rows: dict[str, dict[str, int]] = {}
    names: dict[str, str] = {}
    for change in _changes(outcomes):
        names[change["id"]] = change["name"]
        row = rows.setdefault(change["id"], {"gained": 0, "lost": 0, "other": 0})
        row[_direction(kind, change["before"], change["after"])] += 1
    found = [Flip(key, names[key], **row) for key, row in rows.items()]
    return sorted(found, key=lambda flip: -flip.count)


def _changes(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    return (change for one in outcomes for change in one.get("changes", ()))


def _direction(kind: str, before: Any, after: Any) -> str:
    good_before, good_after = (before == 1, after == 1) if kind == "checklist" else (before is not None, after is not None)
    if good_before == good_after:
        return "other"
    return "gained" if good_after else "lost"


def _cost(after: ChecklistResult | TableResult) -> Outcome:
    return {"tokens": after.usage.prompt_tokens + after.usage.completion_tokens, "seconds": after.usage.seconds}


def _scores(result: ChecklistResult) -> dict[str, int]:
    """1 passed, -1 failed, 0 left out."""
    return {s.stage_id: s.score for s in result.stages} | {s.stage_id: 0 for s in result.not_applicable}


def _names(result: ChecklistResult) -> dict[str, str]:
    return {s.stage_id: s.stage_name for s in result.stages} | {s.stage_id: s.stage_name for s in result.not_applicable}


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 1) if values else None
