"""What is wrong with a field, in words an integrator can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# By pydantic's error types; the text after the last dot of a family stands for the whole family.
_SENTENCES: dict[str, tuple[str, str]] = {
    "missing": ("обязательное поле не передано", "required field is missing"),
    "string_type": ("ожидается строка", "must be a string"),
    "string_too_short": ("не может быть пустым", "must not be empty"),
    "string_too_long": ("длиннее {max_length} символов", "longer than {max_length} characters"),
    "string_pattern_mismatch": ("управляющие символы не допускаются", "control characters are not allowed"),
    "too_short": ("пустой список", "empty list"),
    "too_long": ("больше {max_length} элементов", "more than {max_length} items"),
    "list_type": ("ожидается массив", "must be an array"),
    "model_type": ("ожидается объект", "must be an object"),
    "model_attributes_type": ("ожидается объект", "must be an object"),
    "literal_error": ("допустимые значения: {expected}", "allowed values: {expected}"),
    "enum": ("допустимые значения: {expected}", "allowed values: {expected}"),
    "greater_than": ("должно быть больше {gt}", "must be greater than {gt}"),
    "greater_than_equal": ("должно быть не меньше {ge}", "must be at least {ge}"),
    "less_than_equal": ("должно быть не больше {le}", "must be at most {le}"),
    "finite_number": ("ожидается число", "must be a number"),
    "float_type": ("ожидается число", "must be a number"),
    "float_parsing": ("ожидается число", "must be a number"),
    "int_type": ("ожидается целое число", "must be an integer"),
    "int_parsing": ("ожидается целое число", "must be an integer"),
    "int_from_float": ("ожидается целое число", "must be an integer"),
    "bool_type": ("ожидается true или false", "must be true or false"),
    "bool_parsing": ("ожидается true или false", "must be true or false"),
    "timezone_aware": ("укажите часовой пояс, например 2025-06-19T10:00:00+03:00", "give a time zone, such as 2025-06-19T10:00:00+03:00"),
    "json_invalid": ("не разбирается как JSON", "is not valid JSON"),
    "rop": ("{ru}", "{en}"),
}
_DATETIME = ("ожидается время ISO 8601, например 2025-06-19T10:00:00+03:00", "must be an ISO 8601 time, such as 2025-06-19T10:00:00+03:00")
_OTHER = ("некорректное значение", "invalid value")


def sentence(error: Mapping[str, Any], language: str) -> str:
    """The sentence for one pydantic error in `ru` or `en`; it never repeats the value that was sent."""
    kind = error["type"]
    pair = _SENTENCES.get(kind) or (_DATETIME if kind.startswith("datetime") else _OTHER)
    return pair[language == "en"].format(**error.get("ctx", {}))


def place(parts: Sequence[str | int]) -> str:
    """`("offices", 0, "office_id")` as `offices[0].office_id`; the whole body is `body`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "body"
