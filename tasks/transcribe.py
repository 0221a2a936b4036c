"""Step 2: the recording becomes a transcript, once per call."""

from __future__ import annotations

from typing import Any

from prefect import task

from core import clock
from core.failpoints import failpoint
from db import calls, results
from db.models import Call, Recording, TranscriptRow
from tasks import runtime as runtimes
from tasks.engines.asr import Job, Progress, Recognition
from tasks.policy import RESUMABLE, RETRIED
from tasks.progress import ShownProgress
from tasks.runtime import Runtime
from tasks.vocabulary import vocabulary


def transcribe_call(runtime: Runtime, call_id: str, progress: Progress) -> int:
    """Transcribe the stored recording and store the transcript; the number of utterances."""
    with runtime.database.read() as session:
        recording = session.get_one(Recording, call_id)
        call = session.get_one(Call, call_id)
        known = results.transcript_row(session, call_id)
        if known is not None and known.created_at >= recording.created_at:
            # An earlier run of this attempt heard it, perhaps on another host: recognition is never paid twice.
            return len(known.content["utterances"])
        likely = vocabulary(session, call)
    with runtime.storage.local(recording.path) as path:
        job = Job(
            path=path,
            format=recording.format,  # type: ignore[arg-type]
            language=_language(runtime, call),
            manager_channel=call.manager_channel,  # type: ignore[arg-type]
            direction=call.direction,  # type: ignore[arg-type]
            hotwords=likely,
        )
        heard = runtime.transcriber.transcribe(job, progress)
    failpoint("transcribe.before_store")
    _store(runtime, call_id, heard)
    failpoint("transcribe.after_store")
    return len(heard.transcript.utterances)


def _language(runtime: Runtime, call: Call) -> str | None:
    wanted = call.language or runtime.settings.asr_language
    return None if wanted == "auto" else wanted


def _store(runtime: Runtime, call_id: str, heard: Recognition) -> None:
    row = TranscriptRow(call_id=call_id, engine=heard.engine, model=heard.model, swapped=False, created_at=clock.now())
    row.content = heard.transcript.model_dump(mode="json")
    row.peaks, row.text = list(heard.peaks), heard.transcript.text
    with runtime.database.begin() as session:
        calls.fence(session, call_id, runtime.lease(call_id).token)
        results.save_transcript(session, row)


@task(name="transcribe", task_run_name="transcribe", **RESUMABLE, **RETRIED)
def transcribe(call_id: str) -> dict[str, Any]:
    """The number of utterances that were heard; zero is a call without speech."""
    runtime = runtimes.current()
    lease = runtime.lease(call_id)
    lease.enter("downloading")  # without a limit: it is nobody's fault that the recogniser is busy
    with runtime.recognising.one(lease.check, behind=lease.call.priority != "live"):
        lease.enter("transcribing", runtime.settings.transcribe_seconds)
        started = clock.monotonic()
        utterances = transcribe_call(runtime, call_id, ShownProgress(lease.progress, f"Расшифровка {call_id}"))
    return {"utterances": utterances, "seconds": round(clock.monotonic() - started, 1)}
