"""What is wrong with a definition, said in Russian with the way to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One mistake; `line` counts from 1, `path` is the place inside the document or empty."""

    line: int
    path: str
    what: str
    fix: str

    def line_of_text(self, source: str) -> str:
        """`file, строка 7, stages[0].id: what. Как исправить: fix.`"""
        where = f"{source}, строка {self.line}" + (f", {self.path}" if self.path else "")
        return f"{where}: {self.what}. Как исправить: {self.fix}."

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


# Pydantic's own error types; the values are (what, fix) and may use the error's context.
TEXTS: dict[str, tuple[str, str]] = {
    "missing": ("не хватает обязательного поля", "добавьте это поле"),
    "extra_forbidden": ("такого поля нет", "допустимы: {allowed}"),
    "literal_error": ("значение «{input}» не подходит", "допустимо одно из: {expected}"),
    "string_type": ("здесь нужен текст, а не {input}", "возьмите значение в кавычки"),
    "string_too_short": ("текст пуст или слишком короткий", "напишите не меньше {min_length} знаков"),
    "string_too_long": ("текст слишком длинный", "сократите до {max_length} знаков"),
    "string_pattern_mismatch": ("недопустимые знаки в «{input}»", "для имён полей годятся латинские буквы, цифры и _; без переносов строк"),
    "int_type": ("здесь нужно целое число, а не {input}", "напишите число без кавычек"),
    "int_parsing": ("здесь нужно целое число, а не «{input}»", "напишите число, например 1"),
    "int_from_float": ("здесь нужно целое число, а не {input}", "уберите дробную часть"),
    "float_type": ("здесь нужно число, а не {input}", "напишите число без кавычек"),
    "float_parsing": ("здесь нужно число, а не «{input}»", "напишите число, например 60"),
    "bool_type": ("здесь нужно true или false, а не {input}", "напишите true или false"),
    "bool_parsing": ("здесь нужно true или false, а не «{input}»", "напишите true или false"),
    "greater_than": ("число {input} слишком мало", "нужно больше {gt}"),
    "greater_than_equal": ("число {input} слишком мало", "нужно не меньше {ge}"),
    "less_than_equal": ("число {input} слишком велико", "нужно не больше {le}"),
    "too_short": ("список пуст", "добавьте хотя бы один элемент"),
    "tuple_type": ("здесь нужен список", "начните каждую строку с «- »"),
    "list_type": ("здесь нужен список", "начните каждую строку с «- »"),
    "dict_type": ("здесь нужны строки «ключ: значение»", "проверьте отступ и двоеточие"),
    "model_type": ("здесь нужны строки «ключ: значение»", "проверьте отступ и двоеточие"),
    "regex": ("регулярное выражение {phrase} не читается: {error}", "исправьте выражение или уберите «re:», если это обычная фраза"),
    "no_such_stage": ("after_stage называет этап «{name}», которого нет", "напишите id одного из этапов этого чек-листа"),
    "needs_values": ("у поля типа {type} нет списка значений", "добавьте `values: [..., ...]`"),
    "unknown_synonyms": ("синонимы даны для значений, которых нет: {names}", "добавьте их в `values` или исправьте опечатку"),
    "duplicate_id": ("повторяется id: {names}", "дайте каждому своё имя"),
}
OTHER = ("{msg}", "сверьтесь с примерами в checklists/builtin")


def explain(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Place, str, str]]:
    """Place, mistake and remedy of every pydantic error."""
    details = error.errors(include_url=False)
    for detail in details:
        place = detail["loc"]
        if detail["type"] == "too_short" and any(d["loc"][: len(place)] == place != d["loc"] for d in details):
            continue  # pydantic counts broken items as absent
        what, fix = TEXTS.get(detail["type"], OTHER)
        values = _values(detail, place, model)
        yield place, what.format_map(values), _remedy(detail, fix.format_map(values), values)


def _remedy(detail: ErrorDetails, fix: str, values: dict[str, Any]) -> str:
    if detail["type"] != "extra_forbidden":
        return fix
    close = difflib.get_close_matches(str(detail["loc"][-1]), values["names"], n=1)
    return f"возможно, имелось в виду «{close[0]}»; {fix}" if close else fix


def _values(detail: ErrorDetails, place: Place, model: type[BaseModel]) -> dict[str, Any]:
    names = _allowed(model, place[:-1]) if detail["type"] == "extra_forbidden" else []
    return {
        "msg": detail["msg"],
        "input": _short(detail["input"]),
        "names": names,
        "allowed": ", ".join(names),
        **detail.get("ctx", {}),
    } | _expected(detail)


def _expected(detail: ErrorDetails) -> dict[str, str]:
    expected = detail.get("ctx", {}).get("expected")
    return {"expected": str(expected).replace(" or ", ", ").replace("'", "")} if expected else {}


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _allowed(model: type[BaseModel], place: Place) -> list[str]:
    """The names a mapping at `place` may have, read from the model's own JSON Schema."""
    root = model.model_json_schema(by_alias=True)
    here = root
    for step in place:
        here = _resolve(root, here)
        here = (
            here.get("items", {}) if isinstance(step, int) else here.get("properties", {}).get(step, here.get("additionalProperties", {}))
        )
    return list(_resolve(root, here).get("properties", {}))


def _resolve(root: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema behind `$ref` and behind the non-null side of an optional."""
    while "$ref" in schema or "anyOf" in schema:
        if "anyOf" in schema:
            schema = next(s for s in schema["anyOf"] if s.get("type") != "null")
        else:
            schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema
