"""The integrator's self-test: a bundled call through the real flow, and a signed test event to every address."""

from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path as File

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.answers import keyed
from api.auth import Caller, RequiredKey
from api.context import Context, Ctx, Language
from api.routes.calls import CallId
from api.routes.deliveries import delivery_answer
from api.routes.webhooks import tested, visible
from api.schemas import SelfTestAnswer, SelfTestStep, TestAnswer
from core import clock, ids
from core.errors import NotFound
from core.storage import Storage
from db import calls, deliveries, results
from db.calls import NewCall
from db.models import Call, Recording
from tasks.audio.probe import probe
from tasks.webhooks import send_test

SAMPLE = File(__file__).parents[1] / "samples" / "self_test.ogg"
# Never fetched: the recording is in the storage before the flow starts, so the test needs no network.
SAMPLE_URL = "https://self-test.invalid/self_test.ogg"
NAME = "selftest"  # manager, deal and stage of the sample call
SENDERS = 8  # addresses that are tried at once
UTTERANCES = {"ru": "реплик", "en": "utterances"}
SILENCE = {"ru": "В образцовой записи не услышана речь.", "en": "No speech was heard in the sample."}

router = APIRouter(tags=["Проверка"], prefix="/self-test")


@router.post("", summary="Самопроверка интеграции", responses=keyed())
def start(context: Ctx, caller: RequiredKey, language: Language) -> SelfTestAnswer:
    """Ставит в очередь образцовый звонок и отправляет проверочное событие на каждый адрес webhook."""
    call_id = f"{NAME}_{ids.token(6)}"
    _accept(context, caller, call_id)
    context.starter.start(call_id)
    tests = _send_tests(context, caller)
    with context.database.read() as session:
        return _report(session, calls.get(session, call_id), tests, language)


@router.get("/{call_id}", summary="Ход самопроверки", responses=keyed(400, 404))
def show(context: Ctx, _caller: RequiredKey, call_id: CallId, language: Language) -> SelfTestAnswer:
    """Что принято, что обработано и что CRM ответила на результаты."""
    if not call_id.startswith(f"{NAME}_"):
        raise NotFound
    with context.database.read() as session:
        return _report(session, calls.get(session, call_id), [], language)


def _accept(context: Context, caller: Caller, call_id: str) -> None:
    at = clock.now()
    with context.database.begin() as session:
        new = NewCall(call_id, NAME, NAME, NAME, SAMPLE_URL, caller.key_id, manager_channel="left", language="ru")
        calls.accept(session, new, at)
        results.save_recording(session, _stored(context, call_id))


def _stored(context: Context, call_id: str) -> Recording:
    """The bundled recording in the storage, as if it had been downloaded."""
    storage = Storage(context.settings)
    facts = probe(SAMPLE, context.settings)
    path = f"{ids.stable_id('rec', call_id)}.{facts.format}"
    part = storage.part(ids.stable_id("rec", call_id))
    shutil.copyfile(SAMPLE, part)
    storage.put(part, path)
    return Recording(
        call_id=call_id,
        path=path,
        bytes=SAMPLE.stat().st_size,
        sha256=hashlib.sha256(SAMPLE.read_bytes()).hexdigest(),
        format=facts.format,
        codec=facts.codec,
        channels=facts.channels,
        sample_rate=facts.sample_rate,
        duration=facts.duration,
        created_at=clock.now(),
    )


def _send_tests(context: Context, caller: Caller) -> list[TestAnswer]:
    with context.database.read() as session:
        addresses = [row.endpoint_id for row in visible(session, caller)]
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="self-test") as pool:
        sent = pool.map(lambda one: send_test(context.database, context.settings, context.http, one), addresses)
        return [tested(address, result) for address, result in zip(addresses, sent, strict=True)]


def _report(session: Session, call: Call, tests: list[TestAnswer], language: str) -> SelfTestAnswer:
    sent = deliveries.log(session, call_id=call.call_id)
    return SelfTestAnswer(
        call_id=call.call_id,
        status=calls.public_status(call),
        steps=[SelfTestStep(name="accepted", status="ok", detail=call.received_at.isoformat()), *_steps(session, call, language)],
        tests=tests,
        deliveries=[delivery_answer(one) for one in sent],
    )


def _steps(session: Session, call: Call, language: str) -> list[SelfTestStep]:
    failed = _failure(call, language)
    heard = results.transcript(session, call.call_id)
    steps = [_step("transcribed", heard is not None, failed, f"{UTTERANCES[language]}: {len(heard.utterances)}" if heard else "")]
    kinds: tuple[tuple[str, results.Kind], ...] = (("checklists", "checklist"), ("tables", "table"))
    for name, kind in kinds:
        rows = results.current(session, call.call_id, kind)
        bad = next((row.content[language] for row in rows if row.status != "ok"), failed)
        steps.append(_step(name, call.status == "done" and not bad, bad, ", ".join(row.definition_id for row in rows)))
    sent = deliveries.log(session, call_id=call.call_id)
    dead = ", ".join(one.delivery.delivery_id for one in sent if one.delivery.status == "dead")
    arrived = call.status == "done" and all(one.delivery.status == "delivered" for one in sent)
    return [*steps, _step("webhooks", arrived, dead or failed, f"{len(sent)}")]


def _failure(call: Call, language: str) -> str:
    """Why nothing more will come of the call; empty while it may."""
    if call.status == "no_speech":
        return SILENCE[language]
    return str(call.reason[language]) if call.status == "failed" and call.reason else ""


def _step(name: str, ok: bool, failed: str, detail: str) -> SelfTestStep:
    status = "ok" if ok else "failed" if failed else "waiting"
    return SelfTestStep.model_validate({"name": name, "status": status, "detail": detail if ok else failed or detail})
