"""Whether the results of a table are ready (C2, C10)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from api.answers import keyed
from api.auth import NOBODY, PollingKey
from api.context import Ctx, Language
from api.fields import Id
from api.problems import invalid, language_of
from api.schemas import NotReady, Readiness, Ready, Reason
from checklists.results import TableResult
from core.errors import NotFound
from db import calls, definitions, results

NAMES = {"tab": "table_id", "call": "call_id"}
_IDS: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, Id])

router = APIRouter(tags=["Таблицы"])


def _parameter(name: str, text: str, example: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^[^\x00-\x1f\x7f]*$"}
    return {"name": name, "in": "query", "required": True, "description": text, "schema": schema, "example": example}


PARAMETERS = [
    _parameter("tab", "Идентификатор таблицы; принимается и `table_id`", "TBL_1755863365"),
    _parameter("call", "Идентификатор звонка; принимается и `call_id`", "call_12345_20250619"),
]


def _ids(request: Request) -> tuple[str, str]:
    """Table and call, under the document's names or the plain ones; 400 names what is missing."""
    query = request.query_params
    given = {name: query.get(name) or query.get(other) for name, other in NAMES.items()}
    missing = [{"type": "missing", "loc": (name,)} for name, value in given.items() if not value]
    if missing:
        raise invalid(missing, language_of(request.headers))
    try:
        ids = _IDS.validate_python(given)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False), language_of(request.headers)) from None
    request.state.logged["call_id"] = ids["call"]
    return ids["tab"], ids["call"]


@router.get(
    "/tables/call-ready",
    summary="Проверка готовности результатов таблицы",
    openapi_extra={"parameters": PARAMETERS},
    responses=keyed(400, 404),
    response_model_exclude_unset=True,
)
def call_ready(
    context: Ctx, caller: PollingKey, ids: Annotated[tuple[str, str], Depends(_ids)], language: Language
) -> Ready | NotReady | Readiness:
    """С ключом возвращает данные таблицы; без ключа только готовность."""
    with context.database.read() as session:
        if caller is NOBODY and context.settings.call_ready_auth == "readiness":
            return Readiness(ready=_is_ready(session, *ids))
        return _state(session, *ids, language)


def _is_ready(session: Session, table_id: str, call_id: str) -> bool:
    row = results.current_one(session, call_id, "table", table_id)
    return row is not None and row.status == "ok"


def _state(session: Session, table_id: str, call_id: str, language: str) -> Ready | NotReady:
    row = results.current_one(session, call_id, "table", table_id)
    if row is None:
        return _without_result(session, table_id, call_id, language)
    if row.status == "ok":
        return Ready(ready=True, data=TableResult.model_validate(row.content).extracted_data)
    return NotReady(ready=False, status="failed", error=Reason(code=row.content["code"], detail=row.content[language]))


def _without_result(session: Session, table_id: str, call_id: str, language: str) -> NotReady:
    if not definitions.exists(session, "table", table_id):
        raise NotFound("table_not_found", ru="Таблица не найдена.", en="No such table.")
    call = calls.get(session, call_id)
    status = calls.public_status(call)
    if status == "done":
        raise NotFound("table_not_applied", ru="Эта таблица к звонку не применялась.", en="This table was not applied to the call.")
    if call.reason is None or call.reason_code is None:
        return NotReady(ready=False, status=status)
    return NotReady(ready=False, status=status, error=Reason(code=call.reason_code, detail=call.reason[language]))
