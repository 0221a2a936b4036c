"""A checklist made ready for matching: phrases compiled, examples turned into vectors once a version."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from checklists.definitions import Checklist, Criterion, Rule, Stage
from tasks.engines.analyst.rules.phrases import Lexicon, plain_phrase
from tasks.engines.analyst.rules.scene import Turn
from tasks.engines.analyst.rules.semantic import Encoder, Vectors
from tasks.engines.analyst.rules.text import repair, tokens, words_of

KEPT = 64  # checklist versions whose rubric is remembered: 60 KB each with vectors
STOP = words_of("NPRO PREP CONJ PRCL INTJ")
ASKS = re.compile(r"\b(?:спросил|задал|уточнил|поинтересовал|узнал|выяснил|расспросил|запросил)")


@dataclass(frozen=True)
class Phrase:
    """One entry of `any`, `all` or `none`."""

    pattern: re.Pattern[str] | None
    lexicon: Lexicon | None

    def found(self, turn: Turn) -> bool:
        """Whether the turn contains it, not negated."""
        if self.pattern is not None:
            return bool(self.pattern.search(" ".join(t.norm for t in turn.tokens)))
        return self.lexicon is not None and any(not h.negated for h in self.lexicon.hits(turn.tokens))


@dataclass(frozen=True)
class Conditions:
    """A rule without its detector."""

    any: tuple[Phrase, ...]
    all: tuple[Phrase, ...]
    none: tuple[Phrase, ...]
    rule: Rule

    @property
    def lexical(self) -> bool:
        """Whether there is anything to find by, beside a detector."""
        return bool(self.any or self.all or self.rule.entity)


@dataclass(frozen=True)
class Meaning:
    """What a criterion is about: vectors of its question and examples, its content words, and whether it wants a question.

    `others` are the vectors of the other criteria: what is nearer to one of them belongs there.
    """

    ask: Vectors | None
    examples: Vectors | None
    counter: Vectors | None
    words: frozenset[str]
    wants_question: bool
    others: Vectors | None = None


@dataclass(frozen=True)
class Rubric:
    """Conditions and meanings by place in the checklist: (stage id, criterion id); stages by (stage id, "")."""

    conditions: dict[tuple[str, str], Conditions]
    meanings: dict[tuple[str, str], Meaning]


class Rubrics:
    """The last rubrics, by version. Thread-safe."""

    def __init__(self, encoder: Encoder | None) -> None:
        self._encoder = encoder
        self._kept: OrderedDict[str, Rubric] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, checklist: Checklist) -> Rubric:
        """The rubric of a version, built once."""
        with self._lock:
            if checklist.version not in self._kept:
                self._kept[checklist.version] = _build(checklist, self._encoder)
            self._kept.move_to_end(checklist.version)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[checklist.version]


def _build(checklist: Checklist, encoder: Encoder | None) -> Rubric:
    conditions: dict[tuple[str, str], Conditions] = {}
    meanings: dict[tuple[str, str], Meaning] = {}
    for stage in checklist.stages:
        if stage.applies_if:
            conditions[stage.id, ""] = compile_rule(stage.applies_if)
        if stage.applies_ask:
            meanings[stage.id, ""] = meaning(stage.applies_ask, (), (), encoder)
        for one in stage.criteria:
            if one.rule:
                conditions[stage.id, one.id] = compile_rule(one.rule)
            if needs_meaning(one):
                meanings[stage.id, one.id] = meaning(one.ask, one.examples, one.counter_examples, encoder, others(checklist, stage, one))
    return Rubric(conditions, meanings)


def others(checklist: Checklist, stage: Stage, criterion: Criterion) -> list[str]:
    """The questions and examples of every other criterion for the same side."""
    party = criterion.speaker or stage.speaker
    rest = (
        c for s in checklist.stages for c in s.criteria if (s.id, c.id) != (stage.id, criterion.id) and (c.speaker or s.speaker) == party
    )
    return [text for c in rest for text in (c.ask, *c.examples)]


def needs_meaning(criterion: Criterion) -> bool:
    """A named detector knows its subject already; everything else may be helped by the examples."""
    return not (criterion.rule and criterion.rule.use) and (criterion.semantic or criterion.rule is None)


def compile_rule(rule: Rule) -> Conditions:
    """Phrases of people's words; `re:` are regular expressions over lower-case words."""
    return Conditions(_phrases(rule.any), _phrases(rule.all), _phrases(rule.none), rule)


def _phrases(phrases: Sequence[str]) -> tuple[Phrase, ...]:
    return tuple(_phrase(p) for p in phrases)


def _phrase(text: str) -> Phrase:
    if text.startswith("re:"):
        return Phrase(re.compile(text[3:].lower().replace("ё", "е")), None)
    return Phrase(None, Lexicon.build({"phrase": [plain_phrase(text)]}))


def meaning(ask: str, examples: Sequence[str], counter: Sequence[str], encoder: Encoder | None, rest: Sequence[str] = ()) -> Meaning:
    """Vectors are of the same plain form as those of turns."""

    def encode(texts: Sequence[str]) -> Vectors | None:
        return encoder.encode([plain_phrase(t) for t in texts]) if encoder and texts else None

    told = " ".join((ask, *examples))
    return Meaning(encode([ask]), encode(examples), encode(counter), content_words(told), bool(ASKS.search(repair(ask))), encode(rest))


def content_words(text: str) -> frozenset[str]:
    """Lemmas that carry meaning; the actors of every criterion are left out."""
    found = (t for t in tokens(repair(text)) if t.is_word and len(t.norm) > 2 and not t.grammar.tags & STOP)
    return frozenset(t.lemma for t in found) - {
        "менеджер",
        "клиент",
        "сотрудник",
        "оператор",
        "назвать",
        "сказать",
        "спросить",
        "задать",
        "быть",
    }
