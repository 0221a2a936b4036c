"""«Звонок»: hear it, read it, see what it was judged by and what became of the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.pages import scorecard, story, wave
from api.pages.view import View, Viewer
from api.routes.calls import CallId
from checklists.transcript import SURE_SPEAKER, Transcript
from core import ids
from core.errors import NotFound
from db import appeals, calls, deliveries, directory, endpoints, marks, overview, results
from db.models import Call, Endpoint, TranscriptRow

UNSURE_WORDS = 0.5  # recognition confidence below which a line is shown as doubtful
SHOWN_ELSEWHERE = "unsure_speakers"  # the transcript says it itself
router = APIRouter()


@dataclass(frozen=True)
class Line:
    """One utterance as the page shows it; `cited` are the numbers and anchors of the stages it proves."""

    id: int
    start: float
    end: float
    speaker: str
    text: str
    doubtful: bool
    cited: tuple[tuple[int, str], ...]


def visible(session: Session, view: View, call_id: str) -> Call:
    """The call, if this person may know of it; another manager's call does not exist for them."""
    call = calls.get(session, call_id)
    if view.own is not None and call.manager_id != view.own:
        raise NotFound(ru="Звонок не найден.", en="No such call.")
    return call


@router.get("/calls/{call_id}")
def show(view: Viewer, call_id: CallId, wait: str = "") -> Response:
    """Everything about one call. `wait` is the state that a re-scoring was asked in."""
    with view.context.database.read() as session:
        values = _all(session, view, call_id)
    values["waiting"] = wait if wait == values["stamp"] else ""
    return view.render("call.html", **values)


@router.get("/calls/{call_id}/state")
def state(view: Viewer, call_id: CallId, seen: str = "") -> Response:
    """The progress of a call for a page that is open; a page that shows an older state is told to load anew."""
    with view.context.database.read() as session:
        call = visible(session, view, call_id)
        fresh = _stamp(session, call)
    if fresh != seen:
        return Response(headers={"HX-Refresh": "true"})
    return view.render("_state.html", call=call, status=overview.public(call.status), stamp=fresh)


@router.get("/calls/{call_id}/receipt")
def receipt(view: Viewer, call_id: CallId) -> Response:
    """On paper: by which rule, by whom and on which words every point was given."""
    with view.context.database.read() as session:
        values = _all(session, view, call_id)
    return view.render("receipt.html", **values)


def _all(session: Session, view: View, call_id: str) -> dict[str, Any]:
    call = visible(session, view, call_id)
    row, recording = results.transcript_row(session, call_id), results.recording(session, call_id)
    heard = _heard(row) if row else None
    marked, objections = marks.current(session, call_id), appeals.of_call(session, call_id)
    cards = [scorecard.card(session, one, heard, marked, objections) for one in results.current(session, call_id, "checklist")]
    tables = [scorecard.table(session, one, heard) for one in results.current(session, call_id, "table")]
    sent = deliveries.log(session, call_id=call_id)
    history = overview.revisions(session, call_id)
    events = calls.timeline(session, call_id)
    return {
        "call": call,
        "status": overview.public(call.status),
        "stamp": _stamp(session, call),
        "manager": directory.manager_names(session, [call.manager_id]).get(call.manager_id, call.manager_id),
        "recording": recording if recording is not None and recording.deleted_at is None else None,
        "was_recorded": recording is not None,
        "transcript": row,
        "heard": heard,
        "lines": _lines(heard, cards) if heard else [],
        "picture": _picture(row, heard),
        "cards": cards,
        "tables": tables,
        "notes": _notes(call, heard, cards, tables),
        "deliveries": sent,
        "addresses": _addresses(session),
        "steps": story.tell(view, events, recording, row, history, marked, sent),
        "run_url": f"{view.context.settings.ui_url}/runs/flow-run/{call.flow_run_id}" if call.flow_run_id else "",
    }


def _heard(row: TranscriptRow) -> Transcript:
    """The conversation by utterances: the thousands of single words of a long one are nothing a page shows."""
    return Transcript.model_validate(row.content | {"utterances": [u | {"words": ()} for u in row.content.get("utterances", ())]})


def _stamp(session: Session, call: Call) -> str:
    """Changes with everything that makes an open page out of date."""
    kinds: tuple[results.Kind, ...] = ("checklist", "table")
    current = [row.result_id for kind in kinds for row in results.current(session, call.call_id, kind)]
    return ids.content_hash([overview.public(call.status), call.attempt, current])


def _notes(call: Call, heard: Transcript | None, cards: list[scorecard.Card], tables: list[scorecard.TableCard]) -> list[str]:
    """What the ingress, the recogniser and the engines want a person to know, each once."""
    rows = [card.row for card in cards] + [table.row for table in tables]
    flags = [flag for row in rows for flag in row.content.get("flags", ())]
    every = [*call.warnings, *(heard.warnings if heard else ()), *flags]
    return [note for note in dict.fromkeys(every) if note != SHOWN_ELSEWHERE]


def _lines(heard: Transcript, cards: list[scorecard.Card]) -> list[Line]:
    cited: dict[int, dict[tuple[int, str], None]] = {}
    for card in cards:
        for stage in card.stages:
            for asked in stage.criteria:
                for number in asked.result.evidence if asked.result and asked.result.met else ():
                    cited.setdefault(number, {})[stage.number, f"{card.checklist_id}-{stage.stage_id}"] = None
    return [
        Line(
            id=u.id,
            start=u.start,
            end=u.end,
            speaker=u.speaker,
            text=u.text,
            doubtful=u.confidence < UNSURE_WORDS or u.speaker_confidence < SURE_SPEAKER,
            cited=tuple(cited.get(u.id, ())),
        )
        for u in heard.utterances
    ]


def _picture(row: TranscriptRow | None, heard: Transcript | None) -> wave.Wave | None:
    if row is None or heard is None or not row.peaks or heard.duration <= 0:
        return None
    return wave.draw(row.peaks, heard.utterances, heard.duration)


def _addresses(session: Session) -> dict[str, Endpoint]:
    return {row.endpoint_id: row for row in endpoints.every(session)}
