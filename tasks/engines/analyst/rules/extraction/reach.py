"""Phones, e-mails and tax numbers; dictated in pieces, with the other side saying «так» between them."""

from __future__ import annotations

from collections.abc import Callable

from checklists.definitions import TableField
from core import digits
from core.checksums import valid_inn
from tasks.engines.analyst.rules import contacts
from tasks.engines.analyst.rules.extraction.found import Call, Found, Missing, cues_of, nearness
from tasks.engines.analyst.rules.scene import Turn

SURE, HALF = 0.9, 0.6


def phone(call: Call, field: TableField) -> Found | Missing:
    """The last full Russian number: corrections come later."""
    rows = _dictated(call, field, contacts.russian_phone)
    return rows[-1] if rows else Missing("Телефон не продиктован.", 0.9)


def inn(call: Call, field: TableField) -> Found | Missing:
    """A tax number beside its cue, since every tenth phone has agreeing control digits too; a wrong one is left to `coerce` to explain."""
    rows = [r for r in _dictated(call, field, lambda d: d if len(d) in (10, 12) else None) if _cued(call, field, r)]
    good = [r for r in rows if valid_inn(str(r.value))]
    if good:
        return good[-1]
    return Found(rows[-1].value, rows[-1].evidence, HALF) if rows else Missing("ИНН не продиктован.", 0.9)


def email(call: Call, field: TableField) -> Found | Missing:
    """The last address; the listener's repeat counts when the field is anybody's."""
    rows = [
        Found(c.value, (t.id,), SURE if "@" in t.written else 0.75) for t in call.turns(field) for c in contacts.emails(t.tokens, t.written)
    ]
    return rows[-1] if rows else Missing("Адрес почты не продиктован.", 0.9)


def _dictated(call: Call, field: TableField, form: Callable[[str], str | None]) -> list[Found]:
    """Runs of digits of one speaker that have the form, with the utterances they were said in."""
    turns = call.turns(field)
    lines = [digits.Line(t.speaker, t.written) for t in call.scene.turns]
    groups = [g for t in turns for g in digits.groups(lines, t.place)]
    rows = []
    for run in digits.runs(lines, groups, across=True):
        for first in range(len(run)):
            value = form("".join(g.digits for g in run[first:]))
            if value:
                ids = tuple(dict.fromkeys(call.scene.turns[g.line].id for g in run[first:]))
                rows.append(Found(value, ids, SURE))
                break
    return rows


def _cued(call: Call, field: TableField, found: Found) -> bool:
    cues = cues_of(field)
    turns: list[Turn] = [t for t in call.scene.turns if t.id in found.evidence]
    return any(nearness(call, cues, t, 0, len(t.tokens), told=HALF) > 0 for t in turns)
