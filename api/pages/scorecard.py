"""A checklist's result as people read it: what the rule asks, what the machine found, what people said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.orm import Session

from checklists.definitions import Checklist, Table
from checklists.results import ChecklistResult, CriterionResult, FieldResult, StageResult, TableResult
from checklists.transcript import Transcript, Utterance
from core.errors import NotFound
from db import definitions, scores
from db.models import Appeal, Override, Result

Outcome = Literal["completed", "failed", "skipped"]
OUTCOMES: dict[int, Outcome] = {1: "completed", -1: "failed", 0: "skipped"}


@dataclass(frozen=True)
class Asked:
    """One criterion: the question and its verdict, None for what was not judged."""

    question: str
    result: CriterionResult | None


@dataclass(frozen=True)
class StageCard:
    """One stage. `machine` is the system's outcome, `final` that with the mark of a person."""

    number: int
    stage_id: str
    name: str
    weight: int
    machine: Outcome
    final: Outcome
    comment: str
    result: StageResult | None
    utterance: Utterance | None
    criteria: tuple[Asked, ...]
    mark: Override | None
    appeals: tuple[Appeal, ...]

    @property
    def waits(self) -> Appeal | None:
        """The objection that has no answer yet."""
        return next((one for one in self.appeals if one.answered_at is None), None)


@dataclass(frozen=True)
class Card:
    """One checklist of one call; `result` is None where the judgement failed, `problem` says why."""

    row: Result
    checklist_id: str
    name: str
    number: int | None
    result: ChecklistResult | None
    problem: Mapping[str, Any]
    stages: tuple[StageCard, ...]
    completion: float | None


@dataclass(frozen=True)
class Value:
    """One field of a table with its title and the utterance it was taken from."""

    title: str
    result: FieldResult
    utterance: Utterance | None


@dataclass(frozen=True)
class TableCard:
    """One table of one call."""

    row: Result
    name: str
    problem: Mapping[str, Any]
    values: tuple[Value, ...]


def card(session: Session, row: Result, heard: Transcript | None, marks: Sequence[Override], appeals: Sequence[Appeal]) -> Card:
    """The card of one stored result."""
    definition, number = _definition(session, row)
    if row.status != "ok":
        return Card(row, row.definition_id, definition.name if definition else row.definition_id, number, None, row.content, (), None)
    result = ChecklistResult.model_validate(row.content)
    own = {mark.stage_id: mark for mark in marks if mark.checklist_id == row.definition_id}
    said = [one for one in appeals if one.checklist_id == row.definition_id]
    checklist = definition if isinstance(definition, Checklist) else None
    stages = tuple(_stages(result, checklist, heard, own, said))
    weights = {s.id: s.weight for s in checklist.stages} if checklist else {}
    completion = scores.completion(row.content, {key: mark.score for key, mark in own.items()}, weights)
    return Card(row, row.definition_id, result.checklist_name, number, result, {}, stages, completion)


def table(session: Session, row: Result, heard: Transcript | None) -> TableCard:
    """The card of one stored table."""
    definition, _ = _definition(session, row)
    name = definition.name if definition else row.definition_id
    if row.status != "ok":
        return TableCard(row, name, row.content, ())
    result = TableResult.model_validate(row.content)
    titles = {f.name: f.title or f.name for f in definition.fields} if isinstance(definition, Table) else {}
    values = (Value(titles.get(f.name, f.name), f, _utterance(heard, f.evidence)) for f in result.fields)
    return TableCard(row, result.table_name, {}, tuple(values))


def _stages(
    result: ChecklistResult, checklist: Checklist | None, heard: Transcript | None, marks: Mapping[str, Override], appeals: Sequence[Appeal]
) -> list[StageCard]:
    """In the order of the checklist, those that did not apply at their own place."""
    order = {s.id: place for place, s in enumerate(checklist.stages)} if checklist else {}
    asked = {s.id: {c.id: c.ask for c in s.criteria} for s in checklist.stages} if checklist else {}
    found: list[tuple[str, str, int, Outcome, str, StageResult | None]] = [
        (s.stage_id, s.stage_name, s.weight, OUTCOMES[s.score], s.comment, s) for s in result.stages
    ]
    found += [(s.stage_id, s.stage_name, 1, "skipped", s.reason, None) for s in result.not_applicable]
    found.sort(key=lambda one: order.get(one[0], len(order)))
    cards = []
    for number, (stage_id, name, weight, machine, comment, stage) in enumerate(found, start=1):
        mark = marks.get(stage_id)
        evidence = next((c.evidence for c in _best_first(stage) if c.evidence), ()) if stage else ()
        cards.append(
            StageCard(
                number=number,
                stage_id=stage_id,
                name=name,
                weight=weight,
                machine=machine,
                final=OUTCOMES[mark.score] if mark else machine,
                comment=comment,
                result=stage,
                utterance=_utterance(heard, evidence),
                criteria=tuple(Asked(asked.get(stage_id, {}).get(c.criterion_id, c.criterion_id), c) for c in stage.criteria)
                if stage
                else tuple(Asked(question, None) for question in asked.get(stage_id, {}).values()),
                mark=mark,
                appeals=tuple(one for one in appeals if one.stage_id == stage_id),
            )
        )
    return cards


def _best_first(stage: StageResult) -> list[CriterionResult]:
    return sorted((c for c in stage.criteria if c.met), key=lambda c: -c.confidence)


def _utterance(heard: Transcript | None, evidence: Sequence[int]) -> Utterance | None:
    if heard is None or not evidence or not 0 <= evidence[0] < len(heard.utterances):
        return None
    return heard.utterances[evidence[0]]


def _definition(session: Session, row: Result) -> tuple[Checklist | Table | None, int | None]:
    """The version the result was made by, and its number; neither when it is not known any more."""
    kind = definitions.as_kind(row.kind)
    try:
        found = definitions.load(session, kind, row.definition_id, row.version)
    except NotFound:
        return None, None
    return found, definitions.number_of(session, kind, row.definition_id, row.version)
