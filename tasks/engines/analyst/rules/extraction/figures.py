"""Money and counts: the sum beside its cue, the number before its unit."""

from __future__ import annotations

from checklists.definitions import TableField
from tasks.engines.analyst.rules.extraction.found import Call, Found, Missing, cues_of, nearness, overlaps
from tasks.engines.analyst.rules.numbers import Number
from tasks.engines.analyst.rules.phrases import Lexicon
from tasks.engines.analyst.rules.scene import Turn

PRICED = 0.5  # probability of a named price from which a manager's sum is the price
LEAST_BARE = 100  # a bare «двадцать четыре» may be thousands: no guess
UNIT_NEAR = 3  # words between a number and what it counts


def money(call: Call, field: TableField) -> Found | Missing:
    """The sum nearest to a cue; a manager's price may also be known by how it was said."""
    cues = cues_of(field)
    prices = call.analysis.acts["price"] if field.speaker == "manager" else {}
    rows: list[tuple[float, int, Found]] = []
    for turn in call.turns(field):
        for one in turn.money:
            if not one.sure and one.value < LEAST_BARE and not one.per:
                continue
            near = nearness(call, cues, turn, one.start, one.end)
            priced = prices.get(turn.place, 0.0)
            score = max(near, priced if priced >= PRICED else 0.0) * (1.0 if field.speaker != "manager" or priced >= PRICED else 0.5)
            confidence = min(0.95, 0.4 + 0.4 * score + (0.15 if one.sure else 0.0))
            rows.append((round(score, 2), -turn.place, Found(one.value, (turn.id,), confidence)))
    if not rows:
        return Missing("Денежная сумма не названа.", 0.8)
    best = max(rows, key=lambda row: row[:2])
    if best[0] < 0.3:
        return Missing("Суммы звучали, но не о том, что нужно этому полю.", 0.6)
    return best[2]


def number(call: Call, field: TableField) -> Found | Missing:
    """The number that counts what the cues name, or that answers a question about it."""
    cues = cues_of(field)
    rows = [row for turn in call.turns(field) for row in _counted(call, field, cues, turn)]
    if not rows:
        return Missing("Число рядом с подходящими словами не названо.", 0.7)
    score, _, found = max(rows, key=lambda row: row[:2])
    return found if score >= 0.5 else Missing("Числа звучали, но не о том, что нужно этому полю.", 0.6)


def _counted(call: Call, field: TableField, cues: Lexicon, turn: Turn) -> list[tuple[float, int, Found]]:
    rows = []
    for one in turn.numbers:
        if overlaps(one.start, one.end, (*turn.moments, *turn.phones)) or (field.type == "integer" and one.value != int(one.value)):
            continue
        score = _unit(cues, turn, one)
        if score == 0 and len(turn.numbers) == 1 and not any(m.sure for m in turn.money):
            score = 0.9 * nearness(call, cues, turn, one.start, one.end)
        rows.append((round(score, 2), -turn.place, Found(one.value, (turn.id,), min(0.9, 0.4 + 0.5 * score))))
    return rows


def _unit(cues: Lexicon, turn: Turn, one: Number) -> float:
    """1 when a cue follows the number or stands right before it: «двенадцать пользователей», «человек двенадцать»."""
    for hit in cues.hits(turn.tokens):
        if 0 <= hit.start - one.end < UNIT_NEAR or 0 <= one.start - hit.end < UNIT_NEAR:
            return 1.0
    return 0.0
