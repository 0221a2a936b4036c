"""Taking a call in: commit first, everything else afterwards (C3, C4, C5, C14, C16)."""

from __future__ import annotations

from asyncio import wrap_future
from dataclasses import replace
from functools import partial

import structlog
from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.answers import keyed
from api.auth import Caller, required_caller
from api.bodies import read
from api.context import Context, context_of
from api.openapi import accepts
from api.schemas import Accepted, Upload
from core import clock
from core.errors import AddressRefused, BadAudio, InvalidInput, NotFound, RopError
from core.failpoints import failpoint
from core.settings import Settings
from db import calls, directory
from db.calls import CallExists, NewCall
from tasks.audio.peek import peek

log = structlog.get_logger(__name__)
router = APIRouter(tags=["Звонки"])
NOT_AUDIO = {400: "Некорректные параметры, или файл не является аудио", 409: "Звонок с данным call_id уже принят; тело несёт его состояние"}


@router.post(
    "/calls/audio-upload",
    summary="Загрузка аудиозаписи звонка",
    response_model=Accepted,
    openapi_extra=accepts(Upload),
    responses=keyed(400, 409, 413, texts=NOT_AUDIO),
)
async def audio_upload(request: Request) -> JSONResponse:
    """Принимает ссылку на запись и ставит звонок в очередь на анализ."""
    # Without dependencies, on which FastAPI spends longer than we on all the rest.
    context = context_of(request)
    caller = await run_in_threadpool(required_caller, request, context)
    upload = await read(request, Upload)
    request.state.logged["call_id"] = upload.call_id
    new = _new_call(upload, caller, context.settings)
    if context.settings.probe == "on" and context.probes.available_tokens:
        new = await to_thread.run_sync(_probed, context, new, limiter=context.probes)
    await wrap_future(context.writer.submit(partial(_accept, new)))
    failpoint("accept.after_commit")
    context.starter.start(new.call_id)
    return JSONResponse({"status": "queued", "call_id": new.call_id})


def _accept(new: NewCall, session: Session) -> None:
    at = clock.now()
    calls.receive(session, new, at)
    directory.ensure_managers(session, [new.manager_id], at)


def _new_call(upload: Upload, caller: Caller, settings: Settings) -> NewCall:
    if upload.duration is not None and upload.duration > settings.max_audio_seconds:
        limit = f"{settings.max_audio_seconds:g}"
        ru, en = f"Длительность больше {limit} с.", f"The duration is over {limit} s."
        raise InvalidInput("too_long", ru=ru, en=en, fields={"duration": f"> {limit}"})
    given = upload.model_dump(exclude={"duration"}, exclude_none=True)
    defaults = {name: value for name, value in caller.defaults.items() if name in ("manager_channel", "direction", "language")}
    return NewCall(**(defaults | given), key_id=caller.key_id, duration_hint=upload.duration)


def _probed(context: Context, new: NewCall) -> NewCall:
    """Refuse what is proven to be no audio; whatever else is wrong with the address is left to the flow."""
    _refuse_known(context, new.call_id)
    try:
        peek(new.audio_url, context.settings, context.http)
    except BadAudio:
        raise
    except RopError as error:
        log.info("probe_undecided", call_id=new.call_id, error=error.reason)
        return replace(new, warnings=(*new.warnings, error.reason)) if isinstance(error, AddressRefused) else new
    return new


def _refuse_known(context: Context, call_id: str) -> None:
    """Answer a repeat before its address is asked once more; the unique constraint still decides."""
    with context.database.read() as session:
        try:
            call = calls.get(session, call_id)
        except NotFound:
            return
    if call.status != "failed":
        raise CallExists(call_id=call_id, status=calls.public_status(call), received_at=call.received_at.isoformat())
