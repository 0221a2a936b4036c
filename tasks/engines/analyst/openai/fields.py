"""From a model's answer about a table to findings: a value counts when it was said and has the form of its type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from checklists.definitions import Table, TableField
from checklists.findings import FieldFinding
from checklists.values import Value, coerce
from core import digits
from tasks.engines.analyst.openai.case import Case
from tasks.engines.analyst.openai.evidence import verify
from tasks.engines.analyst.openai.forms import FieldAnswer, TableAnswer
from tasks.engines.analyst.openai.verdicts import comment_of
from tasks.engines.analyst.rules.contacts import emails, russian_phone
from tasks.engines.analyst.rules.numbers import numbers
from tasks.engines.analyst.rules.text import repair, tokens

UNPROVED = "Не подтверждено цитатой."
NOT_ANSWERED = "Модель не дала ответа по этому полю."
NOT_HEARD = "В приведённых репликах такого числа нет."
# The other side may repeat a name or a phone, but a price that the customer names is not the manager's price.
OWN_WORDS = ("money", "number", "integer")


@dataclass(frozen=True)
class Filled:
    """Findings by field name; `problems` are what to ask again, by field name."""

    fields: dict[str, FieldFinding]
    problems: dict[str, str] = field(default_factory=dict)


def fill(case: Case, fields: Iterable[TableField], answer: TableAnswer, zone: ZoneInfo) -> Filled:
    """Verifies every value; fields that were not asked for are ignored."""
    answers = {one.name: one for one in answer.fields}
    found: dict[str, FieldFinding] = {}
    problems: dict[str, str] = {}
    for one in fields:
        given = answers.get(one.name)
        found[one.name], problem = _absent(one) if given is None else _field(case, one, given, zone)
        if problem:
            problems[one.name] = f"поле {one.name}: {problem}"
    return Filled(found, problems)


def settle(first: Filled, second: Filled) -> Filled:
    """What was asked again is taken from the second answer."""
    return Filled({**first.fields, **second.fields})


def merge(table: Table, parts: Sequence[Filled]) -> tuple[FieldFinding, ...]:
    """One finding a field of all parts of a conversation; of equally sure values the later one, which was agreed upon last."""
    return tuple(_best(one, [part.fields[one.name] for part in parts]) for one in table.fields)


def _best(one: TableField, findings: Sequence[FieldFinding]) -> FieldFinding:
    filled = [f for f in findings if f.value is not None]
    if not filled:
        return findings[0]
    if one.type == "list":
        return _joined(filled)
    return max(reversed(filled), key=lambda f: f.confidence)


def _joined(findings: Sequence[FieldFinding]) -> FieldFinding:
    values = list(dict.fromkeys(value for f in findings for value in f.value))
    numbers_ = tuple(dict.fromkeys(n for f in findings for n in f.evidence))
    return findings[0].model_copy(update={"value": values, "evidence": numbers_})


def _absent(one: TableField) -> tuple[FieldFinding, str]:
    return _empty(one, NOT_ANSWERED), "нет ответа"


def _empty(one: TableField, reason: str, confidence: float = 0.0) -> FieldFinding:
    return FieldFinding(name=one.name, reason=reason, confidence=confidence)


def _field(case: Case, one: TableField, answer: FieldAnswer, zone: ZoneInfo) -> tuple[FieldFinding, str]:
    confidence = min(max(answer.confidence, 0.0), 1.0) * case.trust
    nothing = coerce(one, answer.value, zone) if answer.value is None or not answer.value.strip() else None
    if nothing:
        return _empty(one, comment_of(case, answer.reason) or nothing.reason, confidence), ""
    party = one.speaker if one.type in OWN_WORDS else "any"
    proof = verify(case, answer.evidence, answer.quote, party, frozenset(case.telling))
    if proof.problem:
        return _empty(one, UNPROVED), proof.problem
    value = _value(case, one, answer.value or "", zone)
    if value.value is None:
        return _empty(one, value.reason), f"значение не принято: {value.reason}"
    heard = _heard(case, one, value.value, proof.numbers)
    if heard is None:
        return _empty(one, NOT_HEARD), NOT_HEARD.lower().rstrip(".")
    sure = round(confidence * proof.match * heard, 3)
    return FieldFinding(name=one.name, value=value.value, evidence=proof.numbers, reason=value.reason, confidence=sure), ""


def _value(case: Case, one: TableField, answer: str, zone: ZoneInfo) -> Value:
    """The value with what was hidden put back; contacts that were spelled out loud are read as the embedded engine reads them."""
    text = case.shown.restore(answer)
    value = coerce(one, text, zone)
    if value.value is not None or one.type not in ("phone", "email", "inn"):
        return value
    spelled = _spelled(one.type, text)
    return coerce(one, spelled, zone) if spelled else value


def _spelled(kind: str, text: str) -> str | None:
    plain = repair(text)
    if kind == "email":
        found = emails(tokens(plain), plain)
        return found[0].value if found else None
    lines = [digits.Line("", plain)]
    spoken = ("".join(group.digits for group in run) for run in digits.runs(lines, digits.groups(lines, 0), across=False))
    form = russian_phone if kind == "phone" else str
    return next((value for one in spoken if (value := form(one))), None)


def _heard(case: Case, one: TableField, value: Any, cited: Sequence[int]) -> float | None:
    """How well a number is heard in its proof: 1 when it is there, less when another one is, None when there is none at all."""
    if one.type not in OWN_WORDS:
        return 1.0
    spoken = {n.value for number in _around(case, cited) for n in numbers(tokens(repair(case.transcript.utterances[number].text)))}
    if not spoken:
        return None
    return 1.0 if float(value) in spoken else 0.6


def _around(case: Case, cited: Sequence[int]) -> list[int]:
    """The cited utterances and their neighbours: «сколько вас?» and «двенадцать» are one fact."""
    last = len(case.transcript.utterances) - 1
    return sorted({min(max(n + step, 0), last) for n in cited for step in (-1, 0, 1)})
