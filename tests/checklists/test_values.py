"""Every value has one JSON form, whoever found it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from checklists.definitions import TableField
from checklists.values import NOT_SAID, coerce

MOSCOW = ZoneInfo("Europe/Moscow")


def field(type: str) -> TableField:
    values = ("дорого", "есть поставщик", "нет времени, сил") if type in ("enum", "list") else ()
    synonyms = {"дорого": ("дороговато",)} if values else {}
    return TableField.model_validate({"name": "x", "type": type, "values": values, "synonyms": synonyms})


@pytest.mark.parametrize(
    ("type", "raw", "value"),
    [
        ("string", "  CRM  для клиник ", "CRM для клиник"),
        ("text", "длинный текст", "длинный текст"),
        ("person", "Сергей Петрович", "Сергей Петрович"),
        ("integer", "12", 12),
        ("integer", "12.0", 12),
        ("integer", "12 человек", 12),
        ("integer", 12, 12),
        ("number", "45,5", 45.5),
        ("number", "-3", -3),
        ("money", "18 600 руб.", 18600),
        ("money", "18\u00a0600", 18600),
        ("money", "18,6 тыс", 18600),
        ("money", "1.5 млн рублей", 1500000),
        ("money", "45к", 45000),
        ("money", "2 млрд", 2000000000),
        ("money", "99.90", 99.9),
        ("money", "0", 0),
        ("bool", "да", True),
        ("bool", "Нет.", False),
        ("bool", True, True),
        ("date", "2025-08-21", "2025-08-21"),
        ("date", "21.08.2025", "2025-08-21"),
        ("date", "2025-08-21T11:00:00+03:00", "2025-08-21"),
        ("datetime", "2025-08-21T11:00", "2025-08-21T11:00:00+03:00"),
        ("datetime", "2025-08-21 11:00", "2025-08-21T11:00:00+03:00"),
        ("datetime", "21.08.2025 в 11:00", "2025-08-21T11:00:00+03:00"),
        ("datetime", "2025-08-21T08:00:00Z", "2025-08-21T08:00:00+00:00"),
        ("datetime", "2025-08-21T11:00:00.000+05:00", "2025-08-21T11:00:00+05:00"),
        ("phone", "8 (917) 234-56-78", "+79172345678"),
        ("phone", "917 234 56 78", "+79172345678"),
        ("phone", "+380441234567", "+380441234567"),
        ("email", "Ivan@Mail.RU", "ivan@mail.ru"),
        ("inn", "7707 083 893", "7707083893"),
        ("enum", "Дороговато.", "дорого"),
        ("enum", "ЕСТЬ ПОСТАВЩИК", "есть поставщик"),
        ("list", "дорого; есть поставщик; дороговато", ["дорого", "есть поставщик"]),
        ("list", "дорого, есть поставщик", ["дорого", "есть поставщик"]),
        ("list", "нет времени, сил", ["нет времени, сил"]),
        ("list", ["дорого", "чепуха"], ["дорого"]),
    ],
)
def test_forms(type: str, raw: Any, value: Any) -> None:
    found = coerce(field(type), raw, MOSCOW)
    assert (found.value, type_of(found.value)) == (value, type_of(value))


def type_of(value: Any) -> str:
    return type(value).__name__


@pytest.mark.parametrize(
    ("type", "raw"),
    [
        ("integer", "много"),
        ("integer", "12.5"),
        ("integer", "10-12"),
        ("money", "-500"),
        ("money", "от 10 до 20"),
        ("money", "9" * 40),
        ("number", "nan"),
        ("bool", "возможно"),
        ("date", "в четверг"),
        ("date", "2025-02-30"),
        ("datetime", "2025-08-21T25:00"),
        ("datetime", "завтра в три"),
        ("phone", "12345"),
        ("phone", "79991"),
        ("email", "иван собака мейл ру"),
        ("email", "a@b.ru и c@d.ru"),
        ("inn", "7707083894"),
        ("inn", "123"),
        ("enum", "не знаю"),
        ("list", "чепуха; ерунда"),
        ("string", "я" * 501),
        ("person", "я" * 121),
    ],
)
def test_what_has_no_form_is_null_with_a_reason(type: str, raw: Any) -> None:
    found = coerce(field(type), raw, MOSCOW)
    assert found.value is None
    assert found.reason
    assert len(found.reason) < 120


@pytest.mark.parametrize("type", ["string", "money", "date", "phone", "enum", "list", "bool", "person"])
@pytest.mark.parametrize("raw", [None, "", "  ", "null", "Не указано", "—"])
def test_nothing_said_is_nothing(type: str, raw: str | None) -> None:
    assert coerce(field(type), raw, MOSCOW).reason == NOT_SAID


def test_a_day_without_a_time_says_so() -> None:
    found = coerce(field("datetime"), "2025-08-21", MOSCOW)
    assert (found.value, found.reason) == ("2025-08-21T00:00:00+03:00", "Время не названо.")
