"""A call's way without Prefect, step by step by the same functions that the flow calls: for tests of what comes before and after it."""

from __future__ import annotations

from checklists.definitions import Definition
from core import clock
from core.errors import PermanentError
from db import calls, definitions
from db.calls import NewCall
from db.definitions import kind_of
from tasks import lease as leases
from tasks import rescore
from tasks.download import fetched
from tasks.lease import Lease
from tasks.publish import Judgement, judgement, publish_failure, publish_results
from tasks.runtime import Runtime
from tasks.transcribe import transcribe_call
from tests.faults.house import House


def accept(house: House, call_id: str, audio: str = "/call.wav") -> None:
    """Take a call in, as the ingress does."""
    url = house.crm.url(audio) + f"?token=sesame-{call_id}"
    new = NewCall(call_id=call_id, manager_id="mgr_001", deal_id="deal_1", deal_stage_id="new", audio_url=url, key_id=house.key_id)
    with house.database.begin() as session:
        calls.accept(session, new, clock.now())
    house.accepted.append(call_id)


def walk(house: House, call_id: str, audio: str = "/call.wav") -> None:
    """Take a call in and bring it to its end; its webhooks and its warehouse rows wait in the outboxes."""
    accept(house, call_id, audio)
    finish(house, call_id, leases.claim(house.database, house.settings, call_id, "walk"))


def finish(house: House, call_id: str, claimed: Lease) -> None:
    """Bring a claimed call to its end."""
    runtime = house.runtime
    with runtime.holding(claimed, "walk") as lease:
        try:
            fetched(runtime, lease)
            lease.enter("transcribing", 60)
            transcribe_call(runtime, call_id, lease.progress)
            lease.enter("analysing", 60)
            with house.database.read() as session:
                asked = definitions.judging(session, lease.call)
            publish_results(runtime, lease, [_judged(runtime, call_id, definition) for definition in asked])
        except PermanentError as error:
            publish_failure(runtime, lease, error)


def _judged(runtime: Runtime, call_id: str, definition: Definition) -> Judgement:
    named = (kind_of(definition), definition.id, definition.version)
    return judgement(definition, rescore.judge_call(runtime, call_id, *named))
