"""Sums of money: with a currency, with «тысяч», in the elliptic forms of speech («два триста за квадрат»), as ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tasks.engines.analyst.rules.numbers import Number
from tasks.engines.analyst.rules.text import Token, words_of

CURRENCY = {
    "рубль": "RUB", "руб": "RUB", "р": "RUB", "₽": "RUB", "рублик": "RUB", "рублей": "RUB",
    "доллар": "USD", "бакс": "USD", "$": "USD", "евро": "EUR", "€": "EUR", "тенге": "KZT", "гривна": "UAH",
}  # fmt: skip
PRICE_WORDS = words_of(
    "стоить стоимость цена ценник обойтись обходиться выйти выходить составить составлять итого тариф платить заплатить оплата платеж "
    "плата прайс скидка расценка сумма взнос аванс предоплата минимум абонентский абонплата абонентка дешевле дороже отдать уложиться "
    "бюджет вложение смета получиться получаться рассчитать посчитать начинаться"
)
PER = words_of(
    "штука квадрат метр кв час день сутки месяц год неделя человек сотка тонна килограмм кило занятие урок сеанс раз пара комплект "
    "погонный упаковка литр место точка пользователь лицензия сотрудник ребенок сеанс чел шт м2 км"
)
BEFORE_BARE = words_of("за по от до около порядка примерно где-то всего в районе ориентировочно плюс-минус")
GLUE = words_of("- – — до или")
YEARS = range(1980, 2040)
LARGEST = 10**12  # roubles; beyond it digits are a phone or an account
BARE_MIN = 50  # a sum without currency or multiplier below this is rather a count


@dataclass(frozen=True, slots=True)
class Money:
    """A sum over `tokens[start:end]`; `high` ends a range; `sure` when a currency or a multiplier was said; `per` is «месяц», «метр»…"""

    value: float
    start: int
    end: int
    high: float | None = None
    currency: str = "RUB"
    sure: bool = True
    cue: bool = False
    per: str = ""


def sums(
    tokens: Sequence[Token],
    numbers: Sequence[Number],
    taken: Sequence[tuple[int, int]] = (),
    *,
    millions: bool = False,
    asked: bool = False,
) -> list[Money]:
    """All sums of an utterance outside `taken` token ranges (dates, phones).

    `millions` when the call speaks of millions; `asked` when the other side has just asked a price, so that bare numbers may be sums.
    """
    free = [n for n in numbers if not n.ordinal and not any(n.start < end and start < n.end for start, end in taken)]
    found: list[Money] = []
    index = 0
    while index < len(free):
        money, used = _money(tokens, free, index, millions=millions, asked=asked)
        if money is not None:
            found.append(money)
        index += used
    return found


def _money(tokens: Sequence[Token], free: Sequence[Number], index: int, *, millions: bool, asked: bool) -> tuple[Money | None, int]:
    """The sum that starts with number `index` and how many numbers it used."""
    number = free[index]
    following = free[index + 1] if index + 1 < len(free) else None
    cue = _cue(tokens, number.start)
    if following and _is_range(tokens, number, following):
        high = _sum(tokens, following, cue=cue, asked=asked)
        if high is not None and following.value >= number.value:
            low = number.value * (following.factor if number.factor == 1 and number.value * following.factor <= following.value else 1)
            return replace(high, value=low, high=high.value, start=number.start, cue=cue or high.cue), 2
    if following and _is_elliptic(tokens, free, index):
        scale = 1_000_000 if millions and number.value < 100 else 1000
        value = number.value * scale + following.value * (scale // 1000)
        return Money(value, number.start, following.end, sure=False, cue=cue, per=_per(tokens, following.end)), 2
    return _sum(tokens, number, cue=cue, asked=asked), 1


def _sum(tokens: Sequence[Token], number: Number, *, cue: bool, asked: bool) -> Money | None:
    currency, end = _currency(tokens, number.end)
    per = _per(tokens, end)
    made = Money(
        number.value, number.start, end, currency=currency or "RUB", sure=bool(currency) or number.factor >= 1000, cue=cue, per=per
    )
    if currency:
        return made
    if _unit_follows(tokens, end) or number.value >= LARGEST:
        return None
    if _half_thousands(tokens, number) and (cue or per or asked):
        return replace(made, value=number.value * 1000)
    return made if made.sure or _bare_sum(number, cue=cue, per=per, asked=asked) else None


def _half_thousands(tokens: Sequence[Token], number: Number) -> bool:
    """«две с половиной за метр», «полторы»: feminine halves are thousands."""
    return (
        number.value % 1 == 0.5
        and number.value < 100
        and any(t.norm in ("полторы", "половиной") for t in tokens[number.start : number.end])
    )


def _bare_sum(number: Number, *, cue: bool, per: str, asked: bool) -> bool:
    """Whether a number with neither a currency nor «тысяч» is a sum all the same."""
    if number.digits and number.value in YEARS and (not cue or per == "год"):
        return False
    if asked and number.value > 1 and not cue:
        return True
    grouped = number.digits and number.value >= 1000 and number.end - number.start >= 2
    return number.value >= BARE_MIN and (cue or bool(per) or grouped)


def _currency(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    if at < len(tokens):
        for word in (tokens[at].norm, *tokens[at].lemmas):
            if word in CURRENCY:
                return CURRENCY[word], at + 1
    return "", at


def _per(tokens: Sequence[Token], at: int) -> str:
    """«в месяц», «за квадрат», «с человека», «тысяч месяц»."""
    words = [t for t in tokens[at : at + 4] if t.is_word]
    if words and words[0].norm in ("в", "за", "с", "на", "каждый", "каждую"):
        words = words[1:]
    for word in words[:2]:
        if unit := next((lemma for lemma in sorted(word.lemmas) if lemma in PER), ""):
            return unit
    return ""


def _unit_follows(tokens: Sequence[Token], at: int) -> bool:
    """«двадцать тысяч операций», «пять процентов», «сто квадратных метров»: the number counts something else."""
    after = [t for t in tokens[at : at + 2] if t.is_word or t.norm == "%"]
    if not after:
        return False
    first = after[0]
    if first.norm == "%" or "процент" in first.lemmas or first.norm in ("м", "кв", "км", "кг", "шт", "мм", "см", "га", "гб"):
        return True
    tags = first.grammar.tags
    if tokens[at].norm != first.norm or first.lemma in PRICE_WORDS or tags & {"PREP", "CONJ", "VERB", "INFN", "NPRO", "PRCL", "ADVB"}:
        return False
    if "NOUN" in tags:
        return "gent" in tags and "month" not in first.lemmas and first.lemma not in ("месяц", "год")
    return bool(tags & {"ADJF", "PRTF"}) and "gent" in tags and len(after) > 1 and "NOUN" in after[1].grammar.tags


def _cue(tokens: Sequence[Token], at: int) -> bool:
    """A word of price among the six before the number, or a preposition of price right before it."""
    before = [t for t in tokens[max(0, at - 7) : at] if t.is_word]
    return any(t.lemmas & PRICE_WORDS for t in before) or bool(before and before[-1].norm in BEFORE_BARE and len(before[-1].norm) > 2)


def _is_range(tokens: Sequence[Token], one: Number, other: Number) -> bool:
    between = tokens[one.end : other.start]
    if not between:
        return other.factor > 1 and one.factor == 1 and one.value < other.value / other.factor <= 2 * one.value + 1
    return len(between) <= 2 and all(t.norm in GLUE or any(w in CURRENCY or w == "тысяча" for w in t.lemmas) for t in between)


def _is_elliptic(tokens: Sequence[Token], free: Sequence[Number], index: int) -> bool:
    """«двадцать один пятьсот»: thousands and hundreds with nothing said between them, and no third number as in a phone."""
    one, other = free[index], free[index + 1]
    third = index + 2 < len(free) and free[index + 2].start == other.end
    second = index > 0 and free[index - 1].end == one.start
    return (
        one.end == other.start
        and one.factor == other.factor == 1
        and not one.digits
        and not (third or second)
        and 1 <= one.value < 1000
        and 100 <= other.value < 1000
        and not _unit_follows(tokens, other.end)
    )
