"""Values out of a given list, and yes or no."""

from __future__ import annotations

from collections.abc import Iterator

from checklists.definitions import TableField
from tasks.engines.analyst.rules.extraction.found import Call, Found, Missing, cues_of
from tasks.engines.analyst.rules.features import question
from tasks.engines.analyst.rules.phrases import Lexicon, plain_phrase
from tasks.engines.analyst.rules.rubric import content_words
from tasks.engines.analyst.rules.scene import Turn
from tasks.engines.analyst.rules.text import words_of

OBJECTION_WORDS = words_of("возражение возразить сомнение отказ причина")
OBJECTED = 0.35  # probability of an objection from which a turn may name its kind

Hit = tuple[float, int, str, Turn]


def enum(call: Call, field: TableField) -> Found | Missing:
    """The value that was named most plainly; the earliest on a tie."""
    rows = list(_named(call, field))
    if not rows:
        return Missing("Ни одно из значений не прозвучало.", 0.7)
    score, _, value, turn = max(rows, key=lambda row: row[:2])
    return Found(value, (turn.id,), min(0.9, 0.4 + 0.5 * score))


def several(call: Call, field: TableField) -> Found | Missing:
    """Every value that was named, in the order of the definition."""
    rows = sorted(_named(call, field), key=lambda row: -row[1])
    if not rows:
        return Missing("Ни одно из значений не прозвучало.", 0.7)
    said = {value for _, _, value, _ in rows}
    evidence = tuple(dict.fromkeys(turn.id for *_, turn in rows))
    return Found([v for v in field.values if v in said], evidence[:5], min(0.9, 0.4 + 0.5 * max(row[0] for row in rows)))


def truth(call: Call, field: TableField) -> Found | Missing:
    """Yes when the cue is affirmed, no when it is denied or answered with «нет»."""
    cues = cues_of(field)
    for turn in call.scene.turns:
        hits = cues.hits(turn.tokens)
        if not hits:
            continue
        if question(call.scene, turn):
            after = call.scene.following(turn)
            if after is not None and call.scene.may(after, field.speaker) and {"yes", "no"} & after.groups:
                return Found("no" not in after.groups, (after.id, turn.id), 0.8)
        elif call.scene.may(turn, field.speaker):
            return Found(not hits[0].negated, (turn.id,), 0.7)
    return Missing("Об этом не говорили.", 0.7)


def _named(call: Call, field: TableField) -> Iterator[Hit]:
    """(score, earliness, value, turn) of every value that is named and not denied."""
    told = content_words(f"{field.title} {field.description}")
    objections = call.analysis.acts["objection"] if told & OBJECTION_WORDS else None
    lexicon = Lexicon.build({value: [plain_phrase(w) for w in (value, *field.synonyms.get(value, ()))] for value in field.values})
    for turn in call.turns(field):
        weight = 1.0 if objections is None else objections.get(turn.place, 0.0)
        if objections is not None and weight < OBJECTED:
            continue
        for hit in lexicon.hits(turn.tokens):
            if not hit.negated:
                asked = question(call.scene, turn) and objections is None
                yield round(weight * (0.7 if asked else 1.0), 1), -turn.place, hit.group, turn
