"""`rop secret`: changing the server secret without ending a key or a webhook signature."""

from __future__ import annotations

import typer

from core import secrets
from core.errors import InvalidInput
from core.secrets import server_secret
from core.settings import load
from db import endpoints
from rop.context import Home, opened

app = typer.Typer(help="The server secret: change it, seal webhook secrets under the new one.", no_args_is_help=True)


@app.command()
def rotate(home: Home = None) -> None:
    """Put a new secret before the former ones in HOME/secret; restart the stack, then `rop secret reseal`."""
    settings = load(home)
    if settings.secret is not None:
        raise InvalidInput(
            ru="Секрет задан в ROP_SECRET: поставьте новый перед прежним через запятую на всех хостах и перезапустите их.",
            en="The secret is in ROP_SECRET: put a new one before it, comma separated, on every host and restart them.",
        )
    known = secrets.rotate(settings)
    print(f"Новый секрет действует вместе с прежними ({len(known) - 1}). Перезапустите стек, затем: rop secret reseal")


@app.command()
def reseal(home: Home = None) -> None:
    """Seal every webhook secret anew under the newest server secret."""
    with opened(home) as (settings, database), database.begin() as session:
        count = endpoints.reseal(session, server_secret(settings))
    print(f"Секретов webhook зашифровано заново: {count}. Прежний секрет сервера нужен, пока не заменены созданные с ним ключи API.")
