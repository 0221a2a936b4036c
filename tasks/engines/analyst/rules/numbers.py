"""Numbers in digits and in words: «полторы тысячи», «тысяч пятнадцать», «миллион двести»."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tasks.engines.analyst.rules.text import Token, row

UNITS = row("ноль один два три четыре пять шесть семь восемь девять")
TEENS = row("десять одиннадцать двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать")
TENS = row("двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто")
HUNDREDS = row("сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот")
SMALL: dict[str, int] = (
    {w: i for i, w in enumerate(UNITS)}
    | {w: 10 + i for i, w in enumerate(TEENS)}
    | {w: 20 + 10 * i for i, w in enumerate(TENS)}
    | {w: 100 + 100 * i for i, w in enumerate(HUNDREDS)}
    | {"двое": 2, "трое": 3, "четверо": 4, "пятеро": 5, "шестеро": 6, "оба": 2, "одиннацать": 11, "пийсят": 50, "писят": 50, "шисят": 60}
)
ORDINAL_UNITS = row("нулевой первый второй третий четвертый пятый шестой седьмой восьмой девятый")
ORDINAL_TEENS = row(
    "десятый одиннадцатый двенадцатый тринадцатый четырнадцатый пятнадцатый шестнадцатый семнадцатый восемнадцатый девятнадцатый"
)
ORDINAL_TENS = {"двадцатый": 20, "тридцатый": 30, "сороковой": 40, "пятидесятый": 50}
ORDINALS: dict[str, int] = (
    {w: i for i, w in enumerate(ORDINAL_UNITS)} | {w: 10 + i for i, w in enumerate(ORDINAL_TEENS)} | ORDINAL_TENS | {"сотый": 100}
)
FACTORS: dict[str, int] = (
    dict.fromkeys(row("тысяча тыс тыщ косарь"), 1000)
    | dict.fromkeys(row("миллион млн лям"), 1_000_000)
    | dict.fromkeys(row("миллиард млрд"), 1_000_000_000)
)
ALONE = {"полтора": 1.5, "полтысячи": 500.0, "полмиллиона": 500_000.0, "полляма": 500_000.0, "сотня": 100.0, "десяток": 10.0, "пара": 2.0}
INVERTED = {"тысяч": 1000, "тысячи": 1000, "тыс": 1000, "миллионов": 1_000_000, "миллиона": 1_000_000, "сотни": 100}
DIGITS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Number:
    """A number over `tokens[start:end]`; `factor` is the largest multiplier that was said, `ordinal` as in «двадцать первого»."""

    value: float
    start: int
    end: int
    factor: int = 1
    ordinal: bool = False
    digits: bool = False


def numbers(tokens: Sequence[Token]) -> list[Number]:
    """All numbers of an utterance, left to right, none overlapping."""
    found: list[Number] = []
    at = 0
    while at < len(tokens):
        number = _inverted(tokens, at) or _number(tokens, at)
        if number is None:
            at += 1
            continue
        found.append(number)
        at = number.end
    return found


def _inverted(tokens: Sequence[Token], at: int) -> Number | None:
    """«тысяч пятнадцать», «миллиона полтора»: a multiplier in the genitive before its number means «about», «миллиона ста» does not."""
    factor = INVERTED.get(tokens[at].norm)
    group = _group(tokens, at + 1) if factor else None
    if not factor or group is None or group.ordinal or group.value >= 1000 or _factor(tokens, group.end):
        return None
    if factor > 1000 and group.value >= 100:
        return None
    return replace(group, value=group.value * factor, start=at, factor=factor)


def _number(tokens: Sequence[Token], at: int) -> Number | None:
    """Groups with falling multipliers: «миллион двести тысяч», «две тысячи триста»."""
    total, end, last, largest = 0.0, at, 10**12, 1
    digits = ordinal = False
    while True:
        group = _group(tokens, end)
        factor = _factor(tokens, group.end if group else end)
        if factor and factor < last and not (group and group.ordinal) and (group or end == at):
            total += (group.value if group else 1) * factor
            end = (group.end if group else end) + 1
            last, largest, digits = factor, max(largest, factor), digits or bool(group and group.digits)
            continue
        if group and not factor and (end == at or (group.value < last and not group.digits)):
            total += group.value * _implied(group.value, last)
            end, ordinal, digits = group.end, group.ordinal, digits or group.digits
        break
    return Number(total, at, end, largest, ordinal, digits) if end > at else None


def _implied(value: float, last: int) -> int:
    """«миллион двести» is 1 200 000: after millions, round hundreds are thousands."""
    return 1000 if last == 1_000_000 and 100 <= value < 1000 and value % 10 == 0 else 1


def _factor(tokens: Sequence[Token], at: int) -> int:
    """The multiplier at this place, 0 if there is none."""
    if at >= len(tokens):
        return 0
    token = tokens[at]
    glued = at > 0 and tokens[at - 1].end == token.start and DIGITS.fullmatch(tokens[at - 1].norm)
    if token.norm in ("к", "т") and glued:
        return 1000
    return FACTORS.get(token.norm) or FACTORS.get(token.lemma, 0)


def _group(tokens: Sequence[Token], at: int) -> Number | None:
    """A number below a thousand in words, or one written in digits."""
    if at >= len(tokens):
        return None
    if DIGITS.fullmatch(tokens[at].norm):
        return _digits(tokens, at)
    alone = ALONE.get(tokens[at].norm) or ALONE.get(tokens[at].lemma)
    if alone:
        return Number(alone, at, at + 1)
    return _with_half(tokens, _words(tokens, at))


def _digits(tokens: Sequence[Token], at: int) -> Number:
    """«18 600», «1,9», «2500»."""
    text, end = tokens[at].norm, at + 1
    while (
        end < len(tokens)
        and len(text) <= 9
        and re.fullmatch("[0-9]{3}", tokens[end].norm)
        and _apart(tokens, end) == 1
        and len(tokens[at].norm) <= 3
    ):
        text, end = text + tokens[end].norm, end + 1
    if end + 1 < len(tokens) and tokens[end].norm in ".," and _apart(tokens, end) == _apart(tokens, end + 1) == 0:
        fraction = tokens[end + 1].norm
        if end == at + 1 and DIGITS.fullmatch(fraction) and len(fraction) <= 2:
            return Number(float(f"{text}.{fraction}"), at, end + 2, digits=True)
    return Number(float(text[:15]), at, end, digits=True)


def _apart(tokens: Sequence[Token], at: int) -> int:
    return tokens[at].start - tokens[at - 1].end


def _words(tokens: Sequence[Token], at: int) -> Number | None:
    """Hundreds, tens and units in falling order; an ordinal ends the number."""
    total, end, room = 0, at, 1000
    while end < len(tokens):
        value, ordinal = _atom(tokens[end])
        if value is None or value >= room or (value == 0 and end > at):
            break
        total, end = total + value, end + 1
        if ordinal:
            return Number(float(total), at, end, ordinal=True)
        room = 100 if value >= 100 else 10 if value >= 20 else 1
    return Number(float(total), at, end) if end > at else None


def _atom(token: Token) -> tuple[int | None, bool]:
    """The value of one number word, and whether it is an ordinal."""
    for lemma in (token.norm, token.lemma, *token.lemmas):
        if lemma in SMALL:
            return SMALL[lemma], False
        if lemma in ORDINALS:
            return ORDINALS[lemma], True
    return None, False


def _with_half(tokens: Sequence[Token], group: Number | None) -> Number | None:
    """«два с половиной»."""
    if group and [t.norm for t in tokens[group.end : group.end + 2]] == ["с", "половиной"]:
        return replace(group, value=group.value + 0.5, end=group.end + 2)
    return group
