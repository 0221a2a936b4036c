"""Whether the results of a table are ready (C2, C10)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter, ValidationError

from api.answers import keyed
from api.auth import NOBODY, polling_caller
from api.context import context_of
from api.fields import Id
from api.problems import invalid, language_of
from api.schemas import NotReady, Readiness, Ready
from checklists.results import TableResult
from core.errors import NotFound
from db import calls, polling
from db.polling import Polled

NAMES = {"tab": "table_id", "call": "call_id"}
_ID: TypeAdapter[str] = TypeAdapter(Id)

router = APIRouter(tags=["Таблицы"])


def _parameter(name: str, text: str, example: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^[^\x00-\x1f\x7f]*$"}
    return {"name": name, "in": "query", "required": True, "description": text, "schema": schema, "example": example}


PARAMETERS = [
    _parameter("tab", "Идентификатор таблицы; принимается и `table_id`", "TBL_1755863365"),
    _parameter("call", "Идентификатор звонка; принимается и `call_id`", "call_12345_20250619"),
]


@router.get(
    "/tables/call-ready",
    summary="Проверка готовности результатов таблицы",
    openapi_extra={"parameters": PARAMETERS},
    responses=keyed(400, 404),
    response_model=Ready | NotReady | Readiness,
)
def call_ready(request: Request) -> JSONResponse:
    """С ключом возвращает данные таблицы; без ключа только готовность."""
    # The busiest question of all: one connection for the key and the answer, and no dependencies, on which FastAPI spends as long.
    context = context_of(request)
    with context.database.engine.connect() as connection:
        caller = polling_caller(request, context, connection)
        found = polling.poll(connection, *_ids(request))
    if caller is NOBODY and context.settings.call_ready_auth == "readiness":
        return JSONResponse({"ready": found.result_status == "ok"})
    return JSONResponse(_state(found, language_of(request.headers)))


def _ids(request: Request) -> list[str]:
    """Table and call, under the document's names or the plain ones; 400 names what is missing or wrong."""
    query = request.query_params
    given = {name: query.get(name) or query.get(other) for name, other in NAMES.items()}
    wrong = [error | {"loc": (name,)} for name, value in given.items() for error in _errors(value)]
    if wrong:
        raise invalid(wrong, language_of(request.headers))
    request.state.logged["call_id"] = given["call"]
    return [str(one) for one in given.values()]


def _errors(value: str | None) -> list[Any]:
    if not value:
        return [{"type": "missing"}]
    try:
        _ID.validate_python(value)
    except ValidationError as error:
        return error.errors(include_url=False, include_input=False)
    return []


def _state(found: Polled, language: str) -> dict[str, Any]:
    if found.result_status == "ok":
        return {"ready": True, "data": TableResult.model_validate(found.content).extracted_data}
    if found.result_status is not None and found.content is not None:
        return _not_ready("failed", found.content["code"], found.content[language])
    return _without_result(found, language)


def _without_result(found: Polled, language: str) -> dict[str, Any]:
    if not found.table_known:
        raise NotFound("table_not_found", ru="Таблица не найдена.", en="No such table.")
    if found.call_status is None:
        raise NotFound(ru="Звонок не найден.", en="No such call.")
    status = calls.public(found.call_status)
    if status == "done":
        raise NotFound("table_not_applied", ru="Эта таблица к звонку не применялась.", en="This table was not applied to the call.")
    return _not_ready(status, found.reason_code, (found.reason or {}).get(language))


def _not_ready(status: str, code: str | None, detail: str | None) -> dict[str, Any]:
    error = {"error": {"code": code, "detail": detail}} if code else {}
    return {"ready": False, "status": status} | error
