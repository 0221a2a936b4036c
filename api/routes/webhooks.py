"""Addresses that receive results: set, list, rotate the secret, send a test, remove."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from sqlalchemy.orm import Session

from api.answers import keyed
from api.auth import Caller, RequiredKey
from api.bodies import body
from api.context import Ctx
from api.fields import Id
from api.openapi import accepts
from api.schemas import EndpointAnswer, EndpointsAnswer, Removed, RotateBody, SecretAnswer, TestAnswer, WebhookBody
from core import clock
from core.errors import InvalidInput
from db import definitions, endpoints
from db.endpoints import OwnerKind
from db.models import Endpoint
from tasks import dispatch
from tasks.webhooks import Tested, send_test

router = APIRouter(tags=["Настройки"], prefix="/settings/webhooks")
EndpointId = Annotated[Id, Path(description="ID адреса из списка адресов")]
OWNERS: dict[str, OwnerKind] = {"checklist": "checklist", "table": "table", "events": "key"}
KINDS: dict[str, str] = {owner: kind for kind, owner in OWNERS.items()}


@router.get("", summary="Адреса webhook", responses=keyed())
def listed(context: Ctx, caller: RequiredKey) -> EndpointsAnswer:
    """Адреса чек-листов и таблиц и адрес событий этого ключа."""
    with context.database.read() as session:
        return EndpointsAnswer(webhooks=[answer(row) for row in visible(session, caller)])


@router.post("", summary="Задать адрес webhook", openapi_extra=accepts(WebhookBody), responses=keyed(400, 404, 413))
def set_url(context: Ctx, caller: RequiredKey, sent: Annotated[WebhookBody, Depends(body(WebhookBody))]) -> SecretAnswer:
    """Задаёт адрес чек-листа, таблицы или событий ключа; секрет подписи показывается в ответе."""
    context.http.check(sent.url)
    at = clock.now()
    with context.database.begin() as session:
        endpoint = endpoints.set_url(session, context.secret, OWNERS[sent.kind], _owner(session, sent, caller), sent.url, at)
        secret = endpoints.live_secrets(session, context.secret, endpoint.endpoint_id, at)[0]
        return SecretAnswer(webhook=answer(endpoint), secret=secret)


@router.post(
    "/{endpoint_id}/rotate-secret",
    summary="Сменить секрет подписи",
    openapi_extra=accepts(RotateBody, required=False),
    responses=keyed(400, 404, 413),
)
def rotate_secret(
    context: Ctx, _caller: RequiredKey, endpoint_id: EndpointId, sent: Annotated[RotateBody, Depends(body(RotateBody))]
) -> SecretAnswer:
    """Выдаёт новый секрет; прежний подписывает рядом с ним ещё `overlap_hours` часов."""
    with context.database.begin() as session:
        secret = endpoints.rotate(session, context.secret, endpoint_id, clock.now(), timedelta(hours=sent.overlap_hours))
        return SecretAnswer(webhook=answer(endpoints.by_id(session, endpoint_id)), secret=secret)


@router.post("/{endpoint_id}/test", summary="Отправить проверочное событие", responses=keyed(400, 404))
def test(context: Ctx, _caller: RequiredKey, endpoint_id: EndpointId) -> TestAnswer:
    """Сразу отправляет подписанное событие `test` и показывает, что ответила CRM."""
    return tested(endpoint_id, send_test(context.database, context.settings, context.http, endpoint_id))


@router.post("/{endpoint_id}/enable", summary="Включить отключённый адрес", responses=keyed(400, 404))
def enable(context: Ctx, _caller: RequiredKey, endpoint_id: EndpointId) -> EndpointAnswer:
    """Снова отправляет на адрес, отключённый после ответа 410 или долгих отказов."""
    with context.database.begin() as session:
        endpoints.enable(session, endpoint_id)
        enabled = answer(endpoints.by_id(session, endpoint_id))
    dispatch.deliver_soon(context.database, context.prefect)
    return enabled


@router.delete("/{endpoint_id}", summary="Убрать адрес webhook", responses=keyed(400, 404))
def remove(context: Ctx, _caller: RequiredKey, endpoint_id: EndpointId) -> Removed:
    """Больше ничего не отправляет на этот адрес."""
    with context.database.begin() as session:
        endpoint = endpoints.by_id(session, endpoint_id)
        endpoints.remove(session, endpoint.owner_kind, endpoint.owner_id, clock.now())  # type: ignore[arg-type]
    return Removed()


def visible(session: Session, caller: Caller) -> list[Endpoint]:
    """Addresses of definitions, and of this key's own events."""
    return [row for row in endpoints.every(session) if row.owner_kind != "key" or row.owner_id == caller.key_id]


def answer(row: Endpoint) -> EndpointAnswer:
    """The address as its owner sees it."""
    owner = {"kind": KINDS[row.owner_kind], "id": None if row.owner_kind == "key" else row.owner_id}
    names = ("endpoint_id", "url", "created_at", "disabled_at", "disabled_reason", "failing_since")
    return EndpointAnswer.model_validate(owner | {name: getattr(row, name) for name in names})


def tested(endpoint_id: str, result: Tested) -> TestAnswer:
    """What the test event met."""
    attempt = result.attempt
    return TestAnswer(
        endpoint_id=endpoint_id,
        delivery_id=result.delivery_id,
        delivered=attempt.succeeded,
        status_code=attempt.status_code,
        error_code=attempt.error_code,
        seconds=round(attempt.seconds, 3),
        response=attempt.response,
    )


def _owner(session: Session, sent: WebhookBody, caller: Caller) -> str:
    if sent.kind == "events":
        return caller.key_id or ""
    if sent.id is None:
        fields = {"id": "обязательное поле не передано"}
        raise InvalidInput(ru="Укажите id чек-листа или таблицы.", en="Give the id of the checklist or table.", fields=fields)
    definitions.load(session, sent.kind, sent.id)
    return sent.id
