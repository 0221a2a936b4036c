"""Where the results of a checklist or a table go: the address, its secret, a test."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.fields import Url
from api.messages import sentence
from api.middleware import encoded
from api.pages.form import Form, Key
from api.pages.view import View, Viewer
from core.errors import InvalidInput, NotFound
from db import audit, definitions, endpoints
from db.definitions import Kind
from tasks.webhooks import send_test

KINDS: dict[str, Kind] = {"checklists": "checklist", "tables": "table"}
_URL: TypeAdapter[str] = TypeAdapter(Url)
router = APIRouter(prefix="/settings/{kinds}/{key}/webhook")


def _kind(kinds: Literal["checklists", "tables"]) -> Kind:
    return KINDS[kinds]


Owner = Annotated[Kind, Depends(_kind)]


@router.post("")
def set_url(view: Viewer, kind: Owner, key: Key, form: Form) -> Response:
    """Set the address, or take it away; the secret of a new one is shown once."""
    view.need("edit")
    url = form.get("url", "").strip()
    if not url:
        return _remove(view, kind, key)
    try:
        _URL.validate_python(url)
    except ValidationError as error:
        ru, en = (sentence(error.errors()[0], language) for language in ("ru", "en"))
        raise InvalidInput(ru=f"Адрес: {ru}", en=f"Address: {en}") from None
    view.context.http.check(url)
    with view.context.database.begin() as session:
        definitions.row(session, kind, key)
        fresh = endpoints.get(session, kind, key) is None
        endpoint = endpoints.set_url(session, view.context.secret, kind, key, url, view.at)
        secret = endpoints.live_secrets(session, view.context.secret, endpoint.endpoint_id, view.at)[0]
        audit.write(session, view.login, "webhook.set", key, view.at, host=url.split("/")[2])
    return _told_secret(view, kind, key, secret) if fresh else view.go(_page(kind, key), view.t("Адрес сохранён."))


@router.post("/rotate")
def rotate(view: Viewer, kind: Owner, key: Key) -> Response:
    """A new secret; the old one signs beside it while the CRM changes over."""
    view.need("edit")
    overlap = timedelta(seconds=view.context.settings.webhook_secret_overlap_seconds)
    with view.context.database.begin() as session:
        secret = endpoints.rotate(session, view.context.secret, _endpoint(session, kind, key), view.at, overlap)
        audit.write(session, view.login, "webhook.rotated", key, view.at)
    return _told_secret(view, kind, key, secret)


@router.post("/reveal")
def reveal(view: Viewer, kind: Owner, key: Key) -> Response:
    """Show the secret once more; the audit remembers it."""
    view.need("edit")
    with view.context.database.begin() as session:
        secret = endpoints.live_secrets(session, view.context.secret, _endpoint(session, kind, key), view.at)[0]
        audit.write(session, view.login, "webhook.revealed", key, view.at)
    return _told_secret(view, kind, key, secret)


@router.post("/enable")
def enable(view: Viewer, kind: Owner, key: Key) -> Response:
    """Send again to an address that was disabled after long failures."""
    view.need("edit")
    with view.context.database.begin() as session:
        endpoints.enable(session, _endpoint(session, kind, key))
        audit.write(session, view.login, "webhook.enabled", key, view.at)
    return view.go(_page(kind, key), view.t("Адрес снова включён, накопившееся будет отправлено."))


@router.post("/test")
def test(view: Viewer, kind: Owner, key: Key) -> Response:
    """Send a signed test event now and say what came back."""
    view.need("edit")
    with view.context.database.begin() as session:
        endpoint_id = _endpoint(session, kind, key)
        audit.write(session, view.login, "webhook.tested", key, view.at)
    met = send_test(view.context.database, view.context.settings, view.context.http, endpoint_id).attempt
    seconds = view.shape.number(met.seconds, 2)
    if met.succeeded:
        return view.go(_page(kind, key), view.t("CRM ответила {status} за {seconds} с.", status=met.status_code, seconds=seconds))
    why = str(met.status_code or met.response or met.error_code)
    return view.go(_page(kind, key), view.t("Проверка не прошла: {why} ({seconds} с).", why=why[:200], seconds=seconds), error=True)


def _remove(view: View, kind: Kind, key: str) -> Response:
    with view.context.database.begin() as session:
        endpoints.remove(session, kind, key, view.at)
        audit.write(session, view.login, "webhook.removed", key, view.at)
    return view.go(_page(kind, key), view.t("Адрес убран, результаты больше не отправляются."))


def _endpoint(session: Session, kind: Kind, key: str) -> str:
    endpoint = endpoints.get(session, kind, key)
    if endpoint is None:
        raise NotFound(ru="Адреса вебхука нет.", en="No such webhook address.")
    return endpoint.endpoint_id


def _told_secret(view: View, kind: Kind, key: str, secret: str) -> Response:
    """Straight into the answer: a secret is no text for a cookie or an address."""
    return view.render("secret.html", secret=secret, back=_page(kind, key), title=view.t("Секрет подписи webhook"))


def _page(kind: Kind, key: str) -> str:
    return f"/settings/{kind}s/{encoded(key)}"
