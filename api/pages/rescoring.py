"""«Пересчёт звонков»: judging everything since a day anew, after the number was shown; how far it is, and what was asked before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from api.pages import filters
from api.pages.form import Form
from api.pages.view import View, Viewer
from core.errors import InvalidInput, NotFound, TransientError
from db import definitions, overview, rescores
from db.rescores import Rescore
from tasks import dispatch

RECENT = 10  # requests on the page
USUAL_DAYS = 7
Outcome = Literal["waiting", "running", "done", "failed", "unknown"]
OUTCOMES: dict[str, Outcome] = {
    "SCHEDULED": "waiting",
    "PENDING": "waiting",
    "RUNNING": "running",
    "CANCELLING": "running",
    "PAUSED": "running",
    "COMPLETED": "done",
    "FAILED": "failed",
    "CRASHED": "failed",
    "CANCELLED": "failed",
}
router = APIRouter(prefix="/settings/rescoring")


@dataclass(frozen=True)
class Wanted:
    """What a person chose: calls since the beginning of a day."""

    since: datetime
    checklist_id: str | None
    webhooks: bool


@dataclass(frozen=True)
class Line:
    """One request with what Prefect says of it; `left` is a guess in seconds."""

    asked: Rescore
    outcome: Outcome
    percent: float
    left: float | None

    @property
    def is_open(self) -> bool:
        return self.outcome in ("waiting", "running")


@router.get("")
def show(view: Viewer) -> Response:
    """The form; with a day in the address also the number of calls and the button that starts."""
    view.need("edit")
    query = view.request.query_params
    wanted = _wanted(view, query) if "since" in query else None
    with view.context.database.read() as session:
        checklists = overview.definition_names(session, "checklist")
        calls = rescores.matching(session, wanted.since) if wanted else 0
        asked = rescores.recent(session, RECENT)
    return view.render(
        "rescoring.html",
        wanted=wanted,
        calls=calls,
        checklists=checklists,
        chosen=query.get("checklist", ""),
        week=view.shape.local(filters.midnight(view, USUAL_DAYS)).date().isoformat(),
        today=view.shape.local(view.at).date().isoformat(),
        lines=[_line(view, one) for one in asked],
        names=dict(checklists),
    )


@router.get("/history")
def history(view: Viewer) -> Response:
    """The requests alone, for a page that watches one."""
    view.need("edit")
    with view.context.database.read() as session:
        asked, names = rescores.recent(session, RECENT), dict(overview.definition_names(session, "checklist"))
    return view.render("_rescores.html", lines=[_line(view, one) for one in asked], names=names)


@router.post("")
def start(view: Viewer, form: Form) -> Response:
    """Ask the flow; it works behind the live calls."""
    view.need("edit")
    wanted = _wanted(view, form)
    with view.context.database.read() as session:
        if wanted.checklist_id is not None:
            definitions.row(session, "checklist", wanted.checklist_id)
        calls = rescores.matching(session, wanted.since)
    if not calls:
        raise InvalidInput(ru="С этого дня нет ни одного готового звонка.", en="There is no finished call since that day.")
    try:
        run = dispatch.rescore_since(view.context.prefect, view.context.settings, wanted.since, wanted.checklist_id, wanted.webhooks)
    except (TransientError, NotFound):
        return view.go("/settings/rescoring", view.t("Prefect не отвечает, пересчёт не начат. Повторите позже."), error=True)
    with view.context.database.begin() as session:
        asked = Rescore(run, view.login, view.at, wanted.since, wanted.checklist_id, wanted.webhooks, calls)
        rescores.remember(session, asked)
    return view.go("/settings/rescoring#history", view.t("Пересчёт начат. Новые звонки обрабатываются раньше него."))


def _wanted(view: View, given: Mapping[str, str]) -> Wanted:
    """The choice in a form or an address."""
    try:
        day = datetime.fromisoformat(given.get("since", "")).replace(tzinfo=view.shape.zone)
    except ValueError:
        raise InvalidInput(ru="Выберите день.", en="Choose a day.") from None
    return Wanted(day, given.get("checklist") or None, given.get("webhooks") == "yes")


def _line(view: View, asked: Rescore) -> Line:
    try:
        state, percent = view.context.prefect.progress(asked.flow_run_id)
    except (TransientError, NotFound):
        return Line(asked, "unknown", 0.0, None)
    outcome = OUTCOMES.get(state, "unknown")
    spent = (view.at - asked.at) / timedelta(seconds=1)
    return Line(asked, outcome, percent, spent * (100 - percent) / percent if outcome == "running" and percent else None)
