"""Which problems an operation can answer with, for the OpenAPI document: exactly these codes, and never 422."""

from __future__ import annotations

from typing import Any

from api.problems import MEDIA_TYPE
from api.schemas import ProblemBody

_TEXTS = {
    400: "Некорректные параметры запроса",
    401: "Неверный или отсутствующий API ключ",
    404: "Запрашиваемый ресурс не найден",
    409: "Дублирование данных",
    413: "Тело запроса слишком большое",
    429: "Слишком много запросов, см. Retry-After",
    500: "Внутренняя ошибка сервера",
    503: "Сервис временно недоступен, см. Retry-After",
}
_ALWAYS = (401, 429, 500, 503)
_HEADERS = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"schema": {"type": "integer"}, "description": "Секунды"}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Секунды"}},
}

Responses = dict[int | str, dict[str, Any]]


def keyed(*codes: int, texts: dict[int, str] | None = None) -> Responses:
    """The `responses` of a route that asks for a key; `texts` says what a code means here."""
    meanings = _TEXTS | (texts or {})
    return {code: _response(code, meanings[code]) for code in sorted({*codes, *_ALWAYS})}


def _response(code: int, text: str) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}}}
    return {"description": text, "content": content} | ({"headers": _HEADERS[code]} if code in _HEADERS else {})
