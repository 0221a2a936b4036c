"""`rop key`: keys of the CRM. A key is shown once, when it is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from core import clock
from core.secrets import server_secret
from db import keys
from db.models import ApiKey
from rop.context import Home, opened
from rop.tables import show

app = typer.Typer(help="Keys of the CRM: create, list, rotate, revoke.", no_args_is_help=True)


@app.command()
def create(
    label: Annotated[str, typer.Option(help="Who will use the key, for people.")],
    home: Home = None,
    days: Annotated[int | None, typer.Option(help="Days until the key expires; default: never.")] = None,
    manager_channel: Annotated[str | None, typer.Option(help="Default channel of the manager: left or right.")] = None,
    language: Annotated[str | None, typer.Option(help="Default language of calls, such as ru.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Print the key alone, for scripts.")] = False,
) -> None:
    """Make a key and print it; it cannot be shown again."""
    defaults = {"manager_channel": manager_channel, "language": language}
    given = {name: value for name, value in defaults.items() if value}
    with opened(home) as (settings, database), database.begin() as session:
        at = clock.now()
        expires = at + timedelta(days=days) if days else None
        made = keys.create(session, server_secret(settings), label, at, expires, given)
    print(made.plain if plain else f"{made.plain}\n\nid {made.key_id}. Сохраните ключ: больше он не будет показан.")


@app.command("list")
def list_keys(home: Home = None) -> None:
    """Show every key with its state and last use, never the key itself."""
    with opened(home) as (_, database), database.read() as session:
        found = keys.listed(session)
    columns = ("id", "метка", "ключ", "создан", "истекает", "использован", "состояние")
    days = ((_day(k.created_at), _day(k.expires_at), _day(k.last_used_at)) for k in found)
    rows = ((k.key_id, k.label, k.hint, *day, _state(k)) for k, day in zip(found, days, strict=True))
    show(columns, rows, empty="Ключей ещё нет: rop key create --label CRM")


@app.command()
def rotate(
    key_id: str,
    home: Home = None,
    keep_hours: Annotated[float, typer.Option(help="Hours the old key goes on working.")] = 24,
    plain: Annotated[bool, typer.Option("--plain", help="Print the new key alone.")] = False,
) -> None:
    """Make a successor of a key; the old one works until the CRM has changed over."""
    with opened(home) as (settings, database), database.begin() as session:
        made = keys.rotate(session, server_secret(settings), key_id, clock.now(), timedelta(hours=keep_hours))
    print(made.plain if plain else f"{made.plain}\n\nid {made.key_id}. Старый ключ работает ещё {keep_hours:g} ч.")


@app.command()
def revoke(key_id: str, home: Home = None) -> None:
    """End a key at once."""
    with opened(home) as (_, database), database.begin() as session:
        keys.revoke(session, key_id, clock.now())
    print(f"Ключ {key_id} отозван.")


def _day(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "—"


def _state(row: ApiKey) -> str:
    if row.revoked_at:
        return "отозван"
    return "действует" if keys.is_live(row, clock.now()) else "истёк"
