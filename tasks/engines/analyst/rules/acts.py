"""How likely each turn is each act of a sale: small linear models over named figures, words and sentence vectors."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np
import yaml

from tasks.engines.analyst.rules import intros
from tasks.engines.analyst.rules.features import bag, features
from tasks.engines.analyst.rules.phrases import DATA
from tasks.engines.analyst.rules.scene import Scene, Turn
from tasks.engines.analyst.rules.semantic import Vectors

Act = Literal["hello", "name", "needs", "terms", "benefit", "objection", "answer", "price", "step", "bye"]
CUSTOMER_ACTS: tuple[Act, ...] = ("objection",)
MANAGER_ACTS: tuple[Act, ...] = ("hello", "name", "needs", "terms", "benefit", "price", "step", "bye", "answer")
AROUND = 9  # words on each side of a sum, a date or a name that say what it is
REPLY_TURNS = 4  # turns after an objection in which the manager's words may still answer it
OBJECTION_LIKELY = 0.3  # below this no reply is looked for


class Span(Protocol):
    """A range of tokens."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


@dataclass(frozen=True)
class Linear:
    """A logistic model over named figures."""

    bias: float
    weights: Mapping[str, float]

    def logit(self, row: Mapping[str, float]) -> float:
        weights = self.weights
        return self.bias + sum(weights[name] * value for name, value in row.items() if name in weights)


@dataclass(frozen=True)
class Calibration:
    """Turns the probability of the best candidate into the probability that the criterion is met."""

    slope: float = 1.0
    offset: float = 0.0

    def __call__(self, raw: float) -> float:
        raw = min(max(raw, 1e-6), 1 - 1e-6)
        return probability(self.slope * math.log(raw / (1 - raw)) + self.offset)


@dataclass(frozen=True)
class Models:
    """All weights. `combine` and `calibrations` have a row for `semantic` and one for `plain` (no encoder)."""

    words: Mapping[str, Linear]
    vectors: Mapping[str, tuple[float, Vectors]]
    combine: Mapping[str, Mapping[str, Linear]]
    calibrations: Mapping[str, Mapping[str, Calibration]]
    likeness: Mapping[str, Linear]
    version: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Models:
        """From the readable file that `scripts/train_rules.py` writes."""
        return cls(
            {act: _linear(m) for act, m in data["words"].items()},
            {act: (m["bias"], np.array(m["weights"], np.float32)) for act, m in data["vectors"].items()},
            {kind: {act: _linear(m) for act, m in row.items()} for kind, row in data["combine"].items()},
            {kind: {name: Calibration(*pair) for name, pair in row.items()} for kind, row in data["calibrations"].items()},
            {kind: _linear(m) for kind, m in data["likeness"].items()},
            data["version"],
        )


def _linear(data: Mapping[str, Any]) -> Linear:
    return Linear(data["bias"], data["weights"])


@lru_cache(1)
def load() -> Models:
    """The weights that ship with the engine."""
    return Models.from_json(json.loads((DATA / "weights.json").read_text(encoding="utf-8")))


def probability(logit: float) -> float:
    """The logistic function, safe for any size."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def eligible(scene: Scene, turn: Turn, act: str) -> bool:
    """Whether the right side speaks, and whether what the act cannot be without is there."""
    if not scene.may(turn, "customer" if act in CUSTOMER_ACTS else "manager"):
        return False
    if act == "price":
        return bool(turn.money) or _percent(turn)
    if act == "step":
        return bool(moments_near(scene, turn)) and not refused(scene, turn)
    if act == "name":
        return bool(turn.people) or intros.own_name(turn) is not None
    return True


def _percent(turn: Turn) -> bool:
    return any(t.norm == "%" or "процент" in t.lemmas for t in turn.words) or "%" in {t.norm for t in turn.tokens}


def moments_near(scene: Scene, turn: Turn) -> list[int]:
    """Turns that give this one its date or time: itself, or the other side's words right before or after."""
    near = [turn, scene.previous(turn), scene.following(turn)]
    return [t.id for t in near if t is not None and abs(t.place - turn.place) <= 2 and any(m.concrete for m in t.moments)]


@lru_cache(1)
def prefixes() -> Mapping[str, tuple[str, ...]]:
    """Act → beginnings of the names of the figures that its combined model may look at (data/seen.yaml)."""
    return {act: tuple(names) for act, names in yaml.safe_load((DATA / "seen.yaml").read_text(encoding="utf-8")).items()}


def seen(act: str, row: Mapping[str, float]) -> dict[str, float]:
    """The figures of a turn that the combined model of an act looks at."""
    return {name: value for name, value in row.items() if name.startswith(prefixes()[act])}


def refused(scene: Scene, turn: Turn) -> bool:
    """Whether a proposal was turned down: the next words say no, agree to nothing and name no other time."""
    after = scene.following(turn)
    if after is None or "yes" in after.groups or any(m.concrete for m in after.moments):
        return False
    return "no" in after.groups


def rows(scene: Scene) -> dict[int, dict[str, float]]:
    """The figures of every turn, by place."""
    return {turn.place: features(scene, turn) for turn in scene.turns}


def focus(turn: Turn, act: str) -> Turn:
    """The part of a long turn around what the act cannot be without; the turn itself where that is all of it."""
    essential: Mapping[str, Sequence[Span]] = {"price": turn.money, "step": turn.moments, "name": turn.people}
    spans = essential.get(act, ())
    if not spans or len(turn.tokens) <= 2 * AROUND:
        return turn
    kept = {i for span in spans for i in range(span.start - AROUND, span.end + AROUND)}
    return replace(turn, tokens=tuple(t for i, t in enumerate(turn.tokens) if i in kept))


def met_with(scene: Scene, turn: Turn, act: str, found: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    """How a proposal was met: the probability that the other side's next words object to it."""
    after = scene.following(turn) if act == "step" else None
    return {"after objection": found["objection"].get(after.place, 0.0)} if after else {}


def replied(scene: Scene, objections: Mapping[int, float]) -> Iterator[tuple[Turn, dict[str, float]]]:
    """Turns that may answer an objection, with figures about the objection they would answer."""
    for turn in scene.turns:
        if not scene.may(turn, "manager"):
            continue
        before = [(place, p) for place, p in objections.items() if 0 < turn.place - place <= REPLY_TURNS and p >= OBJECTION_LIKELY]
        if before:
            nearest = max(place for place, _ in before)
            between = sum(scene.may(t, "customer") for t in scene.turns[nearest + 1 : turn.place]) if scene.sure else 0
            yield (
                turn,
                {
                    "objection before": max(p for _, p in before),
                    "objection distance": (turn.place - nearest) / REPLY_TURNS,
                    "first reply": float(turn.place == nearest + 1),
                    "customer between": float(between > 0),
                },
            )


def score(scene: Scene, models: Models, vectors: Mapping[int, Vectors] | None) -> dict[str, dict[int, float]]:
    """Act → place of the turn → probability. `vectors` by place; None means without the encoder."""
    figures = rows(scene)
    bags = {turn.place: dict.fromkeys(bag(turn), 1.0) for turn in scene.turns}
    kind = "plain" if vectors is None else "semantic"

    def one(act: str, turn: Turn, extra: Mapping[str, float]) -> float:
        near = focus(turn, act)
        row = (figures[turn.place] if near is turn else features(scene, near)) | dict(extra)
        row["by words"] = models.words[act].logit(bags[turn.place] if near is turn else dict.fromkeys(bag(near), 1.0))
        if vectors is not None:
            bias, weights = models.vectors[act]
            row["by meaning"] = bias + float(weights @ vectors[turn.place])
        return probability(models.combine[kind][act].logit(row))

    found: dict[str, dict[int, float]] = {}
    for act in (*CUSTOMER_ACTS, *MANAGER_ACTS):
        if act != "answer":
            found[act] = {t.place: one(act, t, met_with(scene, t, act, found)) for t in scene.turns if eligible(scene, t, act)}
    found["answer"] = {t.place: one("answer", t, extra) for t, extra in replied(scene, found["objection"])}
    return found
