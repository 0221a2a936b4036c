"""What a person does about a call: marks a stage, objects, answers, asks for another judgement, sends a webhook again, deletes it."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from api.middleware import encoded
from api.pages.call import visible
from api.pages.form import Form
from api.pages.view import Undo, View, Viewer
from api.routes.calls import CallId
from core.errors import InvalidInput, NotFound
from db import appeals, audit, deliveries, marks, speakers
from db.models import Delivery
from tasks import dispatch
from tasks.forget import forget

MAX_REASON = 2000  # characters
router = APIRouter(prefix="/calls/{call_id}")


@router.post("/mark")
def mark(view: Viewer, call_id: CallId, form: Form) -> Response:
    """A person's mark beside the machine's, with the reason."""
    view.need("mark")
    checklist, stage, reason = form.get("checklist", ""), form.get("stage", ""), _reason(form.get("reason", ""))
    with view.context.database.begin() as session:
        visible(session, view, call_id)
        marks.add(session, call_id, checklist, stage, _score(form.get("score", "")), reason, view.login, view.at)
    undo = Undo(f"/calls/{encoded(call_id)}/unmark", {"checklist": checklist, "stage": stage})
    return view.go(_at(call_id, checklist, stage), view.t("Отметка сохранена."), undo=undo)


@router.post("/unmark")
def unmark(view: Viewer, call_id: CallId, form: Form) -> Response:
    """Take the last mark of a stage back."""
    view.need("mark")
    checklist, stage = form.get("checklist", ""), form.get("stage", "")
    with view.context.database.begin() as session:
        visible(session, view, call_id)
        marks.withdraw(session, call_id, checklist, stage, view.login, view.at)
    return view.go(_at(call_id, checklist, stage), view.t("Отметка снята."))


@router.post("/appeal")
def appeal(view: Viewer, call_id: CallId, form: Form) -> Response:
    """A manager objects to the mark of a stage."""
    view.need("appeal")
    checklist, stage, reason = form.get("checklist", ""), form.get("stage", ""), _reason(form.get("reason", ""))
    with view.context.database.begin() as session:
        visible(session, view, call_id)
        appeals.add(session, call_id, checklist, stage, reason, view.login, view.at)
    return view.go(_at(call_id, checklist, stage), view.t("Обращение отправлено руководителю."))


@router.post("/answer")
def answer(view: Viewer, call_id: CallId, form: Form) -> Response:
    """The head answers an objection; agreeing puts the mark."""
    view.need("mark")
    accepted, reason = form.get("accepted") == "yes", _reason(form.get("reason", ""))
    number = int(form["appeal"]) if form.get("appeal", "").isdecimal() else 0
    with view.context.database.begin() as session:
        visible(session, view, call_id)
        if number not in {one.appeal_id for one in appeals.of_call(session, call_id)}:
            raise NotFound
        row = appeals.answer(session, number, accepted, reason, view.login, view.at, _score(form.get("score", "1")) if accepted else None)
    said = view.t("Обращение принято, отметка исправлена.") if accepted else view.t("Обращение отклонено.")
    return view.go(_at(call_id, row.checklist_id, row.stage_id), said)


@router.post("/rescore")
def rescore(view: Viewer, call_id: CallId, form: Form) -> Response:
    """Judge again by what is in force now; earlier results stay in the history."""
    view.need("mark")
    with view.context.database.begin() as session:
        visible(session, view, call_id)
        audit.write(session, view.login, "call.rescored", call_id, view.at)
    return _judged_again(view, call_id, form)


@router.post("/swap")
def swap(view: Viewer, call_id: CallId, form: Form) -> Response:
    """The manager and the customer change places, and the call is judged again."""
    view.need("mark")
    with view.context.database.begin() as session:
        visible(session, view, call_id)
        speakers.swap(session, call_id, view.login, view.at)
    return _judged_again(view, call_id, form)


@router.post("/replay")
def replay(view: Viewer, call_id: CallId, form: Form) -> Response:
    """Send a webhook of this call again, with the same id and the same bytes."""
    view.need("replay")
    with view.context.database.begin() as session:
        visible(session, view, call_id)
        row = session.get(Delivery, form.get("delivery", ""))
        if row is None or row.call_id != call_id:
            raise NotFound(ru="Такой доставки нет.", en="No such delivery.")
        deliveries.replay(session, row.delivery_id, view.at)
        audit.write(session, view.login, "delivery.replayed", call_id, view.at, delivery=row.delivery_id)
    return view.go(f"/calls/{encoded(call_id)}#deliveries", view.t("Отправим ещё раз в течение минуты."))


@router.post("/delete")
def delete(view: Viewer, call_id: CallId) -> Response:
    """Forget the call everywhere; nothing brings it back."""
    view.need("operate")
    forget(view.context.database, view.context.settings, view.context.prefect, call_id, view.login)
    return view.go("/calls", view.t("Звонок удалён."))


def _judged_again(view: View, call_id: str, form: Form) -> Response:
    dispatch.rescore(view.context.database, view.context.prefect, view.context.settings, call_id)
    return view.go(f"/calls/{encoded(call_id)}?{urlencode({'wait': form.get('stamp', '')})}")


def _at(call_id: str, checklist: str, stage: str) -> str:
    return f"/calls/{encoded(call_id)}#{encoded(f'{checklist}-{stage}')}"


def _reason(text: str) -> str:
    text = text.strip()
    if not text or len(text) > MAX_REASON:
        raise InvalidInput(
            ru=f"Напишите причину, не длиннее {MAX_REASON} знаков.", en=f"Write a reason of at most {MAX_REASON} characters."
        )
    return text


def _score(text: str) -> int:
    if text not in ("1", "0", "-1"):
        raise InvalidInput(ru="Выберите отметку.", en="Choose a mark.")
    return int(text)
