"""`rop call`: one call's state and timeline, as the API tells it."""

from __future__ import annotations

import typer

from db import calls
from rop.context import Home, opened

app = typer.Typer(help="Calls: show the state of one.", no_args_is_help=True)


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
