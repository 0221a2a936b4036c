"""Free text: a noun phrase beside its cue, an address, a company in quotes, or the utterance that fits a description best."""

from __future__ import annotations

import re
from collections.abc import Sequence

from checklists.definitions import TableField
from tasks.engines.analyst.rules.acts import probability
from tasks.engines.analyst.rules.extraction.found import Call, Found, Missing, cues_of
from tasks.engines.analyst.rules.generic import likeness
from tasks.engines.analyst.rules.intros import ORGANISATION
from tasks.engines.analyst.rules.rubric import content_words, meaning
from tasks.engines.analyst.rules.scene import Turn
from tasks.engines.analyst.rules.text import Token, morph, words_of

STREET = words_of("улица ул проспект пр-т переулок шоссе бульвар площадь набережная проезд микрорайон мкр тупик аллея")
HOUSE = words_of("дом д корпус к строение стр квартира кв офис подъезд этаж литера номер")
PHRASE_WORDS, SKIPPED = 5, 3
SKIPPABLE = words_of("PREP PRCL ADVB NPRO INFN Apro")
FITS = 0.75  # likeness from which an utterance is taken for a text field
ADDRESS, COMPANY = frozenset(("адрес", "улица", "куда")), frozenset(("компания", "фирма", "организация", "работодатель"))
EMPTY_NOUNS = words_of(
    "помощь задача проблема срок бюджет скидка вопрос вариант раз время день пример дело информация цена стоимость заявка звонок "
    "сайт человек год месяц"
)


def string(call: Call, field: TableField) -> Found | Missing:
    """An address, a company or a noun phrase, by what the field is about."""
    told = content_words(f"{field.title} {field.description}")
    if told & ADDRESS:
        return _address(call, field)
    if told & COMPANY:
        return _company(call, field)
    return _phrase(call, field)


def text(call: Call, field: TableField) -> Found | Missing:
    """The utterance nearest to the description, word for word; nothing when none is near."""
    meant = meaning(f"{field.title}. {field.description}", field.cues, (), call.analysis.encoder)
    model, vectors = call.analysis.models.likeness[call.analysis.kind], call.analysis.vectors
    rows = []
    for turn in call.turns(field):
        if len(turn.words) > 3:
            row = likeness(call.scene, turn, meant, None if vectors is None else vectors[turn.place])
            rows.append((probability(model.logit(row)), turn))
    best = max(rows, key=lambda row: row[0], default=None)
    if best is None or best[0] < FITS:
        return Missing("Подходящих слов в разговоре не нашлось.", 0.5)
    return Found(best[1].said, (best[1].id,), 0.5)


def _address(call: Call, field: TableField) -> Found | Missing:
    """From the word of a street, or from «Садовая, восемь, квартира сорок», to the last number."""
    for turn in call.turns(field):
        start = _address_start(turn)
        if start is None:
            continue
        ends = [n.end for n in turn.numbers if start < n.start <= start + 12]
        if ends:
            return Found(_written(turn, start, ends[-1]), (turn.id,), 0.7)
    return Missing("Адрес не назван.", 0.8)


def _address_start(turn: Turn) -> int | None:
    for at, token in enumerate(turn.tokens):
        if token.lemma in STREET or token.norm in STREET:
            before = turn.tokens[at - 1] if at else None
            return at - 1 if before is not None and "ADJF" in before.grammar.tags else at
    flat = any(t.norm in HOUSE or t.lemma in HOUSE for t in turn.tokens)
    for at, token in enumerate(turn.tokens):
        named = {"ADJF", "femn"} <= token.grammar.tags or "Geox" in token.grammar.tags
        follows = any(0 < n.start - at <= 2 for n in turn.numbers)
        if flat and token.is_word and named and follows and not token.grammar.tags & {"Anum", "Apro"}:
            return at
    return None


def _written(turn: Turn, start: int, end: int) -> str:
    """Words with their numbers as figures."""
    out: list[str] = []
    at = start
    numbers = {n.start: n for n in turn.numbers}
    while at < end:
        number = numbers.get(at)
        if number:
            out.append(f"{number.value:g}")
        elif turn.tokens[at].is_word:
            out.append(turn.tokens[at].norm)
        at = number.end if number else at + 1
    return " ".join(out)


def _company(call: Call, field: TableField) -> Found | Missing:
    """What stands in quotes or with a capital after the word for a company."""
    for turn in call.turns(field):
        for at, token in enumerate(turn.tokens):
            if token.lemmas & ORGANISATION or token.norm in ("ооо", "ип", "ао"):
                after = turn.said_from(turn.tokens[at].end)
                found = re.match(r"\s*[«\"]([^»\"]{2,60})[»\"]|\s+((?:[A-ZА-ЯЁ][\w-]+\s?){1,3})", after)
                if found:
                    return Found((found[1] or found[2]).strip(), (turn.id,), 0.7)
    return Missing("Название компании не прозвучало или не распознано.", 0.6)


def _phrase(call: Call, field: TableField) -> Found | Missing:
    """The noun phrase after a cue, or the one right before it: «интересует уборка офиса», «уборка офиса интересует»."""
    cues = cues_of(field)
    turns = sorted(call.turns(field), key=lambda t: t.speaker == "manager")
    for turn in turns:
        for hit in cues.hits(turn.tokens):
            if hit.negated:
                continue
            for words in (_noun_phrase(turn.tokens[hit.end :]), _noun_phrase_before(turn.tokens[: hit.start])):
                if words:
                    return Found(_nominative(words), (turn.id,), 0.5)
    return Missing("Рядом с подходящими словами ничего не названо.", 0.6)


def _noun_phrase(after: Sequence[Token]) -> list[Token]:
    """Adjectives, a noun, and what belongs to it in the genitive; prepositions and particles before it are skipped."""
    words: list[Token] = []
    skipped = 0
    for token in after[: PHRASE_WORDS + SKIPPED]:
        tags = token.grammar.tags
        has_noun = any("NOUN" in w.grammar.tags or not w.grammar.known for w in words)
        if (
            not token.is_word
            or len(words) >= PHRASE_WORDS
            or (words and tags & {"PREP", "CONJ", "VERB", "INFN", "NPRO"} and "NOUN" not in tags)
        ):
            break
        latin = token.norm[0] < "а" and token.norm.isalpha()
        if (
            latin
            or ("NOUN" in tags and token.lemma not in EMPTY_NOUNS and (not has_noun or "gent" in tags))
            or (tags & {"ADJF", "PRTF"} and not tags & {"Apro"} and not has_noun)
        ):
            words.append(token)
        elif words or skipped == SKIPPED or not (tags & SKIPPABLE or token.lemma in EMPTY_NOUNS or {"VERB", "past"} <= tags):
            break
        else:
            skipped += 1
    return words if any("NOUN" in w.grammar.tags or not w.grammar.known or w.norm[0] < "а" for w in words) else []


def _noun_phrase_before(before: Sequence[Token]) -> list[Token]:
    words: list[Token] = []
    for token in reversed(before[-4:]):
        if (
            not token.is_word
            or not token.grammar.tags & {"NOUN", "ADJF"}
            or token.grammar.tags & {"NPRO", "Apro"}
            or token.lemma in EMPTY_NOUNS
        ):
            break
        words.insert(0, token)
    return words if any("NOUN" in w.grammar.tags for w in words) else []


def _nominative(words: Sequence[Token]) -> str:
    """The head noun and its adjectives in the nominative; what hangs on it stays as it was said."""
    head = next((i for i, w in enumerate(words) if "NOUN" in w.grammar.tags), 0)
    out = []
    for index, word in enumerate(words):
        parse = morph().parse(word.norm)[0]
        changed = parse.inflect({"nomn"}) if index <= head and "nomn" not in parse.tag else None
        out.append(changed.word if changed else word.norm)
    return " ".join(out)
