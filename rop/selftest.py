"""`rop selftest`: the integrator's self-test from the terminal, step by step; exit code 1 when anything is not in order."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Annotated
from urllib.parse import urlsplit

import typer

from api import context as contexts
from api.auth import Caller
from api.context import Context
from api.routes import selftest as test
from api.schemas import DeliveryAnswer, SelfTestAnswer, TestAnswer
from core.http import Deadline
from db import endpoints, keys
from rop.context import Home, opened, running

SECONDS = 300.0  # a cold model on a busy machine takes a minute for the sample
POLL_SECONDS = 0.5
NAMES = {"accepted": "звонок принят", "transcribed": "расшифровка", "checklists": "чек-листы", "tables": "таблицы", "webhooks": "webhook"}
MARKS = {"ok": "✓", "failed": "✗", "waiting": "…"}


def selftest(
    home: Home = None,
    key: Annotated[str | None, typer.Option(help="Id of a key (rop key list): its address of events is tried as well.")] = None,
    seconds: Annotated[float, typer.Option(help="Longest wait for the sample call.")] = SECONDS,
) -> None:
    """Send a sample call through the running stack and a signed test event to every webhook address; say what happened."""
    with opened(home) as (settings, database), closing(contexts.build(running(settings), database)) as context:
        caller = _caller(context, key)
        report = test.start(context, caller, "ru")
        print(f"Звонок {report.call_id}")
        tested = [_tell_test(context, one) for one in report.tests]
        report = _follow(context, caller, report, seconds)
        sent = [_tell_delivery(context, one) for one in report.deliveries]
    if not all(tested + sent + [step.status == "ok" for step in report.steps]):
        raise typer.Exit(1)
    print("Всё в порядке.")


def _caller(context: Context, key_id: str | None) -> Caller:
    if key_id is None:
        return Caller(None, {})
    with context.database.read() as session:
        found = keys.get(session, key_id)
    return Caller(keys.integration(found.key_id), found.defaults)


def _follow(context: Context, caller: Caller, report: SelfTestAnswer, seconds: float) -> SelfTestAnswer:
    """Print every step once it is decided; the last report, also when the time is up before the end."""
    deadline, told = Deadline(seconds), set[str]()
    while True:
        for step in report.steps:
            if step.status != "waiting" and step.name not in told:
                told.add(step.name)
                print(f"{MARKS[step.status]} {NAMES[step.name]}: {step.detail or 'нет'}", flush=True)
        if _settled(report):
            return report
        if not deadline.left():
            waiting = ", ".join(NAMES[step.name] for step in report.steps if step.status == "waiting")
            print(f"… за {seconds:.0f} с не дождались: {waiting}. Запущен ли стек (rop up)? Ход: rop call show {report.call_id}")
            return report
        time.sleep(POLL_SECONDS)
        report = test.show(context, caller, report.call_id, "ru")


def _settled(report: SelfTestAnswer) -> bool:
    """Whether nothing more will come soon: a webhook that was refused once is tried again for a day."""
    judged = all(step.status != "waiting" for step in report.steps if step.name != "webhooks")
    return judged and all(one.status != "pending" or one.attempts for one in report.deliveries)


def _tell_test(context: Context, one: TestAnswer) -> bool:
    answer = one.status_code or one.response or one.error_code
    print(f"{MARKS['ok' if one.delivered else 'failed']} проверочное событие, {_address(context, one.endpoint_id)}: {answer}", flush=True)
    return one.delivered


def _tell_delivery(context: Context, one: DeliveryAnswer) -> bool:
    arrived, last = one.status == "delivered", one.attempts[-1] if one.attempts else None
    answer = (last.status_code or last.response or last.error_code) if last else "ещё не отправлено"
    print(f"{MARKS['ok' if arrived else 'failed']} {one.event}, {_address(context, one.endpoint_id)}: {answer}")
    return arrived


def _address(context: Context, endpoint_id: str) -> str:
    """Whose address it is and on which host: the rest of an address may be secret."""
    with context.database.read() as session:
        row = endpoints.by_id(session, endpoint_id)
    return f"{row.owner_kind} {row.owner_id} → {urlsplit(row.url).hostname}"
