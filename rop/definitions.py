"""`rop checklist` and `rop table`: apply, diff, test, list, export. A definition is a YAML file; every change is a new version."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer

from checklists import loader
from checklists.definitions import Definition
from core import clock
from core.errors import InvalidInput, NotFound
from core.secrets import server_secret
from db import definitions, endpoints
from db.definitions import Kind
from rop import trials
from rop.context import Home, opened
from rop.tables import show

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="YAML file with one definition.")]
Webhook = Annotated[str | None, typer.Option("--webhook", help="Address that receives the results; wins over the file.")]


def _commands(kind: Kind, noun: str) -> typer.Typer:
    app = typer.Typer(help=f"{noun}: apply, diff, test, list, export.", no_args_is_help=True)

    @app.command()
    def apply(file: File, home: Home = None, webhook: Webhook = None) -> None:
        """Make the file's content the active version; the same content again changes nothing."""
        _apply(kind, file, home, webhook)

    @app.command()
    def diff(file: File, home: Home = None) -> None:
        """Show what the file would change in the active version; nothing is stored."""
        print(_diff(kind, file, home))

    @app.command()
    def test(
        file: File,
        home: Home = None,
        last: Annotated[int, typer.Option(min=1, max=trials.MOST, help="How many of the newest finished calls to judge.")] = 50,
    ) -> None:
        """Judge stored calls by the file and show who goes up or down; no result changes."""
        trials.run(_read(kind, file), last, home)

    @app.command("list")
    def list_definitions(home: Home = None) -> None:
        """Show what is active."""
        _list(kind, home)

    @app.command()
    def export(definition_id: str, home: Home = None, version: str | None = None) -> None:
        """Print a version as YAML, by default the active one."""
        with opened(home) as (_, database), database.read() as session:
            found = definitions.load(session, kind, definition_id, version)
        print(loader.dump(found), end="")

    @app.command()
    def webhook(
        definition_id: str,
        url: str,
        home: Home = None,
        plain: Annotated[bool, typer.Option("--plain", help="Print the signing secret alone.")] = False,
    ) -> None:
        """Send the results to this address, and print the secret that its signatures are made with."""
        secret = _set_webhook(kind, definition_id, url, home)
        print(secret if plain else f"{url}\nСекрет подписи: {secret}")

    return app


def _set_webhook(kind: Kind, definition_id: str, url: str, home: Path | None) -> str:
    with opened(home) as (settings, database), database.begin() as session:
        server, at = server_secret(settings), clock.now()
        definitions.load(session, kind, definition_id)
        endpoint = endpoints.set_url(session, server, kind, definition_id, url, at)
        return endpoints.live_secrets(session, server, endpoint.endpoint_id, at)[0]


def _apply(kind: Kind, file: Path, home: Path | None, webhook: str | None) -> None:
    definition = _read(kind, file)
    url = webhook or (definition.webhook.url if definition.webhook else None)
    with opened(home) as (settings, database), database.begin() as session:
        done = definitions.apply(session, definition, "cli", clock.now())
        if url:
            endpoints.set_url(session, server_secret(settings), kind, definition.id, url, clock.now())
    print(f"{done.definition_id}: версия {done.number} ({done.version}) {'применена' if done.changed else 'уже действует'}.")


def _read(kind: Kind, file: Path) -> Definition:
    definition = loader.load_file(file)
    if definitions.kind_of(definition) != kind:
        raise InvalidInput(ru=f"{file}: это не {kind}. Проверьте строку schema.", en=f"{file} is not a {kind}: check its schema line.")
    return definition


def _diff(kind: Kind, file: Path, home: Path | None) -> str:
    """A unified diff of the two in the product's own form; the webhook is no part of a version."""
    new = _read(kind, file)
    with opened(home) as (_, database), database.read() as session:
        try:
            old = loader.dump(definitions.load(session, kind, new.id))
        except NotFound:
            return f"{new.id}: такого описания ещё нет, оно появится целиком."
    text = loader.dump(new.model_copy(update={"webhook": None}))
    rows = difflib.unified_diff(old.splitlines(), text.splitlines(), "действует", file.name, lineterm="")
    return "\n".join(rows) or f"{new.id}: различий нет, версия {new.version} уже действует."


def _list(kind: Kind, home: Path | None) -> None:
    with opened(home) as (_, database), database.read() as session:
        found = [(one, endpoints.get(session, kind, one.id)) for one in definitions.active(session, kind)]
    rows = ((one.id, one.name, one.version, endpoint.url if endpoint else None) for one, endpoint in found)
    show(("id", "название", "версия", "вебхук"), rows)


checklist_app = _commands("checklist", "Checklists")
table_app = _commands("table", "Tables")
