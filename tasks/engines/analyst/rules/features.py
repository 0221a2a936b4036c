"""What the small models look at: one row of named figures a turn, and its bag of words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from tasks.engines.analyst.rules import intros
from tasks.engines.analyst.rules.scene import Scene, Turn, asks_price
from tasks.engines.analyst.rules.text import words_of

# Groups of the neighbouring turns that tell what a turn is: the question before an answer, the assent after a proposal.
BEFORE = ("obj.", "ask.", "price.word", "hello", "bye.", "yes", "no", "step.")
AFTER = ("yes", "no", "filler", "obj.", "bye.", "step.vague", "step.action", "hello", "price.word")
NEEDS = frozenset(("ask.task", "ask.situation", "ask.problem", "ask.purpose", "ask.preference"))
TERMS = frozenset(("ask.budget", "ask.timing", "ask.volume", "ask.decider"))
KIND = words_of(
    "хороший добрый приятный удачный отличный прекрасный теплый легкий спокойный счастливый крепкий продуктивный чудесный замечательный "
    "мягкий светлый вкусный ясный успешный самый лучший наилучший всякий быстрый уютный солнечный"
)
ELSEWHERE = frozenset(("price.others", "price.refused", "reported"))  # sums with these are hardly the price of what is offered
SHORT, LONG = 3, 12  # words


def features(scene: Scene, turn: Turn) -> dict[str, float]:
    """Named figures of one turn in its context; absent means 0."""
    row = dict.fromkeys(_flags(scene, turn), 1.0)
    row["words"] = min(len(turn.words), LONG) / LONG
    row["from_start"] = math.exp(-turn.place / 3)
    row["from_end"] = math.exp(-(len(scene.turns) - 1 - turn.place) / 3)
    row["sentence_count"] = min(len([t for t in turn.tokens if t.norm in ".!?"]), 4) / 4
    return row


def bag(turn: Turn) -> frozenset[str]:
    """Lemmas and pairs of neighbours; names, sums, dates and numbers by their kind, so that the model learns no examples."""
    words = list(_kinds(turn))
    pairs = (f"{a} {b}" for a, b in pairwise(words))
    return frozenset((*words, *pairs))


def _kinds(turn: Turn) -> Iterator[str]:
    kinds: dict[int, str] = {}
    for kind, spans in (("<число>", turn.numbers), ("<имя>", turn.people), ("<деньги>", turn.money), ("<дата>", turn.moments)):
        for span in spans:
            for at in range(span.start, span.end):
                kinds[at] = kind
    last = ""
    for at, token in enumerate(turn.tokens):
        word = kinds.get(at) or ("?" if token.norm == "?" else token.lemma if token.is_word else "")
        if word and not (word == last and word.startswith("<")):
            yield word
        last = word


def _flags(scene: Scene, turn: Turn) -> Iterator[str]:
    yield from turn.groups
    yield from (f"not {g}" for g in turn.negated)
    yield from _shape(scene, turn)
    yield from _entities(turn)
    yield from intros.cues(scene, turn)
    yield from _grammar(turn)
    yield from _context(scene, turn)


def question(scene: Scene, turn: Turn) -> bool:
    """Whether the turn asks: by its mark where marks are kept, by its words where they are not."""
    return turn.marked_question or (turn.worded_question and (not scene.punctuated or "ask.tell" in turn.groups))


def _shape(scene: Scene, turn: Turn) -> Iterator[str]:
    asks = question(scene, turn)
    if asks:
        yield "asks"
        yield from (f"asks+{name}" for name, groups in (("needs", NEEDS), ("terms", TERMS)) if groups & turn.groups)
        yield from (f"asks+{g}" for g in turn.groups if g.startswith("ask."))
    elif turn.worded_question:
        yield "asks?"
    if turn.marked_question and turn.worded_question:
        yield "asks openly"
    if not scene.punctuated:
        yield "raw"
    if len(turn.words) <= SHORT:
        yield "short"
    if len(turn.words) >= LONG:
        yield "long"
        if not asks:
            yield "long statement"


def _wishes(turn: Turn) -> bool:
    """«тёплого вам дня», «мягкой посадки»: a kind adjective and a noun, both in the genitive."""
    words = turn.words
    for at, word in enumerate(words):
        if word.lemmas & KIND and "gent" in word.grammar.tags:
            after = [w for w in words[at + 1 : at + 4] if w.norm not in ("вам", "тебе", "вашей", "вашему", "всем", "и")][:1]
            if after and {"NOUN", "gent"} <= after[0].grammar.tags:
                return True
    return False


def _entities(turn: Turn) -> Iterator[str]:
    signs = {
        "bye wishes": _wishes(turn),
        "bye let it": any(w.norm in ("пусть", "пускай") for w in turn.words),
        "money": bool(turn.money),
        "money sure": any(m.sure for m in turn.money),
        "money cue": any(m.cue for m in turn.money),
        "money per": any(m.per for m in turn.money),
        "money range": any(m.high for m in turn.money),
        "money many": len(turn.money) > 1,
        "money stated": any(m.sure and m.cue for m in turn.money) and not turn.groups & ELSEWHERE and not turn.marked_question,
        "money answered": turn.asked_price and bool(turn.money) and not turn.groups & ELSEWHERE,
        "moment": any(m.concrete for m in turn.moments),
        "hour": any(m.clock is not None and m.clock.sure for m in turn.moments),
        "moment vague": any(not m.concrete and not m.past for m in turn.moments),
        "moment past": any(m.past for m in turn.moments),
        "person": bool(turn.people),
        "number": bool(turn.numbers),
    }
    yield from (name for name, there in signs.items() if there)


def _grammar(turn: Turn) -> Iterator[str]:
    for word in turn.words:
        tags = word.grammar.tags
        if "1per" in tags and "futr" in tags:
            yield "verb I will"
        elif "1per" in tags and "pres" in tags:
            yield "verb I do"
        elif "impr" in tags and "VERB" in tags and "NOUN" not in tags:
            yield "verb do it"
        elif "VERB" in tags and "past" in tags:
            yield "verb past"
        elif "COMP" in tags:
            yield "comparative"
    if any(t.norm == "не" for t in turn.words):
        yield "не"


def _context(scene: Scene, turn: Turn) -> Iterator[str]:
    before, after = scene.previous(turn), scene.following(turn)
    yield from ["opens"] if before is None else (f"before {name}" for name in _said_before(scene, before))
    yield from ["closes"] if after is None else (f"after {name}" for name in _said_after(scene, after))


def _said_before(scene: Scene, before: Turn) -> Iterator[str]:
    yield from (g for g in before.groups if g.startswith(BEFORE))
    if question(scene, before):
        yield "asks"
    if asks_price(before.tokens):
        yield "asks price"
    if before.money:
        yield "money"
    if any(m.concrete for m in before.moments):
        yield "moment"


def _said_after(scene: Scene, after: Turn) -> Iterator[str]:
    yield from (g for g in after.groups if g.startswith(AFTER))
    if len(after.words) >= 6:
        yield "long"
    if after.numbers:
        yield "number"
    if any(m.concrete for m in after.moments):
        yield "moment"
    if question(scene, after):
        yield "asks"
