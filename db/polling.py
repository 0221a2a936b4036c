"""What a poll for a table's results needs, in one statement: CRMs ask far more often than anything changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Boolean, Connection, String, text

STATEMENT = text("""
    SELECT
        asked.call_id,
        EXISTS (SELECT 1 FROM definitions WHERE kind = 'table' AND definition_id = asked.table_id) AS table_known,
        calls.status AS call_status, calls.reason_code, calls.reason,
        results.status AS result_status, results.content
    FROM (SELECT CAST(:call_id AS VARCHAR) AS call_id, CAST(:table_id AS VARCHAR) AS table_id) AS asked
    LEFT JOIN calls ON calls.call_id = asked.call_id
    LEFT JOIN results ON results.call_id = asked.call_id AND results.kind = 'table'
        AND results.definition_id = asked.table_id AND results.superseded_at IS NULL
""").columns(
    call_id=String(),
    table_known=Boolean(),
    call_status=String(),
    reason_code=String(),
    reason=JSON(),
    result_status=String(),
    content=JSON(),
)


@dataclass(frozen=True)
class Polled:
    """The call's state (`call_status` None: unknown call) and the table's current result (`result_status` None: none yet)."""

    table_known: bool
    call_status: str | None
    reason_code: str | None
    reason: dict[str, Any] | None
    result_status: str | None
    content: dict[str, Any] | None


def poll(connection: Connection, table_id: str, call_id: str) -> Polled:
    """What is known about one table of one call."""
    row = connection.execute(STATEMENT, {"call_id": call_id, "table_id": table_id}).one()
    return Polled(bool(row.table_known), row.call_status, row.reason_code, row.reason, row.result_status, row.content)
