"""What is stored and sent: scores with verified quotes, typed values with their evidence."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from checklists.findings import Usage
from checklists.transcript import Frozen, Speaker


class CriterionResult(Frozen):
    """One criterion after its evidence was checked."""

    criterion_id: str
    met: bool
    evidence: tuple[int, ...] = ()
    comment: str = ""
    confidence: float = 1.0


class StageResult(Frozen):
    """One stage; `quote` is the exact text of an utterance or empty; times in seconds; `percentage` 0 to 100."""

    stage_id: str
    stage_name: str
    score: Literal[1, -1]
    percentage: float
    status: Literal["completed", "failed"]
    comment: str
    quote: str
    weight: int = 1
    quote_start: float | None = None
    quote_end: float | None = None
    speaker: Speaker | None = None
    confidence: float = 1.0
    verified: bool = True
    criteria: tuple[CriterionResult, ...] = ()

    @model_validator(mode="after")
    def _score_follows_status(self) -> Self:
        if (self.score == 1) != (self.status == "completed"):
            raise ValueError("score and status disagree")
        if self.status == "completed" and not self.quote:
            raise ValueError("a completed stage needs a quote")
        return self


class NotApplicable(Frozen):
    """A stage that was left out, and why."""

    stage_id: str
    stage_name: str
    reason: str


class ChecklistResult(Frozen):
    """One checklist of one call. Totals follow C20–C22: `total_score` = Σ weight × score over applicable stages."""

    call_id: str
    checklist_id: str
    checklist_name: str
    checklist_version: str
    total_score: int
    max_score: int
    completion_percentage: float
    stages: tuple[StageResult, ...]
    not_applicable: tuple[NotApplicable, ...] = ()
    usage: Usage
    flags: tuple[str, ...] = ()
    timestamp: AwareDatetime

    @model_validator(mode="after")
    def _totals_add_up(self) -> Self:
        if self.total_score != sum(s.weight * s.score for s in self.stages):
            raise ValueError("total_score is not the sum of weight x score")
        if self.max_score != sum(s.weight for s in self.stages):
            raise ValueError("max_score is not the sum of weights")
        return self


class FieldResult(Frozen):
    """One value of a table with its evidence; `reason` says why it is null."""

    name: str
    value: Any = None
    evidence: tuple[int, ...] = ()
    reason: str = ""
    confidence: float = 1.0


class TableResult(Frozen):
    """One table of one call; `processing_time` in seconds."""

    call_id: str
    table_id: str
    table_name: str
    table_version: str
    fields: tuple[FieldResult, ...]
    usage: Usage
    flags: tuple[str, ...] = ()
    processing_time: float = Field(ge=0)
    timestamp: AwareDatetime

    @property
    def extracted_data(self) -> dict[str, Any]:
        """The flat object of the webhook and of `call-ready`: null where nothing was found."""
        return {f.name: f.value for f in self.fields}
