"""Names of people: the customer's own words first, then how the manager addresses them."""

from __future__ import annotations

from collections import Counter

from checklists.definitions import TableField
from tasks.engines.analyst.rules import intros, names
from tasks.engines.analyst.rules.extraction.found import Call, Found, Missing
from tasks.engines.analyst.rules.scene import Scene, Turn
from tasks.engines.analyst.rules.text import words_of

ASKED_NAME = words_of("обращаться имя представьтесь величать фамилия фамилию кем")
EDGES = frozenset(("", ",", ".", "!", "?", "—", "-"))
GREETED = words_of("здравствуйте день вечер утро свидания алло але")
GREETING = words_of("здравствуйте добрый доброе да приветствую")
OTHERS = words_of("ребенок ребеночек малыш сын дочь дочка мальчик девочка муж жена мама папа кот кошка собака питомец его ее их именинник")
OWN_SIGNS = frozenset(("intro this", "intro role", "intro self", "intro before company"))
OWN_LIKELY = 0.3  # chance of an introduction from which a name is rather the manager's own
EARLY = 4  # turns in which a bare name at the start introduces the customer


def person(call: Call, field: TableField) -> Found | Missing:
    """A manager's name for a field of the manager, the customer's for every other."""
    found = _manager(call) if field.speaker == "manager" else _introduced(call) or _addressed(call)
    return found or Missing("Имя не названо.", 0.8)


def _manager(call: Call) -> Found | None:
    for turn in call.scene.turns:
        if call.scene.may(turn, "manager") and (said := _own(turn)):
            return Found(said, (turn.id,), 0.8)
    return None


def _introduced(call: Call) -> Found | None:
    """«меня зовут Марина», or the answer to «как к вам обращаться»."""
    for turn in call.scene.turns:
        if not call.scene.may(turn, "customer") or (not call.scene.sure and turn.place == 0):
            continue
        before = call.other.get(turn.place)
        asked = before is not None and turn.place - before.place == 1 and _asks_name(before)
        if intros.own_name(turn) is not None and (said := _own(turn)):
            return Found(said, (turn.id,), 0.9)
        if turn.people and asked:
            return Found(_longest(turn), (turn.id,), 0.9)
        if turn.people and turn.place < EARLY and {"intro this", "intro before company", "intro from"} & intros.cues(call.scene, turn):
            return Found(_longest(turn), (turn.id,), 0.7)
    return None


def _asks_name(turn: Turn) -> bool:
    """«как к вам обращаться», «как вас зовут», but not «меня зовут» or «как зовут ребёнка»."""
    words = {t.norm for t in turn.words}
    if any(t.lemmas & OTHERS for t in turn.words):
        return False
    return bool(words & ASKED_NAME) or ("как" in words and bool(words & {"зовут", "звать"}))


def _own(turn: Turn) -> str:
    span = intros.own_name(turn)
    for one in turn.people:
        if span is None or one.start <= span[0] < one.end:
            return one.text
    return names.nominative(turn.tokens[span[0] : span[1]]) if span else ""


def _addressed(call: Call) -> Found | None:
    """The name that the manager repeats, or the one with a patronymic; never the manager's own."""
    own = {word for t in call.scene.turns if (said := _manager_named(call, t)) for word in said.split()} | _listed(call) | _of_others(call)
    heard: Counter[str] = Counter()
    places: dict[str, int] = {}
    for turn in call.scene.turns:
        if call.scene.may(turn, "manager"):
            for one in turn.people:
                called = _vocative(call.scene, turn, one) and not OWN_SIGNS & intros.about(turn, one)
                if one.text.split()[0] not in own and one.sure and called:
                    heard[one.text] += 1
                    places.setdefault(one.text, turn.id)
    if not heard:
        return None
    best = max(heard, key=lambda name: (heard[name], len(name.split())))
    return Found(best, (places[best],), min(0.85, 0.5 + 0.15 * heard[best] + 0.1 * (len(best.split()) > 1)))


def _manager_named(call: Call, turn: Turn) -> str:
    """The manager's own name if this turn introduces them."""
    if not call.scene.may(turn, "manager"):
        return ""
    calibrate = call.analysis.models.calibrations[call.analysis.kind]["greeting.self_intro"]
    likely = calibrate(call.analysis.acts["name"].get(turn.place, 0.0)) >= OWN_LIKELY
    chosen = intros.likeliest(turn) if likely else None
    return chosen.text if chosen else ""


def _of_others(call: Call) -> set[str]:
    """Names that answer «как зовут ребёнка»."""
    asked = [t for t in call.scene.turns if any(w.norm in ("зовут", "звать") for w in t.words) and any(w.lemmas & OTHERS for w in t.words)]
    answers = [after for t in asked if (after := call.scene.following(t)) is not None]
    return {one.text.split()[0] for t in answers for one in t.people}


def _listed(call: Call) -> set[str]:
    return {word.title() for name in call.context.manager_names for word in name.split()}


def _vocative(scene: Scene, turn: Turn, one: names.Person) -> bool:
    """Set off by marks on both sides, or by one end of a phrase that has no marks; in the nominative."""
    tokens = turn.tokens
    before = tokens[one.start - 1].norm if one.start else ""
    after = tokens[one.end].norm if one.end < len(tokens) else ""
    edges = [before in EDGES or before in GREETED, after in EDGES or after in GREETING]
    return (all(edges) if scene.punctuated else any(edges)) and tokens[one.start].grammar.nominative


def _longest(turn: Turn) -> str:
    return max((p.text for p in turn.people), key=lambda name: len(name.split()))
