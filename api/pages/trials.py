"""«Проверка черновика»: what a changed definition would have said about calls that are judged already."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.middleware import encoded
from api.pages.form import Form, Key
from api.pages.view import View, Viewer
from checklists.comparison import sums
from checklists.definitions import Definition
from core.errors import InvalidInput, NotFound, RopError
from db import audit, calls, definitions, overview, results, trials
from db.overview import CallFilter
from tasks import dispatch

USUAL = 20  # calls a trial takes when nothing else is said
router = APIRouter(prefix="/settings/trials")


def start(view: View, definition: Definition, form: Form) -> Response:
    """Ask the flow to try the draft on one call or on the latest ones, and show its page."""
    with view.context.database.begin() as session:
        chosen = _chosen(session, view, form)
        row = trials.create(session, definition, chosen, view.login, view.at)
        audit.write(session, view.login, "trial.started", definition.id, view.at, calls=len(chosen))
    try:
        dispatch.try_draft(view.context.prefect, row.trial_id)
    except RopError as error:
        with view.context.database.begin() as session:
            trials.finish(session, row.trial_id, view.at, error.text(view.language))
    return view.go(f"/settings/trials/{row.trial_id}")


@router.get("/{key}")
def show(view: Viewer, key: Key) -> Response:
    """What is known so far; the page asks again until the trial is over."""
    view.need("see_all")
    part = view.request.headers.get("hx-request") is not None
    with view.context.database.read() as session:
        row = trials.get(session, key)
        known = definitions.exists(session, definitions.as_kind(row.kind), row.definition_id)
        ids = [outcome["call_id"] for outcome in row.outcomes]
        lines = {line.call_id: line for line in overview.lines(session, ids)}
    values: dict[str, Any] = {"trial": row, "sums": sums(row.outcomes), "lines": lines, "kinds": f"{row.kind}s", "known": known}
    return view.render("_trial.html" if part else "trial.html", **values)


@router.post("/{key}/apply")
def put_in_force(view: Viewer, key: Key) -> Response:
    """The tried draft becomes the version in force."""
    view.need("edit")
    with view.context.database.begin() as session:
        row = trials.get(session, key)
        done = definitions.apply(session, trials.definition_of(row), view.login, view.at)
        audit.write(session, view.login, "definition.applied", row.definition_id, view.at, version=done.version, number=done.number)
    return view.go(f"/settings/{row.kind}s/{encoded(row.definition_id)}", view.t("Сохранено: действует версия {n}.", n=done.number))


def _chosen(session: Session, view: View, form: Form) -> list[str]:
    call_id, most = form.get("try_call", "").strip(), view.context.settings.trial_calls
    if call_id:
        calls.get(session, call_id)
        if results.transcript_row(session, call_id) is None:
            raise NotFound(ru="У этого звонка нет расшифровки.", en="This call has no transcript.")
        return [call_id]
    given: Any = form.get("try_last", "")
    last = min(int(given), most) if given.isdecimal() and int(given) else min(USUAL, most)
    found = overview.ids(session, CallFilter(status="done"), last)
    if not found:
        raise InvalidInput(ru="Проверять пока не на чем: готовых звонков нет.", en="There is nothing to try on yet: no call is done.")
    return found
