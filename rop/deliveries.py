"""`rop delivery`: what was sent to the CRM, what it answered, and sending again."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from core import clock
from db import deliveries
from rop.context import Home, opened, running
from rop.tables import show
from tasks import dispatch
from tasks.prefect_api import PrefectApi

app = typer.Typer(help="Webhook deliveries: list, replay one or all since a moment.", no_args_is_help=True)


@app.command("list")
def list_deliveries(
    home: Home = None, call_id: Annotated[str | None, typer.Option("--call", help="Only those of one call.")] = None
) -> None:
    """Show deliveries, newest first."""
    with opened(home) as (_, database), database.read() as session:
        found = [logged.delivery for logged in deliveries.log(session, call_id=call_id)]
    columns = ("id", "событие", "звонок", "состояние", "попыток", "следующая")
    rows = ((d.delivery_id, d.event, d.call_id, d.status, d.attempts, _moment(d.next_attempt_at)) for d in found)
    show(columns, rows, empty="Доставок ещё нет.")


@app.command()
def replay(
    delivery_id: Annotated[str | None, typer.Argument(help="One delivery.")] = None,
    home: Home = None,
    since: Annotated[
        datetime | None, typer.Option(help="Everything that was not taken since this moment, in the time zone of this machine.")
    ] = None,
) -> None:
    """Send again, with the same id and the same bytes: at once, or at the next run of the delivery flow."""
    with opened(home) as (settings, database):
        with database.begin() as session:
            count = _replay(session, delivery_id, since)
        with closing(PrefectApi(running(settings))) as prefect:
            dispatch.deliver_soon(database, prefect)
    print(f"Поставлено в очередь: {count}.")


def _replay(session: Session, delivery_id: str | None, since: datetime | None) -> int:
    if delivery_id:
        deliveries.replay(session, delivery_id, clock.now())
        return 1
    if since:
        return deliveries.replay_since(session, None, since.astimezone(), clock.now())
    raise typer.BadParameter("name a delivery, or --since a moment")


def _moment(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else None
