"""Values of a table in their one JSON form, whoever found them.

| type | form |
|---|---|
| string, text, person | text |
| integer | integer |
| number, money | number, an integer where it is whole |
| bool | true or false |
| date | `YYYY-MM-DD` |
| datetime | ISO 8601 with offset |
| phone | `+` and digits, `+7…` for Russian numbers |
| email | lower case |
| inn | 10 or 12 digits with a right checksum |
| enum | one of `values` |
| list | array of `values` |
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from checklists.definitions import TableField
from core.checksums import valid_inn

STRING_CHARS, TEXT_CHARS, PERSON_CHARS = 500, 5000, 120
NUMBER = re.compile(r"[-−]?\d+(?:[ \u00a0\u202f]\d{3})+(?!\d)(?:[.,]\d+)?|[-−]?\d+(?:[.,]\d+)?")
FACTORS = (
    (re.compile(r"\s*(?:тыс|тыщ|к\b|k\b)", re.IGNORECASE), 1_000),
    (re.compile(r"\s*(?:млн|миллион|лям|m\b)", re.IGNORECASE), 1_000_000),
    (re.compile(r"\s*(?:млрд|миллиард)", re.IGNORECASE), 1_000_000_000),
)
LARGEST = 10**15  # beyond it a double loses roubles, and no sale is that large
DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})\.(\d{1,2})\.(\d{4})")
CLOCK = re.compile(r"(?:[T\s]|\bв\s*)(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?\s*$")
EMAIL = re.compile(r"[a-z0-9._%+-]+@[a-z0-9а-яё-]+(?:\.[a-z0-9а-яё-]+)+")
YES, NO = {"да", "true", "yes", "1", "есть", "верно"}, {"нет", "false", "no", "0", "неверно"}
NOTHING = {"", "-", "—", "null", "none", "n/a", "нет данных", "не указано", "не названо", "не прозвучало", "неизвестно"}

NOT_SAID = "В разговоре не названо."
NO_CLOCK = "Время не названо."


@dataclass(frozen=True)
class Value:
    """A value in its form, or None with the reason in Russian; a found value may carry a remark there too."""

    value: Any = None
    reason: str = ""


def coerce(field: TableField, raw: Any, zone: ZoneInfo) -> Value:
    """`raw` (text, number, truth value or list) in the form of the field's type; times without an offset are in `zone`."""
    if raw is None or (isinstance(raw, str) and raw.strip().lower() in NOTHING):
        return Value(reason=NOT_SAID)
    if field.type == "list":
        return _list(field, raw)
    text = ("да" if raw else "нет") if isinstance(raw, bool) else " ".join(str(raw).split())
    if field.type == "enum":
        return _enum(field, text)
    if field.type == "datetime":
        return _datetime(text, zone)
    return _PLAIN[field.type](text)


def _text(limit: int) -> Callable[[str], Value]:
    return lambda text: Value(text) if len(text) <= limit else Value(reason=f"Текст длиннее {limit} знаков.")


def _number(text: str) -> Value:
    found = list(NUMBER.finditer(text))
    if len(found) != 1:
        return Value(reason=f"«{_short(text)}» — не одно число.")
    digits = re.sub(r"[ \u00a0\u202f]", "", found[0].group()).replace(",", ".").replace("−", "-")
    factor = next((f for pattern, f in FACTORS if pattern.match(text, found[0].end())), 1)
    number = round(float(digits) * factor, 6)
    if abs(number) > LARGEST:
        return Value(reason="Число слишком велико.")
    return Value(int(number) if number == int(number) else number)


def _integer(text: str) -> Value:
    found = _number(text)
    return found if found.value is None or isinstance(found.value, int) else Value(reason=f"{found.value} — не целое число.")


def _money(text: str) -> Value:
    found = _number(text)
    return Value(reason="Сумма меньше нуля.") if found.value is not None and found.value < 0 else found


def _bool(text: str) -> Value:
    word = text.lower().rstrip(".!")
    return Value(word in YES) if word in YES | NO else Value(reason=f"«{_short(text)}» — не «да» и не «нет».")


def _date(text: str) -> Value:
    day = _day(text)
    return Value(day.isoformat()) if day else Value(reason=f"«{_short(text)}» — не дата календаря.")


def _datetime(text: str, zone: ZoneInfo) -> Value:
    day = _day(text)
    clock = CLOCK.search(text)
    if day is None:
        return Value(reason=f"«{_short(text)}» — не дата календаря.")
    if clock is None:
        return Value(datetime.combine(day, time(), zone).isoformat(), NO_CLOCK)
    hour, minute, offset = int(clock[1]), int(clock[2]), clock[4]
    if hour > 23 or minute > 59:
        return Value(reason=f"«{_short(text)}» — не время суток.")
    moment = datetime.combine(day, time(hour, minute), zone)
    return Value(datetime.fromisoformat(f"{moment:%Y-%m-%dT%H:%M}{offset}").isoformat() if offset else moment.isoformat())


def _day(text: str) -> date | None:
    found = DATE.search(text)
    if found is None:
        return None
    parts = (found[1], found[2], found[3]) if found[1] else (found[6], found[5], found[4])
    try:
        return date(*map(int, parts))
    except ValueError:
        return None


def _phone(text: str) -> Value:
    digits = re.sub(r"\D", "", text)
    if len(digits) == 10 and digits[0] in "3489":
        digits = "7" + digits
    if len(digits) == 11 and digits[0] in "78" and digits[1] in "34789":
        return Value(f"+7{digits[1:]}")
    if text.lstrip("(").startswith("+") and 8 <= len(digits) <= 15 and not digits.startswith("7"):
        return Value(f"+{digits}")
    return Value(reason=f"«{_short(text)}» — не номер телефона.")


def _email(text: str) -> Value:
    found = EMAIL.findall(text.lower())
    return Value(found[0]) if len(found) == 1 else Value(reason=f"«{_short(text)}» — не адрес почты.")


def _inn(text: str) -> Value:
    digits = re.sub(r"\D", "", text)
    if len(digits) not in (10, 12):
        return Value(reason=f"«{_short(text)}» — в ИНН 10 или 12 цифр.")
    return Value(digits) if valid_inn(digits) else Value(reason=f"У ИНН {digits} не сходится контрольная цифра.")


def _enum(field: TableField, text: str) -> Value:
    value = _named(field, text)
    return Value(value) if value else Value(reason=f"«{_short(text)}» — нет среди допустимых значений.")


def _list(field: TableField, raw: Any) -> Value:
    items = raw if isinstance(raw, list | tuple) else _items(field, str(raw))
    found = dict.fromkeys(value for item in items if (value := _named(field, str(item))))
    return Value(list(found)) if found else Value(reason="Ни одного допустимого значения.")


def _items(field: TableField, text: str) -> list[str]:
    """The parts of a written list; a value may itself hold a comma."""
    if _named(field, text):
        return [text]
    return re.split(r"[;\n]" if ";" in text or "\n" in text else ",", text)


def _named(field: TableField, text: str) -> str | None:
    """The value whose name or synonym this is."""
    wanted = " ".join(text.casefold().replace("ё", "е").split()).strip(" .«»\"'")
    for value in field.values:
        for word in (value, *field.synonyms.get(value, ())):
            if word.casefold().replace("ё", "е").strip() == wanted:
                return value
    return None


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


_PLAIN: dict[str, Callable[[str], Value]] = {
    "string": _text(STRING_CHARS),
    "text": _text(TEXT_CHARS),
    "person": _text(PERSON_CHARS),
    "integer": _integer,
    "number": _number,
    "money": _money,
    "bool": _bool,
    "date": _date,
    "phone": _phone,
    "email": _email,
    "inn": _inn,
}
