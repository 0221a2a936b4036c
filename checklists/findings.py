"""What an engine answers: verdicts with utterance numbers as evidence. Never quotes, never totals."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from checklists.transcript import Frozen


class CriterionFinding(Frozen):
    """Verdict on one criterion; `evidence` are utterance ids, best first; `confidence` 0 to 1."""

    criterion_id: str
    met: bool
    evidence: tuple[int, ...] = ()
    comment: str = ""
    confidence: float = 1.0


class StageFinding(Frozen):
    """Verdicts on the criteria of one stage; a stage that does not apply has `applicable` false and no criteria."""

    stage_id: str
    applicable: bool = True
    criteria: tuple[CriterionFinding, ...] = ()
    comment: str = ""
    confidence: float = 1.0


class FieldFinding(Frozen):
    """A value in its JSON form, or None with the reason."""

    name: str
    value: Any = None
    evidence: tuple[int, ...] = ()
    reason: str = ""
    confidence: float = 1.0


class Usage(Frozen):
    """Who answered and at what price; tokens are zero for the embedded engine."""

    engine: str
    model: str = ""
    prompt_hash: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    requests: int = 0


class Findings(Frozen):
    """All verdicts of one engine on one checklist of one call."""

    stages: tuple[StageFinding, ...]
    usage: Usage
    flags: tuple[str, ...] = ()


class TableFindings(Frozen):
    """All values of one engine for one table of one call."""

    fields: tuple[FieldFinding, ...]
    usage: Usage
    flags: tuple[str, ...] = Field(default=())
