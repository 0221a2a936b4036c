"""Whether the process lives, whether it can take calls, and its metrics."""

from __future__ import annotations

import shutil

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.context import Context, Ctx
from db import migrate
from db.engine import Database

router = APIRouter(tags=["Состояние"])


@router.get("/healthz", summary="Процесс жив")
def healthz() -> dict[str, str]:
    """Отвечает, пока процесс жив; базу не спрашивает."""
    return {"status": "ok"}


@router.get("/readyz", summary="Готовность принимать звонки", responses={503: {"description": "Звонки сейчас принять нельзя"}})
def readyz(context: Ctx) -> JSONResponse:
    """База, схема и место на диске обязательны; недоступный Prefect только предупреждение: звонки принимаются и без него."""
    checks = {"database": _database(context.database), "disk": _disk(context)}
    ready = all(value == "ok" for value in checks.values())
    prefect = "ok" if context.prefect.healthy() else "unavailable"
    return JSONResponse({"status": "ok" if ready else "unavailable", **checks, "prefect": prefect}, 200 if ready else 503)


@router.get("/metrics", summary="Метрики Prometheus", response_class=Response)
def metrics(context: Ctx) -> Response:
    """Запросы этого процесса, звонки и доставки по состояниям, возраст очереди."""
    return Response(context.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _database(database: Database) -> str:
    """Proves a write: a database that only reads cannot take a call."""
    try:
        with database.begin() as session:
            session.execute(text("UPDATE leases SET until = until WHERE name = ''"))
        return "ok" if migrate.is_current(database) else "schema_outdated"
    except SQLAlchemyError:
        return "unavailable"


def _disk(context: Context) -> str:
    free = shutil.disk_usage(context.settings.root).free
    return "ok" if free >= 2 * context.settings.max_audio_bytes else "full"
