"""`rop warehouse`: load now, build anew, export for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rop.context import Home, opened

app = typer.Typer(help="The analysts' warehouse: load, rebuild, export.", no_args_is_help=True)


@app.command()
def load(home: Home = None) -> None:
    """Load what changed and publish it now; the stack does the same by itself."""
    from tasks import load as loading

    with opened(home) as (settings, database):
        report = loading.load_pending(database, settings)
    print("Хранилище загружает другой процесс." if report.busy else f"Загружено звонков: {report.calls}.")


@app.command()
def rebuild(home: Home = None) -> None:
    """Make the whole warehouse anew from the operational database."""
    from tasks import load as loading

    with opened(home) as (settings, database):
        report = loading.rebuild(database, settings)
    print("Хранилище загружает другой процесс." if report.busy else f"Построено заново, звонков: {report.calls}.")


@app.command("export")
def export_query(
    path: Annotated[Path, typer.Argument(help="File to write: a .csv or .xlsx.")],
    sql: Annotated[str, typer.Argument(help="One SELECT.")] = "SELECT * FROM calls",
    home: Home = None,
) -> None:
    """Write the rows of a query for other tools."""
    from warehouse import export

    with opened(home) as (settings, _):
        rows = export.save(settings, sql, path)
    print(f"{path}: строк {rows}.")
