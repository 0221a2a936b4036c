"""Data quality by Great Expectations: one suite a table, over the recent days, with pages for people.

The library takes seconds and a hundred megabytes to import, so the checks run in a process of their own: `check_apart`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import yaml

from core import clock
from core import settings as settings_module
from core.errors import TransientError
from core.settings import Settings
from warehouse import catalog, data_docs, sql, stores
from warehouse.batch import DIMENSIONS, FACTS

if TYPE_CHECKING:
    from warehouse.great import Suites

REPORT = "report.json"
PAGES = Path("gx", "uncommitted", "data_docs", "local_site")  # where the library writes them
EXAMPLES = 5  # rows shown of what breaks an expectation


class QualityFailed(TransientError):
    """The checks themselves broke: nothing is known of the data. `output` is the end of what they printed."""

    code = "quality_failed"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Проверка качества данных не выполнилась: {output}",
        "en": "The data quality checks did not run: {output}",
    }


@dataclass(frozen=True)
class Broken:
    """One expectation that does not hold: of which table, what is expected (in Russian), how often not, and some such rows.

    `severity` is `critical` for a defect and `warning` for something to look at.
    """

    table: str
    about: str
    severity: str
    count: int
    examples: list[Any]


@dataclass(frozen=True)
class QualityReport:
    """What the checks found. `pages` is the start page of the Data Docs, `at` an ISO 8601 time."""

    checks: int
    broken: list[Broken]
    pages: str
    at: str
    seconds: float

    @property
    def is_sound(self) -> bool:
        """Whether nothing critical is broken."""
        return all(one.severity != "critical" for one in self.broken)

    @property
    def moment(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.at)


def check_apart(settings: Settings) -> QualityReport:
    """Check the published warehouse in a process of its own.

    Raises:
        QualityFailed: the process broke or took longer than `quality_seconds`.
    """
    environment = {**os.environ, "ROP_HOME": str(settings.root), "GX_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-m", "warehouse.quality"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=settings.quality_seconds, check=True)  # noqa: S603
    except subprocess.SubprocessError as error:
        raise QualityFailed(output=str(getattr(error, "stderr", "") or error)[-1000:]) from error
    return _read(done.stdout.splitlines()[-1])


def last(settings: Settings) -> QualityReport | None:
    """What the latest checks found, or None before the first."""
    path = folder(settings) / REPORT
    return _read(path.read_text(encoding="utf-8")) if path.exists() else None


def check(settings: Settings) -> QualityReport:
    """Check the published warehouse here and write the Data Docs."""
    from warehouse.great import Suites

    started = clock.monotonic()
    staging = settings.warehouse_dir / "quality.next"
    shutil.rmtree(staging, ignore_errors=True)
    sample = _sample(settings, staging / "sample.duckdb")
    suites = Suites(staging, sample)
    for table, columns in _columns().items():
        suites.add(table, [_shape(columns), *expectations(table)])
    broken = [_with_rows(suites, Broken(**one)) for one in suites.run(EXAMPLES)]
    sample.unlink()
    data_docs.seal(suites.pages.parent)
    pages = folder(settings) / suites.pages.relative_to(staging)
    report = QualityReport(suites.checks, broken, str(pages), clock.now().isoformat(), round(clock.monotonic() - started, 3))
    (staging / REPORT).write_text(_as_json(report), encoding="utf-8")
    _replace(folder(settings), staging)
    return report


def folder(settings: Settings) -> Path:
    """Where the latest report and the Data Docs lie."""
    return settings.warehouse_dir / "quality"


def docs(settings: Settings) -> Path:
    """The folder of the latest Data Docs."""
    return folder(settings) / PAGES


def expectations(table: str) -> list[dict[str, Any]]:
    """What is expected of a table: `type`, `kwargs`, `about` and perhaps `severity`. `none` is a query that must find no row."""
    return [_spelled_out(one) for one in yaml.safe_load(sql.read(f"expectations/{table}.yaml"))]


def _spelled_out(one: dict[str, Any]) -> dict[str, Any]:
    if "none" not in one:
        return one
    return one | {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": one["none"]}}


def _replace(target: Path, staging: Path) -> None:
    """Put the new folder in the place of the old one, whose history of results would grow without end."""
    old = target.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    staging.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _as_json(report: QualityReport) -> str:
    return json.dumps(asdict(report), ensure_ascii=False, default=str)


def _read(text: str) -> QualityReport:
    found = json.loads(text)
    return QualityReport(**found | {"broken": [Broken(**one) for one in found["broken"]]})


def _with_rows(suites: Suites, one: Broken) -> Broken:
    """The rows that a `none` query found: the library only counts them."""
    queries = [expected["none"] for expected in expectations(one.table) if expected["about"] == one.about and "none" in expected]
    return one if one.examples or not queries else replace(one, examples=suites.rows(queries[0], EXAMPLES))


def _shape(columns: list[str]) -> dict[str, Any]:
    kwargs = {"column_list": columns}
    return {"type": "expect_table_columns_to_match_ordered_list", "kwargs": kwargs, "about": "Колонки таблицы те, что описаны."}


def _columns() -> dict[str, list[str]]:
    """The columns of every fact and dimension as `schema/` declares them."""
    with duckdb.connect() as connection:
        catalog.create(connection)
        return {table: [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()] for table in (*DIMENSIONS, *FACTS)}


def _sample(settings: Settings, path: Path) -> Path:
    """A file with all dimensions and the facts of the last `quality_days`: what it costs does not grow with the years."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with stores.of(settings).reader(external=True) as connection:
        connection.execute(f"ATTACH {sql.literal(str(path))} AS sample")
        for table in (*DIMENSIONS, *FACTS):
            recent = f"WHERE day > current_date - {int(settings.quality_days)}" if table in FACTS else ""
            connection.execute(f"CREATE TABLE sample.{table} AS FROM {table} {recent}")
    return path


if __name__ == "__main__":
    print(_as_json(check(settings_module.load())))  # noqa: T201  the parent reads it
