"""Great Expectations on a DuckDB file. Imported by the process of the checks alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.execution_engine.sqlalchemy_execution_engine as engine
from great_expectations.checkpoint.actions import UpdateDataDocsAction
from great_expectations.core.expectation_validation_result import ExpectationValidationResult


class _Duck(str):
    """A dialect as the library compares them: by `value`."""

    __slots__ = ()

    @property
    def value(self) -> str:
        return str(self)


# The library closes a connection before it reads the answer, except for the dialects it lists; DuckDB's answer dies with it.
engine._PERSISTED_CONNECTION_DIALECTS = (*engine._PERSISTED_CONNECTION_DIALECTS, _Duck("duckdb"))  # type: ignore[assignment]  # noqa: SLF001


class Suites:
    """The suites of one data file, and the pages about them in `folder`."""

    def __init__(self, folder: Path, data: Path) -> None:
        self._context = gx.get_context(mode="file", project_root_dir=folder)
        self._context.enable_analytics(False)
        self._source = self._context.data_sources.add_or_update_sql("warehouse", connection_string=f"duckdb:///{data}")
        self._definitions: list[gx.ValidationDefinition] = []
        self.checks = 0
        self.pages = folder / "gx" / "uncommitted" / "data_docs" / "local_site" / "index.html"

    def add(self, table: str, expected: list[dict[str, Any]]) -> None:
        """Check `table` by these expectations."""
        suite = gx.ExpectationSuite(name=table, expectations=[_expectation(one) for one in expected])
        asset = self._source.add_table_asset(table, table_name=table)
        batch = asset.add_batch_definition_whole_table("all")
        suite = self._context.suites.add_or_update(suite)
        definition = gx.ValidationDefinition(name=table, data=batch, suite=suite)
        self._definitions.append(self._context.validation_definitions.add_or_update(definition))

    def run(self, examples: int) -> list[dict[str, Any]]:
        """Check everything, write the pages, and give what is broken with at most `examples` rows of each."""
        pages = UpdateDataDocsAction(name="pages")
        checkpoint = gx.Checkpoint(
            name="hourly",
            validation_definitions=self._definitions,
            actions=[pages],
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": examples},
        )
        outcome = self._context.checkpoints.add_or_update(checkpoint).run()
        found = [(str(result.suite_name), one) for result in outcome.run_results.values() for one in result.results]
        self.checks = len(found)
        return [_broken(table, one, examples) for table, one in found if not one.success]

    def rows(self, query: str, limit: int) -> list[dict[str, Any]]:
        """The first rows of a query on the data file."""
        with self._source.get_engine().connect() as connection:
            return [dict(row) for row in connection.exec_driver_sql(query).mappings().fetchmany(limit)]


def _expectation(one: dict[str, Any]) -> dict[str, Any]:
    """An expectation of ours as the library writes it."""
    severity = one.get("severity", "critical")
    meta = {"about": one["about"], "severity": severity}
    return {"type": one["type"], "kwargs": one["kwargs"], "description": one["about"], "severity": severity, "meta": meta}


def _broken(table: str, one: ExpectationValidationResult, examples: int) -> dict[str, Any]:
    found, meta = one.result, (one.expectation_config.meta or {}) if one.expectation_config else {}
    values = found.get("partial_unexpected_list") or []
    count = str(found.get("unexpected_count") or found.get("observed_value"))
    return {
        "table": table,
        "about": meta.get("about", ""),
        "severity": meta.get("severity", "critical"),
        "count": int(count) if count.isdigit() else len(values),
        "examples": list(values)[:examples] or _troubles(one),
    }


def _troubles(one: ExpectationValidationResult) -> list[str]:
    """What went wrong in a check that could not be made."""
    found = one.exception_info or {}
    parts = [found] if "exception_message" in found else [part for part in found.values() if isinstance(part, dict)]
    return [str(part["exception_message"]) for part in parts if part.get("exception_message")]
