"""What changes between two judgements, counted over many calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from checklists.comparison import Flip, compare_checklists, compare_tables, flips, sums
from checklists.findings import Usage
from checklists.results import ChecklistResult, FieldResult, NotApplicable, StageResult, TableResult

AT = datetime(2025, 8, 18, 12, tzinfo=UTC)
USAGE = Usage(engine="rules", prompt_tokens=100, completion_tokens=20, seconds=0.5)


def checklist(**scores: int) -> ChecklistResult:
    """A result with stages by id; 0 is a stage that was left out."""
    stages = tuple(
        StageResult(
            stage_id=key,
            stage_name=key.upper(),
            score=1 if score == 1 else -1,
            percentage=100.0 if score == 1 else 0.0,
            status="completed" if score == 1 else "failed",
            comment="",
            quote="да" if score == 1 else "",
        )
        for key, score in scores.items()
        if score
    )
    return ChecklistResult(
        call_id="c",
        checklist_id="x",
        checklist_name="X",
        checklist_version="v",
        total_score=sum(s.score for s in stages),
        max_score=len(stages),
        completion_percentage=round(100 * sum(s.score == 1 for s in stages) / len(stages), 1) if stages else 0.0,
        stages=stages,
        not_applicable=tuple(NotApplicable(stage_id=k, stage_name=k.upper(), reason="") for k, score in scores.items() if not score),
        usage=USAGE,
        timestamp=AT,
    )


def table(**values: Any) -> TableResult:
    fields = tuple(FieldResult(name=name, value=value) for name, value in values.items())
    return TableResult(
        call_id="c", table_id="t", table_name="T", table_version="v", fields=fields, usage=USAGE, processing_time=0.1, timestamp=AT
    )


def test_a_checklist_tells_flips_and_agreement() -> None:
    found = compare_checklists(checklist(a=1, b=-1, c=0), checklist(a=1, b=1, d=-1), {"a": 1, "b": 1, "d": 1})
    assert (found["before"], found["after"]) == (50.0, 66.7)
    assert {c["id"]: (c["before"], c["after"]) for c in found["changes"]} == {"b": (-1, 1), "c": (0, None), "d": (None, -1)}
    assert (found["marks"], found["agreed_before"], found["agreed_after"]) == (3, 1, 2)
    assert (found["tokens"], found["seconds"]) == (120, 0.5)


def test_a_call_that_was_never_judged_has_nothing_to_compare_with() -> None:
    found = compare_checklists(None, checklist(a=1), {})
    assert (found["before"], found["after"], found["changes"]) == (None, 100.0, [])


def test_a_table_tells_filled_emptied_and_other_values() -> None:
    found = compare_tables(table(a=1, b=2, c=3), table(a=1, b=5, c=None, d=4))
    assert (found["before"], found["after"]) == (3, 3)
    assert flips("table", [found]) == [Flip("b", "b", 0, 0, 1), Flip("c", "c", 0, 1, 0), Flip("d", "d", 1, 0, 0)]


def test_many_calls_add_up() -> None:
    outcomes = [
        compare_checklists(checklist(a=-1, b=1), checklist(a=1, b=1), {"a": 1}),
        compare_checklists(checklist(a=1, b=1), checklist(a=-1, b=-1), {"a": 1}),
        compare_checklists(checklist(a=-1, b=1), checklist(a=1, b=1), {}),
        compare_checklists(None, checklist(a=1), {}),
        {"call_id": "gone", "problem": {"ru": "нет", "en": "no"}},
    ]
    found = sums(outcomes)
    assert (found.judged, found.better, found.worse) == (4, 2, 1)
    assert (found.before, found.after) == (66.7, 66.7)
    assert (found.marks, found.agreed_before, found.agreed_after) == (2, 1, 1)
    assert (found.tokens, found.seconds) == (480, 2.0)
    assert flips("checklist", outcomes) == [Flip("a", "A", 2, 1, 0), Flip("b", "B", 0, 1, 0)]
