"""Words of a recogniser: lower case, without punctuation, sometimes glued; here they get lemmas and grammar."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

TOKEN = re.compile(r"[a-zа-я]+(?:-[a-zа-я]+)*|[0-9]+|[?!.,;:%₽$€@/«»()–—-]|\S")
WORDS_KEPT = 65_536  # distinct word forms whose grammar is remembered; a year of calls of one company has fewer

FIGURE = "(?:од[ин]|дв[ауе]|тр[ие]|четыр|пят|шест|сем|вос[еь]м|девят|десят|одиннадцат|двенадцат|сорок|сто|пол)[а-я]*"

# What recognisers make of the commonest formulae.
REPAIRS = [
    (re.compile(pattern), repaired)
    for pattern, repaired in (
        (r"\b(?:ми?н[яе]|меня)\s*за?о?вут\b", "меня зовут"),
        (r"\bдобр(?:ы|ои|ой|оый|ый)\s*д(?:ень|ен|енъ)\b", "добрый день"),
        (r"\bд?добрыйден[ья]?\b", "добрый день"),
        (r"\bздр?авств?уй?(?:те|ти|тэ)?\b", "здравствуйте"),
        (r"\b(?:здрасьте|здрасте|здрасти|драсте|дрась?те|здрась)\b", "здравствуйте"),
        (r"\bдос?видани[яе]\b|\bдо свиданье\b|\bда свидания\b", "до свидания"),
        (r"\b(?:щас|щяс|счас|сичас|ща)\b", "сейчас"),
        (r"\b(?:чо|чё|че|шо|што)\b", "что"),
        (r"\bво?об?щем\b|\bвообщем\b", "в общем"),
        (r"\b(?:тыщи?|тыщь?|тыш)\b", "тысяч"),
        (r"\bтыща\b", "тысяча"),
        (r"\bскока\b", "сколько"),
        (r"\bчек[ -]?лист", "чеклист"),
        (rf"\b({FIGURE})-({FIGURE})\b", r"\1 - \2"),
        (r"\bпожалуст[ао]\b|\bпожалста\b|\bпажалуйста\b", "пожалуйста"),
        (r"\bпол\s+(?=(?:перв|втор|трет|четверт|пят|шест|седьм|восьм|девят|десят|одиннадцат|двенадцат)[а-я]+)", "пол"),
    )
]

_lock = threading.Lock()
_morph: Any = None


@dataclass(frozen=True, slots=True)
class Grammar:
    """What is known of a word form: the lemmas of its likely readings, the first of them, and all their grammemes.

    `name` when a first name is among the likely readings; `nominative` when the word may be a subject.
    """

    lemma: str
    lemmas: frozenset[str]
    tags: frozenset[str]
    known: bool
    name: bool = False
    nominative: bool = True


@dataclass(frozen=True, slots=True)
class Token:
    """One word or mark in lower case with ё as е; `start` and `end` are offsets in the repaired text."""

    norm: str
    start: int
    end: int
    grammar: Grammar

    @property
    def lemma(self) -> str:
        return self.grammar.lemma

    @property
    def lemmas(self) -> frozenset[str]:
        return self.grammar.lemmas

    @property
    def is_word(self) -> bool:
        return self.norm[0].isalnum()


def row(text: str) -> tuple[str, ...]:
    """The words of a line in order: long lists read better so."""
    return tuple(text.split())


def words_of(text: str) -> frozenset[str]:
    """The same as a set."""
    return frozenset(text.split())


def pairs(text: str) -> dict[str, str]:
    """«ру=ru ком=com» as a mapping."""
    return dict(pair.split("=", 1) for pair in text.split())


def morph() -> Any:
    """The one analyser of this process; its dictionaries take 25 MB."""
    global _morph  # noqa: PLW0603  loaded once on first use: importing must stay cheap
    if _morph is None:
        with _lock:
            if _morph is None:
                import pymorphy3

                _morph = pymorphy3.MorphAnalyzer()
    return _morph


@lru_cache(WORDS_KEPT)
def grammar(word: str) -> Grammar:
    """Grammar of one lower-case word; every reading with a share of at least a tenth counts."""
    if not word[0].isalpha():
        return Grammar(word, frozenset((word,)), frozenset(), known=True)
    parses = morph().parse(word)
    likely = [p for p in parses if p.score >= 0.1] or parses[:1]
    lemmas = tuple(_plain(p.normal_form) for p in likely)
    tags = frozenset(g for p in parses[:6] if p.score >= 0.05 for g in p.tag.grammemes)
    name = parses[0].is_known and sum(p.score for p in parses if "Name" in p.tag.grammemes) >= 0.2
    return Grammar(
        lemmas[0], frozenset(lemmas) | {word}, tags, known=parses[0].is_known, name=name, nominative=any("nomn" in p.tag for p in parses)
    )


def _plain(word: str) -> str:
    return word.lower().replace("ё", "е")


def repair(text: str) -> str:
    """Lower case, ё as е, the commonest mishearings undone."""
    plain = _plain(text).replace("\u00a0", " ")
    for pattern, repaired in REPAIRS:
        plain = pattern.sub(repaired, plain)
    return plain


def tokens(text: str) -> tuple[Token, ...]:
    """Words and marks of a repaired text in order."""
    return tuple(Token(m.group(), m.start(), m.end(), grammar(m.group())) for m in TOKEN.finditer(text))
