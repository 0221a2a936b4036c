"""Webhook bodies: the flat fields of the published format first, in its order; what we add comes after them (C30).

A body is made once, with the result, and stored: every attempt sends the same bytes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from checklists.findings import Usage
from checklists.results import ChecklistResult, StageResult, TableResult
from core.settings import Settings
from db.models import Call


def checklist_body(result: ChecklistResult, call: Call, settings: Settings, version_number: int | None = None) -> bytes:
    """The result of a checklist; `version_number` counts the versions that people made, `checklist_version` names the content."""
    body: dict[str, Any] = {
        "call_id": result.call_id,
        "manager_id": call.manager_id,
        "checklist_name": result.checklist_name,
        "total_score": result.total_score,
        "max_score": result.max_score,
        "completion_percentage": float(result.completion_percentage),
        "stages": [_stage(stage, settings) for stage in result.stages],
        "timestamp": _moment(result.timestamp),
    }
    if not settings.webhook_strict:
        body |= {"event": "checklist.completed", "checklist_id": result.checklist_id, "checklist_version": result.checklist_version}
        body |= {"checklist_version_number": version_number} if version_number else {}
        body |= _deal(call)
        body |= {"not_applicable": [left.model_dump() for left in result.not_applicable], **_source(result.usage, result.flags)}
    return _encoded(body)


def table_body(result: TableResult, call: Call, settings: Settings, version_number: int | None = None) -> bytes:
    """The result of a table; `missing` says why a value is null."""
    body: dict[str, Any] = {
        "call_id": result.call_id,
        "table_id": result.table_id,
        "table_name": result.table_name,
        "extracted_data": result.extracted_data,
        "processing_time": float(result.processing_time),
        "timestamp": _moment(result.timestamp),
    }
    if not settings.webhook_strict:
        body |= {"event": "table.completed", "manager_id": call.manager_id, "table_version": result.table_version}
        body |= {"table_version_number": version_number} if version_number else {}
        body |= _deal(call)
        body |= {"missing": {f.name: f.reason for f in result.fields if f.value is None}, **_source(result.usage, result.flags)}
    return _encoded(body)


def event_body(event: str, call: Call | None, settings: Settings, at: datetime) -> bytes:  # noqa: ARG001  one shape for all three bodies
    """What happened to a call (`call.failed`, `call.no_speech`), or a `test` that is about no call."""
    body: dict[str, Any] = {"event": event}
    if call is not None:
        body |= {"call_id": call.call_id, "manager_id": call.manager_id, **_deal(call), "status": call.status, "attempt": call.attempt}
        if call.reason_code is not None:
            body["error"] = {"code": call.reason_code, "detail": (call.reason or {}).get("ru", "")}
    return _encoded(body | {"timestamp": _moment(at)})


def _stage(stage: StageResult, settings: Settings) -> dict[str, Any]:
    body: dict[str, Any] = {
        "stage_id": stage.stage_id,
        "stage_name": stage.stage_name,
        "score": stage.score,
        "percentage": float(stage.percentage),
        "status": stage.status,
        "comment": stage.comment,
        "quote": stage.quote,
    }
    if not settings.webhook_strict:
        body |= {"weight": stage.weight, "quote_start": stage.quote_start, "quote_end": stage.quote_end}
        body |= {"speaker": stage.speaker, "confidence": stage.confidence, "verified": stage.verified}
    return body


def _deal(call: Call) -> dict[str, Any]:
    return {"deal_id": call.deal_id, "deal_stage_id": call.deal_stage_id}


def _source(usage: Usage, flags: tuple[str, ...]) -> dict[str, Any]:
    return {"engine": usage.engine, "model": usage.model, "prompt_hash": usage.prompt_hash, "flags": list(flags)}


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _encoded(body: dict[str, Any]) -> bytes:
    # `replace`, because half a surrogate pair in a model's answer must not stop a delivery.
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
