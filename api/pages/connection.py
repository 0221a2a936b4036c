"""«Подключение»: keys of the CRM, limits, networks, the delivery log, the self-test, links."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.auth import Caller
from api.pages import filters, words
from api.pages.form import Form, Key
from api.pages.view import View, Viewer
from api.routes import selftest
from core.errors import InvalidInput
from db import audit, definitions, deliveries, endpoints, keys

ROWS = 30  # deliveries on the page
STATUSES = ("pending", "delivered", "dead")
CHANNELS, DIRECTIONS = ("left", "right"), ("in", "out")
MAX_LABEL, MAX_DAYS = 100, 3650
KEEP_HOURS = 24  # how long a rotated key goes on working
router = APIRouter(prefix="/settings")


@router.get("/connection")
def show(view: Viewer, status: str = "", endpoint: str = "") -> Response:
    """Everything that lies between the CRM and us."""
    view.need("see_all")
    settings = view.context.settings
    wanted = {"status": status if status in STATUSES else None, "endpoint_id": endpoint or None}
    with view.context.database.read() as session:
        names = {
            (kind, one.definition_id): definitions.load(session, kind, one.definition_id).name
            for kind in ("checklist", "table")
            for one in definitions.rows(session, definitions.as_kind(kind))
        }
        values: dict[str, Any] = {
            "keys": keys.listed(session),
            "endpoints": endpoints.every(session),
            "names": names,
            "log": deliveries.log(session, limit=ROWS, **wanted),
            "counts": deliveries.count_by_status(session),
        }
    return view.render(
        "connection.html",
        status=wanted["status"],
        endpoint=endpoint,
        is_live=keys.is_live,
        limits=[(name, getattr(settings, name)) for name in words.LIMITS],
        networks=[str(one) for one in settings.allowed_networks],
        base=f"{settings.public_url or str(view.request.base_url).rstrip('/')}/api/v1",
        links=_links(view),
        healthy=view.context.prefect.healthy(),
        week=view.shape.local(filters.midnight(view, 7)).date().isoformat(),
        **values,
    )


@router.post("/keys")
def create(view: Viewer, form: Form) -> Response:
    """A new key, shown once."""
    view.need("operate")
    label = form.get("label", "").strip()[:MAX_LABEL]
    if not label:
        raise InvalidInput(ru="Назовите, кто будет пользоваться ключом.", en="Name who will use the key.")
    with view.context.database.begin() as session:
        made = keys.create(session, view.context.secret, label, view.at, _expiry(view, form.get("days", "")), _defaults(form))
        audit.write(session, view.login, "key.created", made.key_id, view.at, label=label)
    return _told(view, made.plain, view.t("Новый ключ для CRM"))


@router.post("/keys/{key}/rotate")
def rotate(view: Viewer, key: Key) -> Response:
    """A successor, shown once; the old key goes on for a day."""
    view.need("operate")
    with view.context.database.begin() as session:
        made = keys.rotate(session, view.context.secret, key, view.at, timedelta(hours=KEEP_HOURS))
        audit.write(session, view.login, "key.rotated", key, view.at, successor=made.key_id)
    return _told(view, made.plain, view.t("Новый ключ взамен прежнего; прежний работает ещё {n} ч", n=KEEP_HOURS))


@router.post("/keys/{key}/revoke")
def revoke(view: Viewer, key: Key) -> Response:
    """End a key at once."""
    view.need("operate")
    with view.context.database.begin() as session:
        row = keys.revoke(session, key, view.at)
        audit.write(session, view.login, "key.revoked", key, view.at, label=row.label)
    return view.go("/settings/connection#keys", view.t("Ключ отозван: запросы с ним больше не принимаются."))


@router.post("/deliveries/{key}/replay")
def replay(view: Viewer, key: Key) -> Response:
    """Send one webhook again."""
    view.need("replay")
    with view.context.database.begin() as session:
        deliveries.replay(session, key, view.at)
        audit.write(session, view.login, "delivery.replayed", key, view.at)
    return view.go(view.back("/settings/connection") + "#deliveries", view.t("Отправим ещё раз в течение минуты."))


@router.post("/deliveries/replay")
def replay_since(view: Viewer, form: Form) -> Response:
    """Send everything again that was given up since a day."""
    view.need("replay")
    since = _day(view, form.get("since", ""))
    with view.context.database.begin() as session:
        number = deliveries.replay_since(session, form.get("endpoint") or None, since, view.at)
        audit.write(session, view.login, "deliveries.replayed", form.get("endpoint", ""), view.at, number=number, since=since.isoformat())
    return view.go("/settings/connection#deliveries", view.t("Поставлено на повтор: {n}.", n=number))


@router.post("/self-test")
def self_test(view: Viewer) -> Response:
    """The bundled call through the whole way, and a test event to every address."""
    view.need("replay")
    with view.context.database.begin() as session:
        audit.write(session, view.login, "self_test.started", "", view.at)
    report = selftest.start(view.context, Caller(None, {}), view.language)
    return view.render("self_test.html", report=report, names=_owners(view))


def _owners(view: View) -> dict[str, str]:
    with view.context.database.read() as session:
        return {row.endpoint_id: f"{row.owner_id} ({row.url.split('?')[0]})" for row in endpoints.every(session)}


def _links(view: View) -> list[tuple[str, str]]:
    quality = [(view.t("Качество данных (Great Expectations)"), "/settings/quality")] if view.may("inspect") else []
    return [
        (view.t("Описание API для разработчика CRM"), "/docs"),
        (view.t("Ход обработки звонков (Prefect)"), view.context.settings.ui_url),
        (view.t("Готовность сервиса"), "/readyz"),
        *quality,
    ]


def _defaults(form: Form) -> dict[str, Any]:
    """Upload fields that calls of this key get when the CRM leaves them out."""
    given = {"manager_channel": (form.get("manager_channel"), CHANNELS), "direction": (form.get("direction"), DIRECTIONS)}
    return {name: value for name, (value, allowed) in given.items() if value in allowed}


def _expiry(view: View, days: str) -> datetime | None:
    return view.at + timedelta(days=min(int(days), MAX_DAYS)) if days.isdecimal() and int(days) else None


def _day(view: View, text: str) -> datetime:
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(ru="Выберите день.", en="Choose a day.") from None
    return day.replace(tzinfo=view.shape.zone)


def _told(view: View, plain: str, title: str) -> Response:
    return view.render("secret.html", secret=plain, back="/settings/connection#keys", title=title)
