"""Stages that wait for another one: what proves them must come later in the call than the first proof of the stage before.

A stage that was not met lets nothing follow it. A stage that does not apply to the call is no obstacle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from checklists.definitions import Checklist, Stage
from checklists.findings import CriterionFinding, StageFinding

ANYWHERE, NOWHERE = -1.0, math.inf
TOO_EARLY = "Это прозвучало раньше, чем положено по сценарию."


def ordered(checklist: Checklist) -> Sequence[Stage]:
    """The stages so that each comes after the one it waits for."""
    waiting, found = list(checklist.stages), list[Stage]()
    while waiting:
        known = {s.id for s in found}
        ready = [s for s in waiting if awaited(s) in (None, *known)]
        found += ready
        waiting = [s for s in waiting if s not in ready]
    return found


def awaited(stage: Stage) -> str | None:
    """The id of the stage that this one waits for."""
    return stage.window.after_stage if stage.window else None


def start(stage: Stage, found: Mapping[str, StageFinding]) -> float:
    """The utterance number that a proof of the stage must exceed; `found` are the findings of the stages before it."""
    name = awaited(stage)
    if name is None:
        return ANYWHERE
    before = found.get(name)
    if before is None:
        return NOWHERE
    if not before.applicable:
        return ANYWHERE
    return min((n for c in before.criteria if c.met for n in c.evidence), default=NOWHERE)


def in_order(checklist: Checklist, findings: Sequence[StageFinding]) -> dict[str, StageFinding]:
    """The findings by stage id, without the proofs that come too early."""
    given = {f.stage_id: f for f in findings}
    found: dict[str, StageFinding] = {}
    for stage in ordered(checklist):
        if stage.id in given:
            found[stage.id] = _after(given[stage.id], start(stage, found))
    return found


def _after(finding: StageFinding, first: float) -> StageFinding:
    if first == ANYWHERE or not finding.applicable:
        return finding
    criteria = tuple(_later(c, first) if c.met else c for c in finding.criteria)
    return finding.model_copy(update={"criteria": criteria})


def _later(finding: CriterionFinding, first: float) -> CriterionFinding:
    kept = tuple(n for n in finding.evidence if n > first)
    return finding.model_copy(update={"evidence": kept} if kept else {"met": False, "evidence": (), "comment": TOO_EARLY})
