"""What a person may ask for after a call was judged: judge again, swap the speakers, forget it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from api.answers import keyed
from api.auth import Caller, RequiredKey
from api.bodies import body
from api.context import Context, Ctx
from api.openapi import accepts
from api.routes.calls import CallId
from api.schemas import Removed, Requested, RescoreBody
from core import clock
from core.errors import NotFound, TransientError
from db import calls, definitions, results, speakers
from tasks import dispatch
from tasks.forget import forget
from tasks.prefect_api import PrefectUnavailable

router = APIRouter(tags=["Звонки"], prefix="/calls/{call_id}")


@router.post("/rescore", summary="Пересчитать оценку", openapi_extra=accepts(RescoreBody, required=False), responses=keyed(400, 404, 413))
def rescore(context: Ctx, _caller: RequiredKey, call_id: CallId, sent: Annotated[RescoreBody, Depends(body(RescoreBody))]) -> Requested:
    """Оценивает звонок заново по действующим версиям; прежние результаты сохраняются."""
    with context.database.read() as session:
        calls.get(session, call_id)
        results.heard(session, call_id)
        if sent.checklist_id is not None:
            definitions.load(session, "checklist", sent.checklist_id)
    _judge_again(context, call_id, sent.checklist_id)
    return Requested(call_id=call_id)


@router.post("/swap-speakers", summary="Поменять говорящих местами", responses=keyed(400, 404))
def swap_speakers(context: Ctx, caller: RequiredKey, call_id: CallId) -> Requested:
    """Менеджер становится клиентом и наоборот; оценка пересчитывается."""
    _swap(context, caller, call_id)
    try:
        _judge_again(context, call_id, None)
    except TransientError:
        # The CRM will ask again: a swap without its score must not become a swap back.
        _swap(context, caller, call_id)
        raise
    return Requested(call_id=call_id)


@router.delete("", summary="Удалить звонок и персональные данные", responses=keyed(400, 404))
def delete(context: Ctx, caller: RequiredKey, call_id: CallId) -> Removed:
    """Удаляет запись, расшифровку, результаты, доставки и запуски; из хранилища аналитики звонок уходит при ближайшей загрузке."""
    forget(context.database, context.settings, context.prefect, call_id, _actor(caller))
    return Removed()


def _swap(context: Context, caller: Caller, call_id: str) -> None:
    with context.database.begin() as session:
        calls.get(session, call_id)
        speakers.swap(session, call_id, _actor(caller), clock.now())


def _judge_again(context: Context, call_id: str, checklist_id: str | None) -> None:
    try:
        dispatch.rescore(context.database, context.prefect, context.settings, call_id, checklist_id)
    except NotFound as error:
        # The call is known: it is Prefect that has no such deployment yet.
        raise PrefectUnavailable from error


def _actor(caller: Caller) -> str:
    return f"api:{caller.key_id}"
