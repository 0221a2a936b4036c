"""Data quality by Great Expectations: one suite a table, over the recent days, with pages for people.

The library takes seconds and a hundred megabytes to import, so the checks run in a process of their own: `check_apart`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import yaml

from core import clock
from core import settings as settings_module
from core.errors import TransientError
from core.settings import Settings
from warehouse import catalog, sql, stores
from warehouse.batch import DIMENSIONS, FACTS

if TYPE_CHECKING:
    from warehouse.great import Suites

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
    """What the checks found. `pages` is the start page of the Data Docs."""

    checks: int
    broken: list[Broken]
    pages: str
    seconds: float

    @property
    def is_sound(self) -> bool:
        """Whether nothing critical is broken."""
        return all(one.severity != "critical" for one in self.broken)


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
    found = json.loads(done.stdout.splitlines()[-1])
    return QualityReport(**found | {"broken": [Broken(**one) for one in found["broken"]]})


def check(settings: Settings) -> QualityReport:
    """Check the published warehouse here and write the Data Docs."""
    from warehouse.great import Suites

    started = clock.monotonic()
    folder = settings.warehouse_dir / "quality"
    sample = _sample(settings, folder / "sample.duckdb")
    suites = Suites(folder, sample)
    for table, columns in _columns().items():
        suites.add(table, [_shape(columns), *expectations(table)])
    broken = [_with_rows(suites, Broken(**one)) for one in suites.run(EXAMPLES)]
    return QualityReport(suites.checks, broken, str(suites.pages), round(clock.monotonic() - started, 3))


def expectations(table: str) -> list[dict[str, Any]]:
    """What is expected of a table: `type`, `kwargs`, `about` and perhaps `severity`. `none` is a query that must find no row."""
    return [_spelled_out(one) for one in yaml.safe_load(sql.read(f"expectations/{table}.yaml"))]


def _spelled_out(one: dict[str, Any]) -> dict[str, Any]:
    if "none" not in one:
        return one
    return one | {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": one["none"]}}


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
    print(json.dumps(asdict(check(settings_module.load())), ensure_ascii=False, default=str))  # noqa: T201  the parent reads it
