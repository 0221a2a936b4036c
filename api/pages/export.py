"""The list of calls as CSV or XLSX, for who works in a spreadsheet."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from api.pages import filters, words
from api.pages.view import View, Viewer
from db import audit, overview
from db.overview import CallLine

BATCH = 500  # calls that are read at once
BYTES = 256 * 1024
# A spreadsheet would run a text that begins with one of these.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = ("Звонок", "Время", "Менеджер", "ID менеджера", "Сделка", "Этап сделки", "Состояние", "Длительность, с", "Причина")
router = APIRouter()


@router.get("/calls.csv")
def as_csv(view: Viewer) -> Response:
    """Semicolons and a byte-order mark, as a Russian Excel opens it by a double click."""
    rows = _rows(view)

    def text() -> Iterator[bytes]:
        yield "\ufeff".encode()
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=";")
        for row in rows:
            writer.writerow([_plain(value) for value in row])
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()

    return StreamingResponse(text(), media_type="text/csv; charset=utf-8", headers=_attachment("calls.csv"))


@router.get("/calls.xlsx")
def as_xlsx(view: Viewer) -> Response:
    """A workbook with real numbers and dates; written to disk row by row."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet(view.t("Звонки"))
    for row in _rows(view):
        sheet.append([_plain(value) for value in row])
    with tempfile.TemporaryFile() as file:
        book.save(file)
        file.seek(0)
        content = file.read()
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return Response(content, media_type=kind, headers=_attachment("calls.xlsx"))


def _rows(view: View) -> Iterator[list[Any]]:
    """The header and a row a call, one column a checklist; the audit remembers who took how many."""
    view.need("export")
    asked = filters.read(view)
    with view.context.database.begin() as session:
        ids = overview.ids(session, asked.wanted, view.context.settings.export_rows)
        checklists = overview.definition_names(session, "checklist")
        audit.write(session, view.login, "export.made", "calls", view.at, calls=len(ids), filters=dict(asked.given))
    return _written(view, ids, checklists)


def _written(view: View, ids: list[str], checklists: list[tuple[str, str]]) -> Iterator[list[Any]]:
    yield [view.t(name) for name in COLUMNS] + [f"{name}, %" for _, name in checklists]
    for start in range(0, len(ids), BATCH):
        with view.context.database.read() as session:
            lines = overview.lines(session, ids[start : start + BATCH])
        for line in lines:
            yield _row(view, line, [key for key, _ in checklists])


def _row(view: View, line: CallLine, checklists: list[str]) -> list[Any]:
    scores = {score.checklist_id: score.completion for score in line.scores}
    reason = line.reason[view.language] if line.reason else ""
    local = view.shape.local(line.at).replace(tzinfo=None, microsecond=0)
    fixed = [line.call_id, local, line.manager, line.manager_id, line.deal_id, line.stage, view.t(words.STATUS[line.status])]
    duration = None if line.duration is None else round(line.duration)
    return [*fixed, duration, reason, *(scores.get(one) for one in checklists)]


def _plain(value: Any) -> Any:
    """A text that a spreadsheet shows and never runs, without characters it refuses."""
    if not isinstance(value, str):
        return value
    clean = "".join(c for c in value if c.isprintable() or c in "\n\t")
    return f"'{clean}" if clean.startswith(FORMULA) else clean


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
