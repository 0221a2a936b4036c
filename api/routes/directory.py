"""Offices and managers from the CRM (C11)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from api.answers import keyed
from api.auth import RequiredKey
from api.bodies import body
from api.context import Ctx
from api.openapi import accepts
from api.schemas import ManagersUpdate, OfficesUpdate, Synced
from core import clock
from db import directory
from db.directory import Counts, ManagerInput, OfficeInput

router = APIRouter(tags=["Настройки"], prefix="/settings")


@router.post(
    "/offices-update",
    summary="Обновление структуры офисов",
    openapi_extra=accepts(OfficesUpdate),
    responses=keyed(400, 413),
    response_model_exclude_unset=True,
)
def offices_update(context: Ctx, _caller: RequiredKey, update: Annotated[OfficesUpdate, Depends(body(OfficesUpdate))]) -> Synced:
    """Обновляет офисы и составы по ID: всё или ничего. Неизвестные сотрудники создаются без имени до первой синхронизации."""
    offices = [OfficeInput(o.office_id, o.office_title, o.leader_ids, o.managers_ids) for o in update.offices]
    full = update.mode == "full"
    with context.database.begin() as session:
        return _synced(directory.sync_offices(session, offices, clock.now(), full), full)


@router.post(
    "/managers-update",
    summary="Обновление данных менеджеров",
    openapi_extra=accepts(ManagersUpdate),
    responses=keyed(400, 413),
    response_model_exclude_unset=True,
)
def managers_update(context: Ctx, _caller: RequiredKey, update: Annotated[ManagersUpdate, Depends(body(ManagersUpdate))]) -> Synced:
    """Обновляет имена менеджеров по ID: всё или ничего."""
    managers = [ManagerInput(m.manager_id, m.name, m.surname, m.middlename) for m in update.managers]
    full = update.mode == "full"
    with context.database.begin() as session:
        return _synced(directory.sync_managers(session, managers, clock.now(), full), full)


def _synced(counts: Counts, full: bool) -> Synced:
    done = {"status": "ok", "created": counts.created, "updated": counts.updated, "unchanged": counts.unchanged}
    return Synced.model_validate(done | ({"deactivated": counts.deactivated} if full else {}))
