"""From candidates to verdicts: one finding a criterion, with evidence, a reason in Russian and a calibrated confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from checklists import order
from checklists.definitions import Checklist, Criterion, Party, Stage
from checklists.findings import CriterionFinding, StageFinding
from tasks.engines.analyst.rules import generic, wording
from tasks.engines.analyst.rules.acts import Calibration, Linear
from tasks.engines.analyst.rules.analysis import Analysis
from tasks.engines.analyst.rules.pack import PACK, Candidate, named_first
from tasks.engines.analyst.rules.rubric import Conditions, Rubric

EVIDENCE = 3  # utterances named for one criterion
DOUBTFUL = 0.6  # highest confidence of a verdict by likeness alone
UNSAID = 0.8  # what remains of a likeness when the phrases that the definition names were not said
UNSURE_SPEAKERS = 0.8  # what a doubtful diarisation leaves of a confidence


@dataclass(frozen=True)
class Judge:
    """One call against one checklist."""

    analysis: Analysis
    checklist: Checklist
    rubric: Rubric
    calibrations: Mapping[str, Calibration]
    likeness: Mapping[str, Linear]
    manager_names: tuple[str, ...] = ()

    def stages(self) -> tuple[StageFinding, ...]:
        """In the order of the checklist; a stage that waits for another one is judged after it."""
        found: dict[str, StageFinding] = {}
        for stage in order.ordered(self.checklist):
            found[stage.id] = self._stage(stage, found)
        return tuple(found[stage.id] for stage in self.checklist.stages)

    def _stage(self, stage: Stage, earlier: Mapping[str, StageFinding]) -> StageFinding:
        applies, reason = self._applies(stage)
        if applies < 0.5:
            return StageFinding(stage_id=stage.id, applicable=False, comment=reason, confidence=self._trust(1 - applies))
        first = order.start(stage, earlier)
        criteria = tuple(self._criterion(stage, one, first) for one in stage.criteria)
        confidence = min((c.confidence for c in criteria), default=0.5)
        return StageFinding(stage_id=stage.id, criteria=criteria, confidence=min(confidence, self._trust(applies)))

    def _applies(self, stage: Stage) -> tuple[float, str]:
        """The probability that the stage has a reason to be judged, and why not."""
        if stage.applies_if is None and stage.applies_ask is None:
            return 1.0, ""
        conditions = self.rubric.conditions.get((stage.id, ""))
        party: Party = stage.applies_if.speaker if stage.applies_if and stage.applies_if.speaker else "customer"
        if stage.applies_if and stage.applies_if.use:
            found = PACK[stage.applies_if.use](self.analysis)
            chance = self._calibrated(stage.applies_if.use, found)
        elif conditions is not None:
            chance = generic.BY_RULE if generic.by_rule(self.analysis, party, conditions) else 1 - generic.BY_RULE
        else:
            found = generic.by_meaning(self.analysis, party, self.rubric.meanings[stage.id, ""], self.likeness)
            chance = self._calibrated("by meaning", found)
        return chance, wording.not_applicable(stage)

    def _criterion(self, stage: Stage, criterion: Criterion, first: float) -> CriterionFinding:
        party = criterion.speaker or stage.speaker
        found, name = self._candidates(stage, criterion, party)
        scene = self.analysis.scene
        inside = [c for c in found if c.turn.id > first and scene.inside(c.turn, stage.window) and scene.may(c.turn, party)]
        chance = self._calibrated(name, inside)
        if name == "by meaning":
            chance *= UNSAID if self._has_phrases(stage, criterion) else 1.0
            chance = min(max(chance, 1 - DOUBTFUL), DOUBTFUL)
        met = chance >= 0.5 and bool(inside)
        evidence = _evidence(inside) if met else ()
        comment = wording.comment(self.analysis, criterion, name, met=met, found=inside)
        return CriterionFinding(
            criterion_id=criterion.id, met=met, evidence=evidence, comment=comment, confidence=self._trust(max(chance, 1 - chance))
        )

    def _has_phrases(self, stage: Stage, criterion: Criterion) -> bool:
        conditions = self.rubric.conditions.get((stage.id, criterion.id))
        return conditions is not None and conditions.lexical

    def _candidates(self, stage: Stage, criterion: Criterion, party: Party) -> tuple[list[Candidate], str]:
        """Candidates, best first, and the name of what found them."""
        conditions = self.rubric.conditions.get((stage.id, criterion.id))
        scene = self.analysis.scene
        if conditions and conditions.rule.use:
            found = PACK[conditions.rule.use](self.analysis)
            if conditions.rule.use == "greeting.self_intro":
                found = named_first(self.analysis, found, self.manager_names)
            return [c for c in found if generic.holds(scene, c.turn, conditions)], conditions.rule.use
        if conditions and conditions.lexical and (found := generic.by_rule(self.analysis, party, conditions)):
            return found, "by rule"
        meaning = self.rubric.meanings.get((stage.id, criterion.id))
        if meaning is None:
            return [], "by rule"
        found = generic.by_meaning(self.analysis, party, meaning, self.likeness)
        if conditions:
            found = [c for c in found if _unforbidden(self.analysis, c, conditions)]
        return found, "by meaning"

    def _calibrated(self, name: str, found: Sequence[Candidate]) -> float:
        best = max((c.probability for c in found), default=0.0)
        return self.calibrations.get(name, Calibration())(best)

    def _trust(self, confidence: float) -> float:
        return round(confidence * (1.0 if self.analysis.scene.sure else UNSURE_SPEAKERS), 3)


def _unforbidden(analysis: Analysis, candidate: Candidate, conditions: Conditions) -> bool:
    """The conditions of a rule that its phrases do not replace: length, question, entity, forbidden words."""
    rest = Conditions((), (), conditions.none, conditions.rule)
    return generic.holds(analysis.scene, candidate.turn, rest)


def _evidence(found: Sequence[Candidate]) -> tuple[int, ...]:
    """The best turns, as long as they are about as likely as the first."""
    best = found[0].order
    return tuple(c.turn.id for c in found if c.order >= max(0.5, best - 0.3))[:EVIDENCE] or (found[0].turn.id,)
