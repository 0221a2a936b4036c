"""Findings become results: evidence is checked, quotes are copied from the transcript, totals are computed here alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from checklists.definitions import Checklist, Criterion, Party, Stage, Table
from checklists.findings import CriterionFinding, FieldFinding, Findings, StageFinding, TableFindings
from checklists.order import in_order
from checklists.results import ChecklistResult, CriterionResult, FieldResult, NotApplicable, StageResult, TableResult
from checklists.transcript import Transcript, Utterance

UNVERIFIED = "не подтверждено цитатой"
NOT_ANSWERED = "Движок не дал ответа по этому критерию."


def finalise(call_id: str, transcript: Transcript, checklist: Checklist, findings: Findings, at: datetime) -> ChecklistResult:
    """The publishable result: every completed stage carries a verbatim quote, totals follow C20–C23."""
    by_stage = in_order(checklist, findings.stages)
    left_out: list[NotApplicable] = []
    stages: list[StageResult] = []
    for stage in checklist.stages:
        finding = by_stage.get(stage.id) or StageFinding(stage_id=stage.id, confidence=0.0)
        if not finding.applicable:
            reason = finding.comment or "Этап не относится к этому разговору."
            left_out.append(NotApplicable(stage_id=stage.id, stage_name=stage.name, reason=reason))
            continue
        stages.append(_stage_result(transcript, stage, finding))
    return ChecklistResult(
        call_id=call_id,
        checklist_id=checklist.id,
        checklist_name=checklist.name,
        checklist_version=checklist.version,
        total_score=sum(s.weight * s.score for s in stages),
        max_score=sum(s.weight for s in stages),
        completion_percentage=_completion(stages),
        stages=tuple(stages),
        not_applicable=tuple(left_out),
        usage=findings.usage,
        flags=findings.flags,
        timestamp=at,
    )


def finalise_table(
    call_id: str, transcript: Transcript, table: Table, findings: TableFindings, at: datetime, seconds: float
) -> TableResult:
    """The publishable table: every field of the definition is present, evidence points into the transcript."""
    by_name = {f.name: f for f in findings.fields}
    missing = FieldFinding(name="", reason="Движок не дал ответа по этому полю.", confidence=0.0)
    fields = (_field_result(transcript, f.name, by_name.get(f.name, missing)) for f in table.fields)
    return TableResult(
        call_id=call_id,
        table_id=table.id,
        table_name=table.name,
        table_version=table.version,
        fields=tuple(fields),
        usage=findings.usage,
        flags=findings.flags,
        processing_time=round(seconds, 3),
        timestamp=at,
    )


def _stage_result(transcript: Transcript, stage: Stage, finding: StageFinding) -> StageResult:
    criteria = _criteria_results(transcript, stage, finding)
    percentage = round(100 * sum(c.met for c in criteria) / len(criteria), 1)
    completed = percentage >= stage.threshold
    quoted = _quoted(transcript, criteria, completed)
    refuted = any(c.comment == UNVERIFIED for c in criteria)
    comment = finding.comment if not refuted else UNVERIFIED
    return StageResult(
        stage_id=stage.id,
        stage_name=stage.name,
        score=1 if completed else -1,
        percentage=percentage,
        status="completed" if completed else "failed",
        comment=comment or "; ".join(dict.fromkeys(c.comment for c in criteria if c.comment)),
        quote=quoted.text if quoted else "",
        quote_start=quoted.start if quoted else None,
        quote_end=quoted.end if quoted else None,
        speaker=quoted.speaker if quoted else None,
        weight=stage.weight,
        confidence=round(finding.confidence, 3),
        verified=not refuted,
        criteria=criteria,
    )


def _criteria_results(transcript: Transcript, stage: Stage, finding: StageFinding) -> tuple[CriterionResult, ...]:
    given = {c.criterion_id: c for c in finding.criteria}
    return tuple(_criterion_result(transcript, stage, c, given.get(c.id)) for c in stage.criteria)


def _criterion_result(transcript: Transcript, stage: Stage, criterion: Criterion, finding: CriterionFinding | None) -> CriterionResult:
    if finding is None:
        return CriterionResult(criterion_id=criterion.id, met=False, comment=NOT_ANSWERED, confidence=0.0)
    party = criterion.speaker or stage.speaker
    evidence = tuple(u.id for u in _known(transcript, finding.evidence) if _may_speak(transcript, u, party))
    met = finding.met and bool(evidence)
    return CriterionResult(
        criterion_id=criterion.id,
        met=met,
        evidence=evidence,
        comment=finding.comment if met == finding.met else UNVERIFIED,
        confidence=finding.confidence,
    )


def _known(transcript: Transcript, ids: Iterable[int]) -> list[Utterance]:
    utterances = transcript.utterances
    return [utterances[i] for i in dict.fromkeys(ids) if 0 <= i < len(utterances) and utterances[i].text.strip()]


def _may_speak(transcript: Transcript, utterance: Utterance, party: Party) -> bool:
    """Whether the utterance may count for `party`; a doubtful diarisation relaxes the rule."""
    return party == "any" or utterance.speaker in (party, "unknown") or not transcript.speakers_sure


def _quoted(transcript: Transcript, criteria: tuple[CriterionResult, ...], completed: bool) -> Utterance | None:
    met = [c for c in criteria if c.met]
    if not completed or not met:
        return None
    best = max(met, key=lambda c: c.confidence)
    return transcript.utterances[best.evidence[0]]


def _completion(stages: list[StageResult]) -> float:
    weight = sum(s.weight for s in stages)
    done = sum(s.weight for s in stages if s.status == "completed")
    return round(100 * done / weight, 1) if weight else 0.0


def _field_result(transcript: Transcript, name: str, finding: FieldFinding) -> FieldResult:
    evidence = tuple(u.id for u in _known(transcript, finding.evidence))
    return FieldResult(name=name, value=finding.value, evidence=evidence, reason=finding.reason, confidence=round(finding.confidence, 3))
