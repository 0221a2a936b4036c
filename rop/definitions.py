"""`rop checklist` and `rop table`: apply, list, export. A definition is a YAML file; every change is a new version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml

from checklists import loader
from core import clock
from core.errors import InvalidInput
from db import definitions, endpoints
from db.definitions import Kind
from rop.context import Home, opened
from rop.tables import show

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="YAML file with one definition.")]
Webhook = Annotated[str | None, typer.Option("--webhook", help="Address that receives the results; wins over the file.")]


def _commands(kind: Kind, noun: str) -> typer.Typer:
    app = typer.Typer(help=f"{noun}: apply, list, export.", no_args_is_help=True)

    @app.command()
    def apply(file: File, home: Home = None, webhook: Webhook = None) -> None:
        """Make the file's content the active version; the same content again changes nothing."""
        _apply(kind, file, home, webhook)

    @app.command("list")
    def list_definitions(home: Home = None) -> None:
        """Show what is active."""
        _list(kind, home)

    @app.command()
    def export(definition_id: str, home: Home = None, version: str | None = None) -> None:
        """Print a version as YAML, by default the active one."""
        with opened(home) as (_, database), database.read() as session:
            found = definitions.load(session, kind, definition_id, version)
        print(yaml.safe_dump(found.content | {"route": found.route.model_dump(mode="json")}, allow_unicode=True, sort_keys=False))

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
    with opened(home) as (_, database), database.begin() as session:
        at = clock.now()
        definitions.load(session, kind, definition_id)
        endpoint = endpoints.set_url(session, kind, definition_id, url, at)
        return endpoints.live_secrets(session, endpoint.endpoint_id, at)[0]


def _apply(kind: Kind, file: Path, home: Path | None, webhook: str | None) -> None:
    definition = loader.load_file(file)
    if definitions.kind_of(definition) != kind:
        raise InvalidInput(ru=f"{file}: это не {kind}. Проверьте строку schema.", en=f"{file} is not a {kind}: check its schema line.")
    url = webhook or (definition.webhook.url if definition.webhook else None)
    with opened(home) as (_, database), database.begin() as session:
        done = definitions.apply(session, definition, "cli", clock.now())
        if url:
            endpoints.set_url(session, kind, definition.id, url, clock.now())
    print(f"{done.definition_id}: версия {done.number} ({done.version}) {'применена' if done.changed else 'уже действует'}.")


def _list(kind: Kind, home: Path | None) -> None:
    with opened(home) as (_, database), database.read() as session:
        found = [(one, endpoints.get(session, kind, one.id)) for one in definitions.active(session, kind)]
    rows = ((one.id, one.name, one.version, endpoint.url if endpoint else None) for one, endpoint in found)
    show(("id", "название", "версия", "вебхук"), rows)


checklist_app = _commands("checklist", "Checklists")
table_app = _commands("table", "Tables")
