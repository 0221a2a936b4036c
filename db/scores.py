"""What the pages filter and average by: how far each checklist of a call was met, people's marks included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.models import Call, CallScore, DefinitionVersion, Override, Result


def refresh(session: Session, call_id: str, checklist_id: str) -> None:
    """Bring the stored completion up to the current result and marks; without a usable result there is none."""
    session.execute(delete(CallScore).where(CallScore.call_id == call_id, CallScore.checklist_id == checklist_id))
    mine = (Result.call_id == call_id, Result.kind == "checklist", Result.definition_id == checklist_id)
    row = session.scalars(select(Result).where(*mine, Result.superseded_at.is_(None), Result.status == "ok")).first()
    if row is None:
        return
    marks = _marks(session, call_id, checklist_id)
    value = completion(row.content, marks, _weights(session, row) if marks else {})
    at = session.scalar(select(Call.at).where(Call.call_id == call_id))
    if value is not None and at is not None:
        session.add(CallScore(call_id=call_id, checklist_id=checklist_id, at=at, completion=value))
        session.flush()


def completion(content: Mapping[str, Any], marks: Mapping[str, int], weights: Mapping[str, int]) -> float | None:
    """Percent of the applicable weight that is completed; a mark of 0 takes a stage out, 1 or -1 may bring one in.

    None when nothing applies. `weights` are asked for stages that the machine left out.
    """
    scored = {s["stage_id"]: (s.get("weight", 1), s["score"]) for s in content.get("stages", ())}
    left_out = {s["stage_id"]: (weights.get(s["stage_id"], 1), 0) for s in content.get("not_applicable", ())}
    final = {stage: (weight, marks.get(stage, score)) for stage, (weight, score) in (scored | left_out).items()}
    whole = sum(weight for weight, score in final.values() if score)
    done = sum(weight for weight, score in final.values() if score == 1)
    return round(100 * done / whole, 1) if whole else None


def _marks(session: Session, call_id: str, checklist_id: str) -> dict[str, int]:
    mine = (Override.call_id == call_id, Override.checklist_id == checklist_id, Override.superseded_at.is_(None))
    return dict(session.execute(select(Override.stage_id, Override.score).where(*mine)).tuples().all())


def _weights(session: Session, row: Result) -> dict[str, int]:
    version = session.get(DefinitionVersion, ("checklist", row.definition_id, row.version))
    return {s["id"]: s.get("weight", 1) for s in version.content["stages"]} if version else {}
