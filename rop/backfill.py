"""`rop backfill`: calls of the past from a CSV file, behind everything that comes in live."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from api import messages
from api.schemas import Upload
from core import clock
from core.errors import InvalidInput
from db import calls, directory, recovery
from db.calls import CallExists, NewCall
from db.engine import Database
from rop.context import Home, opened

AT_ONCE = 200  # calls in one transaction: the ingress waits for no longer than that
ERRORS_SHOWN = 50
POLL_SECONDS = 5.0
OPTIONAL = frozenset(name for name, one in Upload.model_fields.items() if not one.is_required())


@dataclass
class Sheet:
    """What a file holds: good rows, and a sentence with the line number for every bad one."""

    rows: list[Upload] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def backfill(
    file: Annotated[Path, typer.Argument(help="CSV file, UTF-8 or Windows-1251, with commas or semicolons.", exists=True, dir_okay=False)],
    home: Home = None,
    check: Annotated[bool, typer.Option("--check", help="Only look for errors; store nothing.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Take the good rows of a file that has bad ones.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Wait and show the progress until all of it is processed.")] = False,
) -> None:
    """Take in calls of the past from a CSV file. They are processed when no live call waits.

    The first line names the columns: call_id, manager_id, deal_id, deal_stage_id and audio_url are needed; duration, started_at,
    manager_channel, direction and language may be there; others are ignored. The file may be given again at any time: calls that are
    known are left alone, failed ones are tried anew. A file with errors is refused as a whole; every error names its line.

    Example:

        call_id,manager_id,deal_id,deal_stage_id,audio_url,started_at

        call_1,mgr_001,deal_5,new,https://crm.company.com/audio/1.mp3,2025-06-19T10:00:00+03:00
    """
    sheet = read(file.read_bytes())
    for error in sheet.errors[:ERRORS_SHOWN]:
        print(error)
    if sheet.errors and not skip_bad:
        raise InvalidInput(ru=f"Строк с ошибками: {len(sheet.errors)}. Ничего не принято; --skip-bad примет остальные.")
    print(f"Строк без ошибок: {len(sheet.rows)}")
    if check:
        return
    with opened(home) as (_, database):
        for done, outcome in store(database, sheet.rows):
            print(f"{done} из {len(sheet.rows)}: принято {outcome['accepted']}, уже известно {outcome['known']}", flush=True)
        if follow:
            _follow(database)


def read(content: bytes) -> Sheet:
    """The rows of the file; raises `InvalidInput` when it has no usable heading."""
    text = _decoded(content)
    lines = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if ";" in text.partition("\n")[0] else ",")
    heading = [name.strip() for name in lines.fieldnames or ()]
    if missing := sorted(Upload.model_fields.keys() - OPTIONAL - set(heading)):
        raise InvalidInput(ru=f"В первой строке нет столбцов: {', '.join(missing)}.")
    lines.fieldnames = heading
    sheet = Sheet()
    for row in lines:
        _take(sheet, lines.line_num, row)
    return sheet


def store(database: Database, rows: Sequence[Upload]) -> Iterator[tuple[int, Counter[str]]]:
    """Accept the calls in transactions of `AT_ONCE`; after each the number of rows so far, and how many were accepted and known."""
    outcome: Counter[str] = Counter()
    left = iter(rows)
    done = 0
    while batch := list(islice(left, AT_ONCE)):
        outcome.update(_store(database, batch))
        done += len(batch)
        yield done, outcome


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1251", "replace")


def _take(sheet: Sheet, line: int, row: dict[str, str | None]) -> None:
    given = {name: value.strip() for name, value in row.items() if name and isinstance(value, str)}
    try:
        sheet.rows.append(Upload.model_validate({name: value for name, value in given.items() if value or name not in OPTIONAL}))
    except ValidationError as error:
        wrong = "; ".join(f"{messages.place(one['loc'])}: {messages.sentence(one, 'ru')}" for one in error.errors())
        sheet.errors.append(f"строка {line}: {wrong}")


def _store(database: Database, batch: Iterable[Upload]) -> Counter[str]:
    outcome: Counter[str] = Counter()
    at = clock.now()
    with database.begin() as session:
        for row in batch:
            new = NewCall(**row.model_dump(exclude={"duration"}), key_id=None, duration_hint=row.duration, priority="bulk")
            try:
                calls.receive(session, new, at)
            except CallExists:
                outcome["known"] += 1
                continue
            directory.ensure_managers(session, [new.manager_id], at)
            outcome["accepted"] += 1
    return outcome


def _follow(database: Database) -> None:
    last = None
    while last != 0:
        with database.read() as session:
            left = recovery.count_unfinished(session, "bulk")
        if left != last:
            print(f"осталось {left}", flush=True)
        last = left
        if left:
            time.sleep(POLL_SECONDS)
