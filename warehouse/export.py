"""Files for other tools: a query as CSV or Excel, and the whole warehouse as one Parquet file a table and month."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from core import clock, ids
from core.errors import InvalidInput, NotFound
from core.settings import Settings
from warehouse import readers, sql
from warehouse.batch import DIMENSIONS, FACTS
from warehouse.stores import Connection

Row = Sequence[Any]

ROWS_AT_ONCE = 10_000
EXCEL_ROWS = 1_048_576  # a sheet of Excel ends there, heading included
EXCEL_TEXT = 32_767  # characters of one cell
# Excel and its kin run a text that begins like this as a formula; what a customer said is never one.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
MONTHS = """
    SELECT date_trunc('month', day)::DATE AS month, count(*), bit_xor(hash(t)), sum(hash(t) % 1000003)
    FROM {table} t GROUP BY month ORDER BY month
"""
WHOLE = "SELECT NULL, count(*), bit_xor(hash(t)), sum(hash(t) % 1000003) FROM {table} t"


class TooManyRows(InvalidInput):
    """More rows than a sheet of Excel holds."""

    code = "too_many_rows"
    texts: ClassVar[dict[str, str]] = {
        "ru": "В листе Excel помещается не больше {limit} строк: сузьте запрос или возьмите CSV.",
        "en": "A sheet of Excel holds at most {limit} rows: narrow the query or take CSV.",
    }


class UnknownFormat(InvalidInput):
    """The file's name ends with no known format."""

    code = "unknown_format"
    texts: ClassVar[dict[str, str]] = {"ru": "Формат файла: .csv или .xlsx.", "en": "The file has to end with .csv or .xlsx."}


class ExcelMissing(NotFound):
    """The extra `export` is not installed."""

    code = "excel_not_installed"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Для Excel нужен пакет openpyxl: pip install digital-rop[export].",
        "en": "Excel files need the extra `export`.",
    }


def save(settings: Settings, query: str, path: Path, parameters: Sequence[Any] = ()) -> int:
    """Write the result of one query to a `.csv` or `.xlsx` file, whole or not at all; returns the number of rows."""
    writers: dict[str, Callable[[Path, Iterator[Row]], int]] = {".csv": _csv, ".xlsx": _xlsx}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise UnknownFormat
    part = path.with_name(path.name + ".part")
    with readers.connect(settings) as connection:
        cursor = readers.run(connection, query, parameters)
        try:
            rows = write(part, _stream(cursor))
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    part.replace(path)
    return rows


def months(settings: Settings) -> Path:
    """Bring `exports/` up to date and return its manifest, which is replaced as a whole.

    A file is written once: new content gets a new name. Files of the manifest before this one stay, for who is reading them.
    """
    folder = settings.root / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.json"
    before = json.loads(manifest.read_text(encoding="utf-8"))["files"] if manifest.exists() else []
    with readers.connect(settings, external=True) as connection:
        files = [entry for table in (*DIMENSIONS, *FACTS) for entry in _files(connection, folder, table)]
    part = manifest.with_suffix(".part")
    part.write_text(json.dumps({"made_at": clock.now().isoformat(), "files": files}, indent=1), encoding="utf-8")
    part.replace(manifest)
    _sweep(folder, {entry["path"] for entry in (*before, *files)})
    return manifest


def _files(connection: Connection, folder: Path, table: str) -> Iterator[dict[str, Any]]:
    """The entries of one table, a file a month; a dimension is one file."""
    parts = connection.execute((MONTHS if table in FACTS else WHOLE).format(table=table)).fetchall()
    for month, rows, *sums in parts:
        version = ids.content_hash([str(one) for one in (rows, *sums)], 16)
        path = Path(table) / f"{month:%Y-%m}-{version}.parquet" if month else Path(table) / f"{version}.parquet"
        if not (folder / path).exists():
            _write(connection, folder / path, table, month)
        size = (folder / path).stat().st_size
        yield {"table": table, "month": month and f"{month:%Y-%m}", "path": path.as_posix(), "rows": rows, "bytes": size}


def _write(connection: Connection, path: Path, table: str, month: date | None) -> None:
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    where = f"WHERE date_trunc('month', day) = DATE '{month}'" if month else ""
    rows = f"SELECT * FROM {table} {where} ORDER BY ALL"  # noqa: S608  constants and a date
    connection.execute(f"COPY ({rows}) TO {sql.literal(str(part))} (FORMAT parquet, COMPRESSION zstd)")
    part.replace(path)


def _sweep(folder: Path, wanted: set[str]) -> None:
    for path in folder.glob("*/*.parquet"):
        if path.relative_to(folder).as_posix() not in wanted:
            path.unlink()


def _stream(cursor: Connection) -> Iterator[Row]:
    """The heading, then the rows."""
    yield [column[0] for column in cursor.description or []]
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        yield from rows


def _csv(path: Path, rows: Iterable[Row]) -> int:
    count = -1
    # Excel takes a file for UTF-8 only with a byte order mark.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        for row in rows:
            writer.writerow([_harmless(value) for value in row])
            count += 1
    return count


def _xlsx(path: Path, rows: Iterable[Row]) -> int:
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError as error:
        raise ExcelMissing from error
    fitting = list(islice(rows, EXCEL_ROWS + 1))
    if len(fitting) > EXCEL_ROWS:
        raise TooManyRows(limit=EXCEL_ROWS - 1)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("rop")
    for row in fitting:
        cells = [WriteOnlyCell(sheet, value=_excel(value)) for value in row]
        for cell in cells:
            cell.data_type = "s" if cell.data_type == "f" else cell.data_type
        sheet.append(cells)
    book.save(path)
    return len(fitting) - 1


def _harmless(value: Any) -> Any:
    text = _plain(value)
    return "'" + text if isinstance(value, str) and value.startswith(FORMULA) else text


def _excel(value: Any) -> Any:
    plain = _plain(value)
    return CONTROL.sub("", plain)[:EXCEL_TEXT] if isinstance(plain, str) else plain


def _plain(value: Any) -> Any:
    """A value as one cell: lists and structures become JSON."""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict | tuple) else value
