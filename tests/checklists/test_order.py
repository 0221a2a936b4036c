"""What a stage that waits for another one is worth: one rule, whoever judged."""

from __future__ import annotations

import pytest

from checklists import order
from checklists.definitions import Checklist
from checklists.findings import CriterionFinding, StageFinding


def checklist(**waits: str | None) -> Checklist:
    """Stages by name, each with the one it waits for."""
    stages = [
        {"id": name, "name": name, "criteria": [{"id": "c", "ask": "Вопрос"}]} | ({"window": {"after_stage": other}} if other else {})
        for name, other in waits.items()
    ]
    return Checklist.model_validate({"id": "x", "name": "X", "stages": stages})


def met(stage: str, *evidence: int) -> StageFinding:
    return StageFinding(stage_id=stage, criteria=(CriterionFinding(criterion_id="c", met=bool(evidence), evidence=evidence),))


def proofs(findings: dict[str, StageFinding]) -> dict[str, tuple[int, ...]]:
    return {name: finding.criteria[0].evidence for name, finding in findings.items() if finding.applicable}


@pytest.mark.parametrize(
    ("first", "kept"),
    [
        (met("a", 3), (5,)),
        (met("a", 5), ()),
        (met("a", 7, 1), (2, 5)),
        (met("a"), ()),
        (StageFinding(stage_id="a", applicable=False), (2, 5)),
    ],
    ids=["between", "at the same time", "after its first proof", "never met", "left out"],
)
def test_only_later_proofs_count(first: StageFinding, kept: tuple[int, ...]) -> None:
    found = order.in_order(checklist(a=None, b="a"), [first, met("b", 2, 5)])["b"].criteria[0]
    assert found.evidence == kept
    assert found.met == bool(kept)
    assert (found.comment == order.TOO_EARLY) == (not kept)


def test_a_stage_that_came_too_early_lets_nothing_follow_it() -> None:
    found = order.in_order(checklist(c="b", b="a", a=None), [met("a", 4), met("b", 2), met("c", 6)])
    assert proofs(found) == {"a": (4,), "b": (), "c": ()}


def test_every_stage_comes_after_the_one_it_waits_for() -> None:
    assert [s.id for s in order.ordered(checklist(c="b", b="a", a=None, d=None))] == ["a", "d", "b", "c"]


def test_a_stage_without_an_answer_lets_nothing_follow_it() -> None:
    assert proofs(order.in_order(checklist(a=None, b="a"), [met("b", 2)])) == {"b": ()}
