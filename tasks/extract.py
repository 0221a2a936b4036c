"""Step 4: one table out of one transcript."""

from __future__ import annotations

from typing import Any

from prefect import task

from checklists.definitions import Table
from checklists.finalise import finalise_table
from checklists.results import TableResult
from core import clock
from core.failpoints import failpoint
from db import definitions, results
from tasks import runtime as runtimes
from tasks.policy import RESUMABLE, RETRIED
from tasks.runtime import Runtime
from tasks.score import context


def extract_table(runtime: Runtime, call_id: str, table_id: str, version: str) -> TableResult:
    """The values of this version of the table in the stored transcript."""
    started = clock.monotonic()
    with runtime.database.read() as session:
        table = definitions.load(session, "table", table_id, version)
        transcript = results.transcript(session, call_id)
    assert isinstance(table, Table)  # noqa: S101
    assert transcript is not None  # noqa: S101  the flow extracts only after the transcript is stored
    findings = runtime.analyst(table.engine).extract(transcript, table, context(runtime, call_id))
    return finalise_table(call_id, transcript, table, findings, clock.now(), clock.monotonic() - started)


@task(name="extract", task_run_name="extract {table_id}", **RESUMABLE, **RETRIED)
def extract(call_id: str, table_id: str, version: str) -> dict[str, Any]:
    """The result of one table as JSON."""
    runtime = runtimes.current()
    runtime.lease(call_id).check()
    failpoint("extract.before")
    result = extract_table(runtime, call_id, table_id, version).model_dump(mode="json")
    failpoint("extract.after")
    return result
