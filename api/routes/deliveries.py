"""The delivery log and replay (C35)."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query

from api.answers import keyed
from api.auth import RequiredKey
from api.bodies import body
from api.context import Ctx
from api.fields import Id
from api.openapi import accepts
from api.routes.calls import CallId
from api.schemas import AttemptAnswer, DeliveriesAnswer, DeliveryAnswer, ReplayBody, Replayed
from core import clock
from db import calls, deliveries, endpoints
from db.deliveries import Logged
from tasks import dispatch

router = APIRouter(tags=["Доставки"])
DeliveryId = Annotated[Id, Path(description="ID доставки, он же заголовок webhook-id")]


@router.get("/calls/{call_id}/deliveries", summary="Доставки по звонку", responses=keyed(400, 404))
def of_call(context: Ctx, _caller: RequiredKey, call_id: CallId) -> DeliveriesAnswer:
    """Что и куда отправлено по звонку, с каждой попыткой."""
    with context.database.read() as session:
        calls.get(session, call_id)
        return _answer(deliveries.log(session, call_id=call_id))


@router.get("/deliveries", summary="Журнал доставок", responses=keyed(400))
def listed(
    context: Ctx,
    _caller: RequiredKey,
    status: Annotated[Literal["pending", "delivered", "dead"] | None, Query(description="Только в этом состоянии")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Сколько последних доставок")] = 100,
) -> DeliveriesAnswer:
    """Последние доставки по всем адресам, новые сначала."""
    with context.database.read() as session:
        return _answer(deliveries.log(session, status=status, limit=limit))


@router.post("/deliveries/{delivery_id}/replay", summary="Повторить одну доставку", responses=keyed(400, 404))
def replay(context: Ctx, _caller: RequiredKey, delivery_id: DeliveryId) -> Replayed:
    """Отправит тело ещё раз с тем же webhook-id, в каком бы состоянии доставка ни была."""
    with context.database.begin() as session:
        deliveries.replay(session, delivery_id, clock.now())
    dispatch.deliver_soon(context.database, context.prefect)
    return Replayed(replayed=1)


@router.post(
    "/deliveries/replay", summary="Повторить все недоставленные", openapi_extra=accepts(ReplayBody), responses=keyed(400, 404, 413)
)
def replay_since(context: Ctx, _caller: RequiredKey, sent: Annotated[ReplayBody, Depends(body(ReplayBody))]) -> Replayed:
    """Отправит ещё раз всё, что исчерпало попытки с указанного момента."""
    with context.database.begin() as session:
        if sent.endpoint_id is not None:
            endpoints.by_id(session, sent.endpoint_id)
        count = deliveries.replay_since(session, sent.endpoint_id, sent.since, clock.now())
    dispatch.deliver_soon(context.database, context.prefect)
    return Replayed(replayed=count)


def _answer(found: list[Logged]) -> DeliveriesAnswer:
    return DeliveriesAnswer(deliveries=[delivery_answer(logged) for logged in found])


def delivery_answer(logged: Logged) -> DeliveryAnswer:
    """The delivery with its attempts, as the outside sees it."""
    attempts = [AttemptAnswer.model_validate(one) for one in logged.attempts]
    names = ("delivery_id", "call_id", "event", "endpoint_id", "status", "created_at", "next_attempt_at", "delivered_at")
    return DeliveryAnswer.model_validate({name: getattr(logged.delivery, name) for name in names} | {"attempts": attempts})
