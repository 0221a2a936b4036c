"""`rop call`: one call's state and timeline, trying failed ones again, judging again, and deleting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Annotated

import typer

from db import calls
from rop.context import Home, opened, running
from tasks import dispatch
from tasks.forget import forget
from tasks.prefect_api import PrefectApi
from tasks.retry import Choice, choose, choose_since, resume

ACTOR = "cli"
app = typer.Typer(help="Calls: show the state of one, try some again, judge one or many again, delete one.", no_args_is_help=True)
Checklist = Annotated[str | None, typer.Option(help="Only this checklist; default: everything the call is routed to.")]


@app.command()
def show(call_id: str, home: Home = None) -> None:
    """Print the state, the reason and the timeline of a call."""
    with opened(home) as (_, database), database.read() as session:
        call = calls.get(session, call_id)
        steps = calls.timeline(session, call_id)
    reason = f" ({call.reason['ru']})" if call.reason else ""
    print(f"{call.call_id}: {calls.public_status(call)}{reason}")
    for step in steps:
        print(f"  {step.at:%Y-%m-%d %H:%M:%S}  {step.name}  {step.detail or ''}")


@app.command()
def retry(
    call_ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Calls that failed or wait, whatever their reason.")] = None,
    home: Home = None,
    since: Annotated[datetime | None, typer.Option(help="Calls received since this moment, in the time zone of this machine.")] = None,
    code: Annotated[str | None, typer.Option(help="With --since: the reason to look for; default: all that may have passed.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only count the calls by reason; change nothing.")] = False,
) -> None:
    """Try calls again now that failed, or that wait for the end of an outage of the file server, the storage or the language model.

    Each goes on after its last finished step, as by Retry in the Prefect UI; the number of its runs is counted anew. With --since only
    those are chosen whose reason a repeat may help, and never one that somebody has cancelled. May be given again at any time: what waits
    for a worker or works is left alone.
    """
    if bool(call_ids) == bool(since) or (code and not since):
        raise typer.BadParameter("name calls, or --since a moment, perhaps with a --code")
    with opened(home) as (stored, database):
        choice = choose_since(database, since.astimezone(), code) if since else choose(database, call_ids or [])
        print("\n".join(_told(choice)))
        if check or not choice.calls:
            return
        with closing(PrefectApi(settings := running(stored))) as prefect:
            for done, outcome in resume(database, prefect, settings, choice.calls):
                print(
                    f"{done} из {len(choice.calls)}: продолжено {outcome['went_on']}, начато новым запуском {outcome['began']}, "
                    f"уже в работе {outcome['left']}",
                    flush=True,
                )


def _told(choice: Choice) -> Iterator[str]:
    for code, count in Counter(one.code for one in choice.calls).most_common():
        yield f"  {code}: {count}"
    yield f"Повторить: {len(choice.calls)}"
    if choice.passed:
        yield "Не выбраны: " + ", ".join(f"{code} {count}" for code, count in choice.passed.most_common())


@app.command()
def delete(call_id: str, home: Home = None, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete a call everywhere: recording, text, results, deliveries, runs. Nothing brings it back."""
    if not yes:
        typer.confirm(f"Удалить звонок {call_id} навсегда?", abort=True)
    with opened(home) as (settings, database), closing(PrefectApi(running(settings))) as prefect:
        forget(database, settings, prefect, call_id, ACTOR)
    print(f"Звонок {call_id} удалён.")


@app.command()
def rescore(call_id: str, home: Home = None, checklist: Checklist = None) -> None:
    """Judge one call again by the active versions; the old results are kept as earlier revisions."""
    with opened(home) as (stored, database), closing(PrefectApi(settings := running(stored))) as prefect:
        run = dispatch.rescore(database, prefect, settings, call_id, checklist)
    print(f"Пересчёт запущен: {settings.ui_url}/runs/flow-run/{run}")


@app.command("rescore-since")
def rescore_since(
    since: datetime,
    home: Home = None,
    checklist: Checklist = None,
    webhooks: Annotated[bool, typer.Option(help="Send the new results to the CRM.")] = False,
) -> None:
    """Judge every call received since a day again, in the background and behind the live calls."""
    with opened(home) as (stored, _), closing(PrefectApi(settings := running(stored))) as prefect:
        run = dispatch.rescore_since(prefect, settings, since.astimezone(), checklist, webhooks)
    print(f"Пересчёт запущен: {settings.ui_url}/runs/flow-run/{run}")
