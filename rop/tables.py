"""Tables for a terminal: ids are never cut, because people copy them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 200


def show(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str = "") -> None:
    """Print the rows, or `empty` when there are none; None is an empty cell."""
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    console = Console()
    wide = console if console.is_terminal else Console(width=PIPE_WIDTH)
    wide.print(table if table.row_count or not empty else empty)
