"""What readers share: the call, what they answer, and how near a cue stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from checklists.definitions import TableField
from tasks.engines.analyst import Context
from tasks.engines.analyst.rules.analysis import Analysis
from tasks.engines.analyst.rules.features import question
from tasks.engines.analyst.rules.phrases import Lexicon, plain_phrase
from tasks.engines.analyst.rules.scene import Scene, Turn
from tasks.engines.analyst.rules.text import repair, tokens

NEAR = 7  # words between a cue and its value
ASKED = 0.6  # what a cue in the question before is worth beside one in the same breath


@dataclass(frozen=True, slots=True)
class Found:
    """A raw value with the utterances that prove it, best first."""

    value: Any
    evidence: tuple[int, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no value; `confidence` that it was really not said."""

    reason: str
    confidence: float = 0.7


@dataclass(frozen=True)
class Call:
    """One call for the readers; `at` is its local start."""

    analysis: Analysis
    context: Context
    at: datetime

    @classmethod
    def of(cls, analysis: Analysis, context: Context) -> Call:
        """With the start in the zone in which people speak of days."""
        return cls(analysis, context, context.at.astimezone(ZoneInfo(context.time_zone)))

    @property
    def scene(self) -> Scene:
        return self.analysis.scene

    @cached_property
    def other(self) -> dict[int, Turn]:
        """The turn of the other side before each turn, by place."""
        return {t.place: before for t in self.scene.turns if (before := self.scene.previous(t)) is not None}

    def turns(self, field: TableField) -> list[Turn]:
        """The turns of the side that the field belongs to."""
        return [t for t in self.scene.turns if self.scene.may(t, field.speaker)]


def cues_of(field: TableField) -> Lexicon:
    """The cues of a field; those of its title where none are given."""
    given = [plain_phrase(c) for c in field.cues]
    words = [t.norm for t in tokens(repair(field.title)) if t.is_word and len(t.norm) > 3]
    return Lexicon.build({"cue": [c for c in (given or words) if c]})


def nearness(call: Call, cues: Lexicon, turn: Turn, start: int, end: int, *, told: float = 0.0) -> float:
    """1 for a cue beside the tokens, falling to 0 with distance; less for a cue in the question that was answered.

    `told` is what a cue in a mere remark of the other side is worth.
    """
    best = max((1 - _distance(h.start, h.end, start, end) / (NEAR + 1) for h in cues.hits(turn.tokens)), default=0.0)
    before = call.other.get(turn.place)
    if best < ASKED and before is not None and turn.place - before.place <= 2 and len(turn.words) <= 12:
        cued = bool(cues.hits(before.tokens))
        best = max(best, (ASKED if question(call.scene, before) else told) if cued else 0.0)
    return max(best, 0.0)


def _distance(start: int, end: int, other_start: int, other_end: int) -> int:
    return max(other_start - end, start - other_end, 0)


def words_between(turn: Turn, start: int, end: int) -> str:
    """The words of a token range."""
    return " ".join(t.norm for t in turn.tokens[start:end] if t.is_word)


def overlaps(start: int, end: int, spans: Sequence[Any]) -> bool:
    """Whether a token range meets one of the spans."""
    return any(start < s.end and s.start < end for s in spans)
