"""Everything that is known about one call (C15)."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy.orm import Session

from api.answers import keyed
from api.auth import RequiredKey
from api.bodies import body
from api.context import Ctx, Language
from api.fields import Id
from api.openapi import accepts
from api.schemas import CallAnswer, ChecklistItem, ChecklistsAnswer, Mark, MarkBody, Reason, Step
from checklists.results import ChecklistResult
from checklists.transcript import Transcript
from core import clock
from core.errors import NotFound
from db import calls, marks, results
from db.models import Call, Override, Result

router = APIRouter(tags=["Звонки"], prefix="/calls/{call_id}")


async def _call_id(request: Request, call_id: Annotated[Id, Path(description="ID звонка", examples=["call_12345_20250619"])]) -> str:
    request.state.logged["call_id"] = unquote(call_id)
    return unquote(call_id)


CallId = Annotated[str, Depends(_call_id)]


@router.get("", summary="Состояние звонка", responses=keyed(400, 404))
def show(context: Ctx, _caller: RequiredKey, call_id: CallId, language: Language) -> CallAnswer:
    """Состояние, ход обработки и причина отказа."""
    with context.database.read() as session:
        return _answer(session, calls.get(session, call_id), language)


@router.get("/transcript", summary="Расшифровка разговора", responses=keyed(400, 404))
def transcript(context: Ctx, _caller: RequiredKey, call_id: CallId) -> Transcript:
    """Реплики по порядку: кто, когда, что сказал; времена в секундах."""
    with context.database.read() as session:
        call = calls.get(session, call_id)
        found = results.transcript(session, call_id)
    if found is None:
        status = calls.public_status(call)
        raise NotFound("transcript_not_ready", ru="Расшифровки ещё нет.", en="There is no transcript yet.", status=status)
    return found


@router.get("/checklists", summary="Результаты по чек-листам", responses=keyed(400, 404))
def checklists(context: Ctx, _caller: RequiredKey, call_id: CallId, language: Language) -> ChecklistsAnswer:
    """Действующие результаты и ручные отметки; пустой список, пока оценки нет."""
    with context.database.read() as session:
        calls.get(session, call_id)
        marked = marks.current(session, call_id)
        rows = results.current(session, call_id, "checklist")
    return ChecklistsAnswer(call_id=call_id, checklists=[_item(row, marked, language) for row in rows])


@router.post("/marks", summary="Ручная отметка этапа", openapi_extra=accepts(MarkBody), responses=keyed(400, 404, 413))
def mark(context: Ctx, _caller: RequiredKey, call_id: CallId, sent: Annotated[MarkBody, Depends(body(MarkBody))]) -> Mark:
    """Отметка человека рядом с оценкой машины; обе сохраняются."""
    with context.database.begin() as session:
        row = marks.add(session, call_id, sent.checklist_id, sent.stage_id, sent.score, sent.reason, sent.author, clock.now())
        return _mark(row)


def _answer(session: Session, call: Call, language: str) -> CallAnswer:
    recording = results.recording(session, call.call_id)
    steps = [Step.model_validate(event) for event in calls.timeline(session, call.call_id)]
    return CallAnswer(
        call_id=call.call_id,
        status=calls.public_status(call),
        stage=call.status,
        progress=round(call.progress, 3),
        error=_reason(call, language),
        warnings=[str(one) for one in call.warnings],
        attempt=call.attempt,
        manager_id=call.manager_id,
        deal_id=call.deal_id,
        deal_stage_id=call.deal_stage_id,
        duration=recording.duration if recording else None,
        received_at=call.received_at,
        started_at=call.started_at,
        finished_at=call.finished_at,
        timeline=steps,
    )


def _reason(call: Call, language: str) -> Reason | None:
    if call.reason is None or call.reason_code is None:
        return None
    return Reason(code=call.reason_code, detail=call.reason[language])


def _item(row: Result, marked: list[Override], language: str) -> ChecklistItem:
    own = [_mark(one) for one in marked if one.checklist_id == row.definition_id]
    common = {"checklist_id": row.definition_id, "version": row.version, "revision": row.revision, "status": row.status, "marks": own}
    if row.status == "ok":
        return ChecklistItem.model_validate(common | {"result": ChecklistResult.model_validate(row.content)})
    return ChecklistItem.model_validate(common | {"error": Reason(code=row.content["code"], detail=row.content[language])})


def _mark(row: Override) -> Mark:
    return Mark.model_validate(row)
