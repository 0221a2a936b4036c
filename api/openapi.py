"""The OpenAPI document: bodies in three encodings, exactly the codes that happen, no 422."""

from __future__ import annotations

import json
from typing import Any, get_origin

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import compile_path

from api.schemas import ProblemBody, Request

ENCODINGS = ("application/json", "multipart/form-data", "application/x-www-form-urlencoded")
FORM = "Form"
REF = "#/components/schemas/{model}"
VERSION = "1.0.0"
KEYED = "/api/"
READINESS = "/api/v1/tables/call-ready"
SECURITY = {
    "apiKey": {"type": "apiKey", "in": "query", "name": "apiKey", "description": "Параметр `apiKey` в адресе"},
    "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "Заголовок `X-API-Key`"},
    "Bearer": {"type": "http", "scheme": "bearer", "description": "Заголовок `Authorization: Bearer`"},
}
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
    lists = [name for name, field in model.model_fields.items() if get_origin(field.annotation) is list]
    form: dict[str, Any] = {"schema": {"$ref": REF.format(model=f"{model.__name__}{FORM}")}}
    if lists:
        form["encoding"] = {name: {"contentType": "application/json"} for name in lists}
    as_json = {"schema": {"$ref": REF.format(model=model.__name__)}}
    return {"requestBody": {"required": required, "content": {ENCODINGS[0]: as_json} | dict.fromkeys(ENCODINGS[1:], form)}}


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
    for path, operations in found["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            if path.startswith(KEYED):
                operation["security"] = [*({name: []} for name in SECURITY), *([{}] if path == READINESS else [])]
    found["components"]["securitySchemes"] = SECURITY
    _drop_unused_forms(found)
    return found


def dump(app: FastAPI) -> str:
    """The document as it is committed: one form, whatever the order of keys."""
    return json.dumps(app.openapi(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def allowed(app: FastAPI, path: str) -> list[str]:
    """The documented methods of a path, for the `Allow` header."""
    paths: dict[str, Any] = app.openapi()["paths"]
    template = path if path in paths else next((one for one in paths if compile_path(one)[0].match(path)), None)
    return [method.upper() for method in paths.get(template or "", ())]


def _bodies() -> dict[str, Any]:
    models = [(model, "validation") for model in [*_every(Request), ProblemBody]]
    _, definitions = models_json_schema(models, ref_template=REF)  # type: ignore[arg-type]
    schemas = dict(definitions["$defs"])
    forms = {f"{model.__name__}{FORM}": _as_form(schemas[model.__name__]) for model in _every(Request)}
    return schemas | forms


def _drop_unused_forms(document: dict[str, Any]) -> None:
    """Parts of bodies have no form of their own."""
    schemas, text = document["components"]["schemas"], json.dumps(document["paths"])
    for name in [name for name in schemas if name.endswith(FORM) and f'{REF.format(model=name)}"' not in text]:
        del schemas[name]


def _as_form(schema: dict[str, Any]) -> dict[str, Any]:
    """The same object as form fields: there is no null, and an empty optional field was not sent."""
    if "anyOf" in schema:
        return schema | {"anyOf": [_as_form(one) for one in schema["anyOf"]]}
    required = schema.get("required", [])
    fields = {name: one if name in required else _optional(one) for name, one in schema["properties"].items()}
    return schema | {"properties": fields}


def _optional(field: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in field.items() if key not in ("anyOf", "default", "type", "enum", "pattern")}
    own = {key: value for key, value in field.items() if key in ("type", "enum", "pattern")}
    choices = [one for one in field.get("anyOf", [own]) if one.get("type") != "null"]
    return kept | {"anyOf": [*choices, {"enum": [""]}]}


def _every(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [sub for direct in model.__subclasses__() for sub in (direct, *_every(direct))]
