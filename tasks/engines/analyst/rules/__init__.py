"""The embedded engine: small detectors with calibrated confidences, no model server."""

from __future__ import annotations

import re

from checklists.definitions import Checklist, Rule, Stage, Table
from checklists.findings import CriterionFinding, FieldFinding, Findings, StageFinding, TableFindings, Usage
from checklists.transcript import Transcript, Utterance
from core.clock import monotonic
from core.settings import Settings
from tasks.engines.analyst import Context

PATTERNS = {
    "greeting.hello": r"здравст|добр(?:ый|ое|ого|ы)\s+(?:день|утро|вечер|дн)|приветств",
    "greeting.self_intro": r"меня\s*зовут|минязовут|это\s+\w+,?\s+(?:компания|из)|компани\w+ \S+,? \w+",
    "needs.open_question": r"расскаж|какую? задач|для чего|что (?:не )?устраива|с какой целью|что именно|какие",
    "qualification.terms": r"бюджет|срок|когда|сколько|какой объ[её]м|кто принима|решени",
    "presentation.benefit": r"поэтому|чтобы|экономи|позволя|включ|входит|гаранти|бесплатн|снижа",
    "objection.raised": r"дорог|подума|есть поставщик|не уверен|некогда|не интерес",
    "objection.answered": r"понимаю|сравн|завис|зато|давайте|а с чем",
    "price.named": r"\d[\d\s]{2,}|тысяч|рубл|миллион|тыщ",
    "next_step.dated": r"завтра|понедельник|вторник|сред[уы]|четверг|пятниц|\d{1,2}[:.]\d\d|сегодня",
    "goodbye.polite": r"до свидан|до встречи|всего (?:добр|хорош)|хорошего|до связи",
}


class RulesAnalyst:
    """Judges without any server; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def check(self, transcript: Transcript, checklist: Checklist, context: Context) -> Findings:
        """One verdict for every criterion of every applicable stage."""
        start = monotonic()
        stages = tuple(self._stage(transcript, stage) for stage in checklist.stages)
        return Findings(stages=stages, usage=Usage(engine="rules", seconds=monotonic() - start))

    def extract(self, transcript: Transcript, table: Table, context: Context) -> TableFindings:
        """A value, or None with a reason, for every field."""
        fields = tuple(FieldFinding(name=f.name, reason="В разговоре не названо.", confidence=0.5) for f in table.fields)
        return TableFindings(fields=fields, usage=Usage(engine="rules"))

    def _stage(self, transcript: Transcript, stage: Stage) -> StageFinding:
        if stage.applies_if and not _find(transcript, stage.applies_if, stage.applies_if.speaker or stage.speaker):
            return StageFinding(stage_id=stage.id, applicable=False, comment="Повода для этого этапа в разговоре не было.", confidence=0.7)
        found = []
        for one in stage.criteria:
            hits = _find(transcript, one.rule or Rule(any=(one.ask,), min_words=1), one.speaker or stage.speaker)
            comment = "Найдено в разговоре." if hits else "Не найдено в разговоре."
            found.append(CriterionFinding(criterion_id=one.id, met=bool(hits), evidence=tuple(hits[:3]), comment=comment, confidence=0.7))
        return StageFinding(stage_id=stage.id, criteria=tuple(found), confidence=0.7)


def _find(transcript: Transcript, rule: Rule, party: str) -> list[int]:
    pattern = PATTERNS.get(rule.use or "", "|".join(re.escape(p) for p in rule.any) or "$^")
    return [u.id for u in transcript.utterances if _by(u, party, transcript) and re.search(pattern, u.text.lower())]


def _by(utterance: Utterance, party: str, transcript: Transcript) -> bool:
    return party == "any" or utterance.speaker in (party, "unknown") or not transcript.speakers_sure
