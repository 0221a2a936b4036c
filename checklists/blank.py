"""A stored result without what was said: scores stay, quotes, comments and values go."""

from __future__ import annotations

from typing import Any

# A completed stage is never without a quote; this says that it had one.
DELETED = "[удалено]"


def blank(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a checklist's or a table's result with every text of the conversation taken out; harmless when repeated."""
    parts = {"stages": _stage, "not_applicable": _left_out, "fields": _field}
    return content | {name: [empty(one) for one in content[name]] for name, empty in parts.items() if name in content}


def _stage(stage: dict[str, Any]) -> dict[str, Any]:
    criteria = [one | {"comment": "", "evidence": []} for one in stage.get("criteria", ())]
    gone = {"comment": "", "quote": DELETED if stage["quote"] else "", "quote_start": None, "quote_end": None, "speaker": None}
    return stage | gone | {"criteria": criteria}


def _left_out(stage: dict[str, Any]) -> dict[str, Any]:
    return stage | {"reason": ""}


def _field(field: dict[str, Any]) -> dict[str, Any]:
    return field | {"value": None, "evidence": [], "reason": ""}
