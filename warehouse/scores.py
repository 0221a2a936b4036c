"""Rows of a checklist result and its stages, with the marks of people beside the machine's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class StagePlace:
    """Where a stage stands in its checklist, from 1, and what it weighs."""

    position: int
    weight: int


# (checklist id, version) → stage id → its place.
Stages = Mapping[tuple[str, str], Mapping[str, StagePlace]]


def places(dim_stage: Sequence[Mapping[str, Any]]) -> Stages:
    """The places of all stages of all versions."""
    found: dict[tuple[str, str], dict[str, StagePlace]] = {}
    for row in dim_stage:
        found.setdefault((row["checklist_id"], row["version"]), {})[row["stage_id"]] = StagePlace(row["position"], row["weight"])
    return found


def rows(result: Mapping[str, Any], overrides: Sequence[Mapping[str, Any]], stages: Stages) -> tuple[Row, list[Row]]:
    """The row of `fact_checklist` and those of `fact_stage`; a result that failed has no stages."""
    content = result["content"] if result["status"] == "ok" else {}
    checklist = {"checklist_id": result["definition_id"], "checklist_version": result["version"]}
    known = stages.get((result["definition_id"], result["version"]), {})
    marks = {o["stage_id"]: o for o in overrides if o["checklist_id"] == result["definition_id"]}
    found = [checklist | _with_mark(row, marks.get(row["stage_id"])) for row in _stages(content, known)]
    _place(found)
    usage = content.get("usage", {})
    total = checklist | {
        "revision": result["revision"],
        "status": result["status"],
        "total_score": content.get("total_score"),
        "max_score": content.get("max_score"),
        "completion": content.get("completion_percentage"),
        "final_completion": _completion(found),
        **{name: usage.get(name) for name in ("engine", "model", "prompt_hash", "prompt_tokens", "completion_tokens", "seconds")},
        "flags": list(content.get("flags", ())),
        "scored_at": result["created_at"].astimezone(UTC).replace(tzinfo=None),
    }
    return total, found


def _stages(content: Mapping[str, Any], known: Mapping[str, StagePlace]) -> list[Row]:
    scored = [_scored(stage) for stage in content.get("stages", ())]
    rows = scored + [_left_out(stage) for stage in content.get("not_applicable", ())]
    for number, row in enumerate(rows, start=1):
        place = known.get(row["stage_id"], StagePlace(number, row["weight"] or 1))
        row |= {"position": place.position, "weight": row["weight"] or place.weight}
    return sorted(rows, key=lambda row: row["position"])


def _scored(stage: Mapping[str, Any]) -> Row:
    same = ("stage_id", "stage_name", "status", "score", "percentage", "comment", "quote")
    optional = ("quote_start", "quote_end", "speaker", "confidence")
    return {
        **{name: stage[name] for name in same},
        **{name: stage.get(name) for name in optional},
        "weight": stage.get("weight", 1),
        "is_verified": stage.get("verified", True),
    }


def _left_out(stage: Mapping[str, Any]) -> Row:
    return {
        "stage_id": stage["stage_id"],
        "stage_name": stage["stage_name"],
        "status": "not_applicable",
        "score": None,
        "weight": None,
        "comment": stage["reason"],
        "quote": "",
        "is_verified": True,
    }


def _with_mark(row: Row, mark: Mapping[str, Any] | None) -> Row:
    """The stage with a person's mark; their 0 means not applicable."""
    if mark is None:
        return row | {"final_score": row["score"]}
    return row | {
        "final_score": mark["score"] or None,
        "person_score": mark["score"],
        "person_reason": mark["reason"],
        "person": mark["author"],
        "person_at": mark["created_at"].astimezone(UTC).replace(tzinfo=None),
    }


def _place(stages: list[Row]) -> None:
    """Mark the stages that are completed with every applicable stage before them, and where in the call a failed one was missed."""
    carried, quote, seconds = True, None, None
    for stage in stages:
        carried = carried and stage["final_score"] != -1
        stage["is_carried"] = carried and stage["final_score"] == 1
        if stage["quote"]:
            quote, seconds = stage["quote"], stage["quote_start"]
        if stage["final_score"] == -1:
            stage |= {"moment_quote": quote, "moment_seconds": seconds}


def _completion(stages: list[Row]) -> float | None:
    weight = sum(s["weight"] for s in stages if s["final_score"] is not None)
    done = sum(s["weight"] for s in stages if s["final_score"] == 1)
    return round(100 * done / weight, 1) if weight else None
