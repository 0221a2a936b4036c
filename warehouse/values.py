"""Rows of a table result: every value in a column of its type, and as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

Row = dict[str, Any]


def rows(result: Mapping[str, Any], utterances: Sequence[Mapping[str, Any]]) -> tuple[Row, list[Row]]:
    """The row of `fact_table` and those of `fact_table_value`; a result that failed has no values."""
    content = result["content"] if result["status"] == "ok" else {}
    table = {"table_id": result["definition_id"], "table_version": result["version"]}
    fields = content.get("fields", ())
    usage = content.get("usage", {})
    whole = table | {
        "revision": result["revision"],
        "status": result["status"],
        "fields": len(fields),
        "filled": sum(field.get("value") is not None for field in fields),
        **{name: usage.get(name) for name in ("engine", "model", "prompt_hash", "prompt_tokens", "completion_tokens")},
        "seconds": content.get("processing_time"),
        "flags": list(content.get("flags", ())),
        "extracted_at": result["created_at"].astimezone(UTC).replace(tzinfo=None),
    }
    return whole, [table | _field(field, utterances) for field in fields]


def _field(field: Mapping[str, Any], utterances: Sequence[Mapping[str, Any]]) -> Row:
    said = [utterances[i] for i in field.get("evidence", ())[:1] if 0 <= i < len(utterances)]
    return {
        "field_name": field["name"],
        "is_filled": field.get("value") is not None,
        **columns(field.get("value")),
        "reason": field.get("reason", ""),
        "quote": said[0]["text"] if said else "",
        "quote_start": said[0]["start"] if said else None,
        "confidence": field.get("confidence", 1.0),
    }


def columns(value: Any) -> Row:
    """The value columns for one JSON value; its own form decides, not the field's type, which may change by version."""
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"value_bool": value, "value_text": "true" if value else "false"}
    if isinstance(value, int | float):
        return {"value_number": float(value), "value_text": f"{value}"}
    if isinstance(value, str):
        return {"value_text": value} | _moment(value)
    if isinstance(value, list):
        items = [_text(item) for item in value]
        return {"value_list": items, "value_text": ", ".join(items)}
    return {"value_text": _text(value)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _moment(text: str) -> Row:
    """The date columns of an ISO 8601 text; a time keeps the clock that was named, without its offset."""
    if not text[:4].isdigit() or len(text) < 10:
        return {}
    try:
        if len(text) == 10:
            return {"value_date": date.fromisoformat(text)}
        moment = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return {}
    return {"value_date": moment.date(), "value_time": moment}
