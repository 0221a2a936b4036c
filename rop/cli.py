"""The `rop` command line. Every command explains itself with --help; errors are one sentence that says what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from core import logging
from core.errors import RopError
from core.settings import Settings, load
from rop import (
    backfill,
    backup,
    calls,
    definitions,
    deliveries,
    demo,
    deploy,
    evaluate,
    first_start,
    keys,
    query,
    record,
    search,
    secret,
    selftest,
    speech,
    store,
    users,
)
from rop.context import Home, opened
from rop.stack import Stack, worker_grace
from rop.supervisor import on_end

app = typer.Typer(
    name="rop",
    help="Цифровой РОП: every sales call transcribed, scored with verbatim evidence, delivered.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.add_typer(keys.app, name="key")
app.add_typer(definitions.checklist_app, name="checklist")
app.add_typer(definitions.table_app, name="table")
app.add_typer(calls.app, name="call")
app.add_typer(deliveries.app, name="delivery")
app.add_typer(store.app, name="warehouse")
app.add_typer(users.app, name="user")
app.add_typer(secret.app, name="secret")
for command in (
    backup.backup,
    backup.restore,
    query.query,
    search.search,
    speech.transcribe,
    evaluate.evaluate,
    speech.doctor,
    selftest.selftest,
    backfill.backfill,
    demo.demo,
):
    app.command()(command)


@app.command()
def up(
    home: Home = None,
    api_port: Annotated[int | None, typer.Option(help="Port of the API and the pages; 0 = any free port.")] = None,
    prefect_port: Annotated[int, typer.Option(help="Port of the Prefect server and its UI; 0 = any free port.")] = 4200,
) -> None:
    """Run the whole stack on this machine: Prefect with its UI, the API, the workers. Ends with Ctrl+C.

    When everything is ready, HOME/stack.json holds the addresses and process ids.
    """
    on_end(lambda *_: sys.exit(0))
    settings = load(home)
    record.refuse_second(settings.root)
    if left := record.end_remains(settings.root, worker_grace(settings)):
        print(f"Остановлены службы прерванного rop up: {', '.join(left)}.", flush=True)
    stack = Stack(settings, settings.api_port if api_port is None else api_port, prefect_port, tell=print)
    try:
        stack.start()
        print(f"API {stack.addresses.api_url}  ·  Prefect {stack.addresses.prefect_url}  ·  home {settings.root}", flush=True)
        if link := users.first_link(settings):
            print(f"Первый вход на страницы, ссылка одноразовая: {link}", flush=True)
        stack.run()
    finally:
        on_end(lambda *_: None)  # who asks twice must not break off the end
        stack.stop()


@app.command("deploy")
def deploy_all(home: Home = None) -> None:
    """Bring the database and the Prefect server of ROP_PREFECT_API_URL up to date: schema, built-in definitions, pools, queues, limits,
    deployments, schedules, alerts.

    `rop up` does the same at every start; this is for servers that run elsewhere.
    """
    with opened(home) as (settings, database):
        first_start.apply_builtin(database)
    deploy.apply(settings, deploy.client_environment(settings))
    print(f"Развёрнуто: {settings.ui_url}")


@app.command()
def down(home: Annotated[Path, typer.Option("--home", help="Folder of the installation to stop.")]) -> None:
    """Stop a stack that runs in the background or is starting, or what is left of one whose `rop up` was killed."""
    settings = load(home)
    stopped = record.stop(settings.root)
    if left := record.end_remains(settings.root, worker_grace(settings)):
        print(f"rop up уже не работает; остановлены его службы: {', '.join(left)}.")
    else:
        print("Стек остановлен." if stopped else "Стек не запущен.")


@app.command("settings")
def show_settings(home: Home = None) -> None:
    """List every setting with its environment variable, present value and meaning."""
    settings = load(home)
    for name, field in Settings.model_fields.items():
        print(f"ROP_{name.upper()}={getattr(settings, name)}\n    {field.description}")


def main() -> None:
    """Run the command; a known error is printed as one sentence, exit code 1."""
    # Logs go to stderr: what a command prints is for scripts, too.
    logging.configure(load(log_json=False))
    try:
        app()
    except RopError as error:
        print(f"rop: {error.text('ru')}", file=sys.stderr)
        sys.exit(1)
