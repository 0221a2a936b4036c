"""The OpenAPI document: bodies in three encodings, exactly the codes that happen, no 422."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.schemas import ProblemBody, Request

ENCODINGS = ("application/json", "multipart/form-data", "application/x-www-form-urlencoded")
REF = "#/components/schemas/{model}"
VERSION = "1.0.0"
DESCRIPTION = """
Приём звонков, настройки и результаты системы «Цифровой РОП».

Ключ передаётся параметром `apiKey`, заголовком `X-API-Key` или `Authorization: Bearer`. Тело любого POST принимается как
`application/json`, `multipart/form-data` и `application/x-www-form-urlencoded`. Ошибки приходят как `application/problem+json`:
постоянный `code`, текст `detail` на русском (на английском с `Accept-Language: en`) и `request_id` для поддержки.
"""
TAGS = [
    {"name": "Звонки", "description": "Загрузка записей и всё, что известно о звонке"},
    {"name": "Таблицы", "description": "Результаты аналитических таблиц"},
    {"name": "Настройки", "description": "Офисы, менеджеры, адреса webhook"},
    {"name": "Доставки", "description": "Журнал webhook-уведомлений и повтор"},
    {"name": "Проверка", "description": "Самопроверка интеграции"},
    {"name": "Состояние", "description": "Живость, готовность, метрики"},
]


def accepts(model: type[BaseModel], required: bool = True) -> dict[str, Any]:
    """The `openapi_extra` of a POST that reads `model` in any of the three encodings."""
    schema = {"schema": {"$ref": REF.format(model=model.__name__)}}
    return {"requestBody": {"required": required, "content": dict.fromkeys(ENCODINGS, schema)}}


def install(app: FastAPI) -> None:
    """Make `app.openapi()` our document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def build(app: FastAPI) -> dict[str, Any]:
    """The document of this application's routes."""
    found = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, tags=TAGS)
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(_bodies())
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operations in found["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    return found


def _bodies() -> dict[str, Any]:
    models = [(model, "validation") for model in [*_every(Request), ProblemBody]]
    _, definitions = models_json_schema(models, ref_template=REF)  # type: ignore[arg-type]
    return dict(definitions["$defs"])


def _every(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [sub for direct in model.__subclasses__() for sub in (direct, *_every(direct))]
