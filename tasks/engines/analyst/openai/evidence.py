"""Whether what a model cites was really said, where it says, by whom it must be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from checklists.definitions import Party
from tasks.engines.analyst.openai.case import CUT, Case

MOST = 3  # utterances of one proof
QUOTE_CHARS = 600  # of a quote that are compared
# Measured: exact quotes score 100, re-punctuated and re-spelled ones 77 and more, invented and paraphrased ones 65 and less.
CERTAIN, PLAUSIBLE = 90.0, 75.0
PROBLEMS = {
    "none": "не указана реплика-доказательство",
    "range": "реплики с таким номером нет",
    "words": "отрывка нет в указанной реплике",
    "empty": "не приведён дословный отрывок",
    "window": "реплика вне отведённой части разговора",
    "speaker": "реплику сказал не тот, чьи слова засчитываются",
}


@dataclass(frozen=True)
class Proof:
    """Verified utterances, the quoted one first; `match` 0 to 1 says how literally it was quoted; `problem` when there are none."""

    numbers: tuple[int, ...] = ()
    match: float = 0.0
    problem: str = ""


def verify(case: Case, cited: Sequence[int], quote: str, party: Party, allowed: frozenset[int]) -> Proof:
    """Checks range, words, window and speaker of a citation; numbering that is off by one is put right by the quote."""
    known = [n for n in dict.fromkeys(cited) if 0 <= n < len(case.shown.texts)][:MOST]
    if not known:
        return _bad("range" if cited else "none")
    quote = quote[:QUOTE_CHARS]
    if not _plain(quote):
        return _bad("empty")
    anchor, score = _anchor(case, known, quote)
    if score < PLAUSIBLE:
        return _bad("words")
    if anchor not in allowed:
        return _bad("window")
    if not case.may_speak(anchor, party):
        return _bad("speaker")
    others = [n for n in known if n != anchor and n in allowed and case.may_speak(n, party)]
    return Proof((anchor, *others), score / 100)


def mentioned(case: Case, cited: Iterable[int], party: Party) -> tuple[int, ...]:
    """The cited utterances that exist and are `party`'s own."""
    return tuple(n for n in dict.fromkeys(cited) if n in case.telling and case.may_speak(n, party))[:MOST]


def _bad(problem: str) -> Proof:
    return Proof(problem=PROBLEMS[problem])


def _anchor(case: Case, known: Sequence[int], quote: str) -> tuple[int, float]:
    """The utterance that holds the quote best: a cited one, or its neighbour when that one is certain and the cited one is not."""
    best = max(known, key=lambda n: _score(case, quote, n))
    score = _score(case, quote, best)
    near = {n + step for n in known for step in (-1, 1)} & set(case.telling) if score < CERTAIN else set()
    other = max(sorted(near), key=lambda n: _score(case, quote, n), default=best)
    return (other, _score(case, quote, other)) if _score(case, quote, other) >= CERTAIN else (best, score)


def _score(case: Case, quote: str, number: int) -> float:
    """How well the quote is found in the utterance, 0 to 100; one longer than it may run over its neighbours."""
    words, text = _plain(quote), _plain(case.shown.texts[number])
    if not text:
        return 0.0
    if " " not in words:
        return 100.0 if words in text.split() else 0.0
    if len(words) <= len(text):
        return fuzz.partial_ratio(words, text)
    around = _plain(" ".join(case.shown.texts[max(0, number - 1) : number + 2]))
    if len(words) <= len(around) and _overlaps(words, text):
        return fuzz.partial_ratio(words, around)
    return fuzz.ratio(words, text)


def _overlaps(words: str, text: str) -> bool:
    """Whether a long quote really takes in the utterance it names, or most of a long one."""
    return fuzz.partial_ratio(text, words) >= PLAUSIBLE and len(text) * 3 >= len(words)


def _plain(text: str) -> str:
    """Lower case, ё as е, words alone."""
    return " ".join(re.findall(r"\w+", text.replace(CUT, " ").lower().replace("ё", "е")))
