"""Criteria without a named detector: by their phrases, by their entity, or by the meaning of their question and examples."""

from __future__ import annotations

from collections.abc import Mapping

from checklists.definitions import Party
from tasks.engines.analyst.rules.acts import Linear, probability
from tasks.engines.analyst.rules.analysis import Analysis
from tasks.engines.analyst.rules.features import question
from tasks.engines.analyst.rules.pack import Candidate
from tasks.engines.analyst.rules.rubric import Conditions, Meaning, content_words
from tasks.engines.analyst.rules.scene import Scene, Turn
from tasks.engines.analyst.rules.semantic import Vectors

BY_RULE = 0.85  # a written phrase was found: precise, though it may be quoted or joked about


def holds(scene: Scene, turn: Turn, conditions: Conditions) -> bool:
    """Whether every condition of the rule is true of this turn."""
    rule = conditions.rule
    return (
        len(turn.words) >= rule.min_words
        and (rule.speaker is None or scene.may(turn, rule.speaker))
        and (rule.question is None or question(scene, turn) == rule.question)
        and (rule.entity is None or has_entity(turn, rule.entity))
        and (not conditions.any or any(p.found(turn) for p in conditions.any))
        and all(p.found(turn) for p in conditions.all)
        and not any(p.found(turn) for p in conditions.none)
    )


def has_entity(turn: Turn, entity: str) -> bool:
    """Whether the turn names such a thing."""
    if entity == "money":
        return bool(turn.money)
    if entity == "date":
        return any(m.day is not None and m.concrete for m in turn.moments)
    if entity == "time":
        return any(m.clock is not None for m in turn.moments)
    if entity == "phone":
        return bool(turn.phones)
    return bool(turn.people) if entity == "person" else bool(turn.numbers)


def by_rule(analysis: Analysis, party: Party, conditions: Conditions) -> list[Candidate]:
    """Turns of the party for which the whole rule holds."""
    scene = analysis.scene
    return [Candidate(t, BY_RULE) for t in scene.turns if scene.may(t, party) and holds(scene, t, conditions)]


def by_meaning(analysis: Analysis, party: Party, meaning: Meaning, models: Mapping[str, Linear]) -> list[Candidate]:
    """Turns of the party that say what the criterion asks about, most likely first."""
    scene, vectors = analysis.scene, analysis.vectors
    found = []
    for turn in scene.turns:
        if scene.may(turn, party) and len(turn.words) > 1:
            row = likeness(scene, turn, meaning, None if vectors is None else vectors[turn.place])
            found.append(Candidate(turn, probability(models[analysis.kind].logit(row))))
    return sorted(found, key=lambda c: -c.probability)


def likeness(scene: Scene, turn: Turn, meaning: Meaning, vector: Vectors | None) -> dict[str, float]:
    """Figures of how near a turn is to a criterion."""
    words = content_words(turn.plain)
    shared = len(words & meaning.words)
    asks = question(scene, turn)
    row = {
        "shared words": min(shared, 4) / 4,
        "share of words": shared / max(len(words), 3),
        "asks as wanted": float(asks and meaning.wants_question),
        "asks unwanted": float(asks and not meaning.wants_question),
        "silent unwanted": float(not asks and meaning.wants_question),
        "words": min(len(turn.words), 20) / 20,
    }
    if vector is not None:
        row |= _closeness(vector, meaning)
    return row


def _closeness(vector: Vectors, meaning: Meaning) -> dict[str, float]:
    """Cosines, stretched: those of this encoder live between .75 and .95."""
    ask = _stretched(vector, meaning.ask)
    good = _stretched(vector, meaning.examples) if meaning.examples is not None else ask
    bad = _stretched(vector, meaning.counter) if meaning.counter is not None else min(ask, good) - 0.5
    row = {"near ask": ask, "near example": good, "over counter": good - bad}
    if meaning.others is not None:
        row["over others"] = max(ask, good) - _stretched(vector, meaning.others)
    return row


def _stretched(vector: Vectors, others: Vectors | None) -> float:
    return (float((others @ vector).max()) - 0.85) * 10 if others is not None else 0.0
