"""From a model's answer about a checklist to findings: what is not proved is not met, what was not answered is asked again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from checklists.definitions import Checklist, Criterion, Stage
from checklists.finalise import UNVERIFIED
from checklists.findings import CriterionFinding, StageFinding
from tasks.engines.analyst.openai.case import Case
from tasks.engines.analyst.openai.evidence import mentioned, verify
from tasks.engines.analyst.openai.forms import ChecklistAnswer, CriterionAnswer, StageAnswer

COMMENT_CHARS = 400
NO_OCCASION = "Повода для этого этапа в разговоре не было."
NO_WORDS = "В отведённой части разговора ничего не сказано."
NOT_MET = "В разговоре этого нет."


@dataclass(frozen=True)
class Judged:
    """Findings by stage id; `problems` are what to ask again, by stage id; `missing` are stages without a whole answer."""

    stages: dict[str, StageFinding]
    problems: dict[str, list[str]] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()


def judge(case: Case, stages: Iterable[Stage], answer: ChecklistAnswer) -> Judged:
    """Verifies every verdict; stages and criteria that were not asked for are ignored."""
    answers = {one.stage_id: one for one in answer.stages}
    found: dict[str, StageFinding] = {}
    problems: dict[str, list[str]] = {}
    missing: set[str] = set()
    for stage in stages:
        one = answers.get(stage.id)
        if one is None or not _whole(stage, one):
            missing.add(stage.id)
            problems[stage.id] = [f"этап {stage.id}: нет ответа по всем критериям"]
            continue
        found[stage.id], trouble = _stage(case, stage, one)
        if trouble:
            problems[stage.id] = trouble
    return Judged(found, problems, frozenset(missing))


def settle(first: Judged, second: Judged) -> Judged:
    """What was proved at the first asking stays; the rest is taken from the second."""
    stages = dict(first.stages)
    for stage_id, again in second.stages.items():
        before = stages.get(stage_id)
        stages[stage_id] = again if before is None or not (before.applicable and again.applicable) else _proved(before, again)
    return Judged(stages, {}, first.missing - stages.keys())


def abstained(checklist: Checklist, reason: str) -> tuple[StageFinding, ...]:
    """No verdicts at all, for a call that cannot be judged fairly."""
    return tuple(StageFinding(stage_id=s.id, applicable=False, comment=reason) for s in checklist.stages)


def merge(stage: Stage, findings: Sequence[StageFinding]) -> StageFinding:
    """One finding of several parts of a conversation: a criterion met anywhere is met."""
    asked = [f for f in findings if f.applicable]
    if not findings:
        return _unsaid(stage)
    if not asked:
        return findings[0]
    criteria = tuple(_best([c for f in asked for c in f.criteria if c.criterion_id == criterion.id]) for criterion in stage.criteria)
    return _assembled(stage.id, criteria)


def _whole(stage: Stage, answer: StageAnswer) -> bool:
    """Whether every criterion has a verdict; a stage that may be left out has none when it is."""
    if not answer.applicable and _conditional(stage):
        return True
    return {c.id for c in stage.criteria} <= {c.criterion_id for c in answer.criteria}


def _conditional(stage: Stage) -> bool:
    return stage.applies_if is not None or stage.applies_ask is not None


def _stage(case: Case, stage: Stage, answer: StageAnswer) -> tuple[StageFinding, list[str]]:
    if _conditional(stage) and not answer.applicable:
        return _left_out(stage), []
    answers = {c.criterion_id: c for c in answer.criteria}
    allowed = case.inside(stage.window)
    criteria: list[CriterionFinding] = []
    problems: list[str] = []
    for criterion in stage.criteria:
        finding, problem = _criterion(case, stage, criterion, answers[criterion.id], allowed)
        criteria.append(finding)
        if problem:
            problems.append(f"этап {stage.id}, критерий {criterion.id}: {problem}")
    if _conditional(stage) and not any(c.met for c in criteria) and not _occasion(case, stage, answer):
        return _left_out(stage), [*problems, f"этап {stage.id}: повод (occasion) не подтверждён репликой"]
    return _assembled(stage.id, tuple(criteria)), problems


def _occasion(case: Case, stage: Stage, answer: StageAnswer) -> bool:
    """Whether the occasion of a stage is there: an unproved one would cost the manager a stage that never came up."""
    party = (stage.applies_if.speaker if stage.applies_if else None) or "any"
    return bool(mentioned(case, answer.occasion, party))


def _criterion(
    case: Case, stage: Stage, criterion: Criterion, answer: CriterionAnswer, allowed: frozenset[int]
) -> tuple[CriterionFinding, str]:
    confidence = min(max(answer.confidence, 0.0), 1.0) * case.trust
    comment = comment_of(case, answer.reason)
    if not answer.met:
        near = mentioned(case, answer.evidence, "any")
        return _finding(criterion, met=False, evidence=near, comment=comment or NOT_MET, confidence=confidence), ""
    proof = verify(case, answer.evidence, answer.quote, criterion.speaker or stage.speaker, allowed)
    if proof.problem:
        return _finding(criterion, met=False, evidence=(), comment=UNVERIFIED, confidence=0.0), proof.problem
    return _finding(criterion, met=True, evidence=proof.numbers, comment=comment, confidence=confidence * proof.match), ""


def comment_of(case: Case, reason: str) -> str:
    """A model's sentence for people: one line, of a sane length, with the hidden values back in it."""
    text = case.shown.restore(" ".join(reason.split()))
    return text if len(text) <= COMMENT_CHARS else text[: COMMENT_CHARS - 1].rstrip() + "…"


def _finding(criterion: Criterion, *, met: bool, evidence: tuple[int, ...], comment: str, confidence: float) -> CriterionFinding:
    return CriterionFinding(criterion_id=criterion.id, met=met, evidence=evidence, comment=comment, confidence=round(confidence, 3))


def _left_out(stage: Stage) -> StageFinding:
    return StageFinding(stage_id=stage.id, applicable=False, comment=NO_OCCASION)


def _unsaid(stage: Stage) -> StageFinding:
    """Nothing was said in the part of the call where the stage belongs, so nothing was asked."""
    if _conditional(stage):
        return _left_out(stage)
    return _assembled(stage.id, tuple(_finding(c, met=False, evidence=(), comment=NO_WORDS, confidence=1.0) for c in stage.criteria))


def _assembled(stage_id: str, criteria: tuple[CriterionFinding, ...]) -> StageFinding:
    """The stage is as sure as its least sure criterion."""
    return StageFinding(stage_id=stage_id, criteria=criteria, confidence=min(c.confidence for c in criteria))


def _proved(before: StageFinding, again: StageFinding) -> StageFinding:
    later: Mapping[str, CriterionFinding] = {c.criterion_id: c for c in again.criteria}
    return _assembled(before.stage_id, tuple(later[c.criterion_id] if c.comment == UNVERIFIED else c for c in before.criteria))


def _best(findings: Sequence[CriterionFinding]) -> CriterionFinding:
    """The surest of those that are met, else the most doubtful refusal: it says what came closest."""
    met = [f for f in findings if f.met]
    return max(met, key=lambda f: f.confidence) if met else min(findings, key=lambda f: f.confidence)
