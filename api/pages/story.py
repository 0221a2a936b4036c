"""The way of one call in order of time, from the CRM's post to the last webhook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from api.pages import words
from api.pages.view import View
from db.deliveries import Logged
from db.models import CallEvent, Override, Recording, Result, TranscriptRow

Tone = Literal["", "good", "poor"]
TONES: dict[str, Tone] = {"done": "good", "failed": "poor", "no_speech": "good", "accepted": "good"}


@dataclass(frozen=True)
class Step:
    """One line of the timeline."""

    at: datetime
    text: str
    detail: str = ""
    tone: Tone = ""


def tell(
    view: View,
    events: Sequence[CallEvent],
    recording: Recording | None,
    transcript: TranscriptRow | None,
    results: Sequence[Result],
    marks: Sequence[Override],
    deliveries: Sequence[Logged],
) -> list[Step]:
    """Everything that is known to have happened, oldest first."""
    steps = [*_events(view, events), *_sound(view, recording, transcript), *_results(view, results), *_marks(view, marks)]
    steps += [step for one in deliveries for step in _attempts(view, one)]
    return sorted(steps, key=lambda step: step.at)


def _events(view: View, events: Sequence[CallEvent]) -> Iterator[Step]:
    for event in events:
        detail = view.t("попытка {n}", n=event.attempt) if event.attempt > 1 else ""
        if code := event.detail.get("code"):
            detail = str(code)
        yield Step(event.at, view.t(words.TIMELINE.get(event.name, event.name)), detail, TONES.get(event.name, ""))


def _sound(view: View, recording: Recording | None, transcript: TranscriptRow | None) -> Iterator[Step]:
    if recording is not None:
        detail = f"{recording.format.upper()}, {view.shape.size(recording.bytes)}, {view.shape.duration(recording.duration)}"
        yield Step(recording.created_at, view.t(words.TIMELINE["downloaded"]), detail)
    if transcript is not None:
        yield Step(transcript.created_at, view.t(words.TIMELINE["transcribed"]), f"{transcript.engine} {transcript.model}".strip())


def _results(view: View, results: Sequence[Result]) -> Iterator[Step]:
    for row in results:
        name = words.TIMELINE["scored" if row.kind == "checklist" else "extracted"]
        again = "" if row.revision == 1 else f", {view.t('ревизия {n}', n=row.revision)}"
        title = row.content.get("checklist_name") or row.content.get("table_name") or row.definition_id
        yield Step(row.created_at, view.t(name), f"{title}{again}", "" if row.status == "ok" else "poor")


def _marks(view: View, marks: Sequence[Override]) -> Iterator[Step]:
    for mark in marks:
        yield Step(mark.created_at, view.t(words.TIMELINE["marked"]), f"{mark.author}: {view.t(words.MARKS[mark.score])}")


def _attempts(view: View, logged: Logged) -> Iterator[Step]:
    event = view.t(words.EVENTS.get(logged.delivery.event, logged.delivery.event))
    for attempt in logged.attempts:
        met = str(attempt.status_code) if attempt.status_code is not None else attempt.error_code or "—"
        good = attempt.status_code is not None and 200 <= attempt.status_code < 300
        text = f"{view.t('Webhook')} {met}"
        yield Step(attempt.at, text, f"{event}, {view.t('попытка {n}', n=attempt.number)}", "good" if good else "poor")
