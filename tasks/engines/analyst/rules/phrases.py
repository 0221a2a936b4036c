"""Phrases matched by word forms: «какой|что * задача» finds «какие у вас сейчас задачи»."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import yaml
from rapidfuzz import fuzz, process

from tasks.engines.analyst.rules.text import Token, grammar, repair, tokens, words_of

DATA = Path(__file__).parent / "data"
WIDE, NARROW = 3, 1  # words that `*` skips, and those that may slip between neighbours: «а вот какой же у вас»
MISHEARD = 84  # rapidfuzz ratio from which an unknown word counts as a mishearing of a lexicon word
MISHEARD_LETTERS = 6  # shorter words have too many neighbours
NEGATIONS = words_of("не нет ни без нельзя")


@dataclass(frozen=True, slots=True)
class Element:
    """One place of a phrase: allowed lemmas, allowed exact forms, and how many words may be skipped before it."""

    lemmas: frozenset[str]
    exact: frozenset[str]
    gap: int

    def fits(self, token: Token, lemmas: frozenset[str]) -> bool:
        return token.norm in self.exact or not self.lemmas.isdisjoint(lemmas)


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase of `group` over `tokens[start:end]`; `negated` when a «не» stands right before it."""

    group: str
    start: int
    end: int
    negated: bool


@dataclass
class Lexicon:
    """Groups of phrases behind one index by first word. Build once, use from any thread."""

    index: dict[str, list[tuple[str, tuple[Element, ...]]]] = field(default_factory=lambda: defaultdict(list))
    words: frozenset[str] = frozenset()

    @classmethod
    def build(cls, groups: Mapping[str, Iterable[str]]) -> Lexicon:
        """`groups` maps a name to its phrases."""
        lexicon = cls()
        words: set[str] = set()
        for group, phrases in groups.items():
            for phrase in phrases:
                elements = compile_phrase(phrase)
                for word in elements[0].lemmas | elements[0].exact:
                    lexicon.index[word].append((group, elements))
                words |= {w for e in elements for w in e.lemmas | e.exact if len(w) >= MISHEARD_LETTERS}
        lexicon.index = dict(lexicon.index)
        lexicon.words = frozenset(words)
        return lexicon

    def hits(self, tokens: Sequence[Token]) -> list[Hit]:
        """Every phrase that occurs, at most once a group and place."""
        words = [t for t in tokens if t.is_word]
        places = [i for i, t in enumerate(tokens) if t.is_word]
        lemmas = [self.lemmas(t) for t in words]
        found: set[Hit] = set()
        for at, token in enumerate(words):
            for key in lemmas[at] | {token.norm}:
                for group, elements in self.index.get(key, ()):
                    end = _match(elements, words, lemmas, at)
                    if end:
                        negated = group != "no" and any(w.norm in NEGATIONS for w in words[max(0, at - 2) : at])
                        found.add(Hit(group, places[at], places[end - 1] + 1, negated))
        return sorted(found, key=lambda h: (h.start, h.end, h.group))

    def lemmas(self, token: Token) -> frozenset[str]:
        """The lemmas of a word; those of the lexicon word it was misheard for, if the dictionary does not know it."""
        if token.grammar.known or len(token.norm) < MISHEARD_LETTERS:
            return token.lemmas
        near = _nearest(token.norm, self.words)
        return token.lemmas | {near} if near else token.lemmas


@lru_cache(8192)
def _nearest(word: str, words: frozenset[str]) -> str | None:
    best = process.extractOne(word, words, scorer=fuzz.ratio, score_cutoff=MISHEARD)
    return best[0] if best else None


def compile_phrase(phrase: str, gap: int = NARROW) -> tuple[Element, ...]:
    """The places of a phrase; raises ValueError for a phrase without words."""
    elements: list[Element] = []
    skip = gap
    for part in phrase.split():
        if part == "*":
            skip = WIDE
            continue
        elements.append(_element(part, skip if elements else 0))
        skip = gap
    if not elements:
        raise ValueError(f"no words in {phrase!r}")
    return tuple(elements)


def _element(part: str, gap: int) -> Element:
    lemmas: set[str] = set()
    exact: set[str] = set()
    for word in part.split("|"):
        plain = repair(word.lstrip("="))
        if word.startswith("="):
            exact.add(plain)
        else:
            known = grammar(plain)
            lemmas |= {known.lemma, plain}
    return Element(frozenset(lemmas), frozenset(exact), gap)


def _match(elements: Sequence[Element], words: Sequence[Token], lemmas: Sequence[frozenset[str]], at: int) -> int:
    """The end of the phrase that starts at `at`, 0 if it does not; the nearest words win."""
    end = at + 1
    for element in elements[1:]:
        for place in range(end, min(end + element.gap + 1, len(words))):
            if element.fits(words[place], lemmas[place]):
                end = place + 1
                break
        else:
            return 0
    return end


def plain_phrase(text: str) -> str:
    """A phrase written by a person in ordinary words, in the language of this module."""
    return " ".join(t.norm for t in tokens(repair(text)) if t.is_word)


@lru_cache(1)
def house_lexicon() -> Lexicon:
    """The lexicon that ships with the engine."""
    groups = yaml.safe_load((DATA / "lexicon.yaml").read_text(encoding="utf-8"))
    return Lexicon.build(groups)


@lru_cache(1)
def meta_lexicon() -> Lexicon:
    """Talk about the check itself: `strong`, and `weak.<kind>`."""
    data = yaml.safe_load((DATA / "meta.yaml").read_text(encoding="utf-8"))
    return Lexicon.build({"strong": data["strong"]} | {f"weak.{kind}": phrases for kind, phrases in data["weak"].items()})
