"""The engine over any OpenAI-compatible chat server. What it says is checked here before anybody sees it.

Requests a judgement: one for every part of the conversation (one part up to `llm_input_tokens`), and at most one more a part for
proofs that failed, and at most one more for each of these when its answer cannot be read. A server that cannot do what is asked of it
costs up to three more, once a process.
"""

from __future__ import annotations

import secrets
from zoneinfo import ZoneInfo

from checklists.definitions import Checklist, Stage, Table, TableField
from checklists.findings import FieldFinding, Findings, StageFinding, TableFindings
from checklists.transcript import Transcript
from checklists.values import NOT_SAID
from core.settings import Settings
from tasks.engines.analyst import Context, Turn, at_once
from tasks.engines.analyst.openai import fields, forms, prompt, verdicts
from tasks.engines.analyst.openai.case import Case, case
from tasks.engines.analyst.openai.errors import BadAnswer
from tasks.engines.analyst.openai.fields import Filled
from tasks.engines.analyst.openai.meter import Meter
from tasks.engines.analyst.openai.parts import Part, parts, tokens
from tasks.engines.analyst.openai.server import Server
from tasks.engines.analyst.openai.verdicts import Judged


class OpenAIAnalyst:
    """`Analyst` over the server at `llm_url`; thread-safe. Raises the errors of `openai.errors` and of `core.errors`."""

    def __init__(self, settings: Settings, turn: Turn = at_once) -> None:
        self._settings = settings
        self._server = Server(settings, turn)
        self._secret = secrets.token_bytes(32)

    def check(self, transcript: Transcript, checklist: Checklist, context: Context) -> Findings:
        """One verdict for every criterion of every applicable stage."""
        conversation, meter = self._case(transcript), Meter()
        reason = conversation.abstention
        stages = verdicts.abstained(checklist, reason) if reason else self._stages(conversation, checklist, meter)
        usage = meter.usage(prompt.prompt_hash(forms.CHECKLIST, checklist))
        return Findings(stages=stages, usage=usage, flags=conversation.flags + meter.flags)

    def extract(self, transcript: Transcript, table: Table, context: Context) -> TableFindings:
        """A value, or None with a reason, for every field."""
        conversation, meter = self._case(transcript), Meter()
        task = prompt.table_task(table, table.fields, context)
        asked = self._parts(conversation, task) if conversation.telling else []
        filled = [self._fill(conversation, part, table, context, meter) for part in asked]
        found = fields.merge(table, filled) if filled else tuple(FieldFinding(name=f.name, reason=NOT_SAID) for f in table.fields)
        return TableFindings(
            fields=found, usage=meter.usage(prompt.prompt_hash(forms.TABLE, table)), flags=conversation.flags + meter.flags
        )

    def _case(self, transcript: Transcript) -> Case:
        return case(transcript, hide=self._settings.llm_redact, secret=self._secret)

    def _parts(self, conversation: Case, task: str) -> list[Part]:
        return parts(conversation, tokens(prompt.SYSTEM) + tokens(task), self._settings.llm_input_tokens)

    def _stages(self, conversation: Case, checklist: Checklist, meter: Meter) -> tuple[StageFinding, ...]:
        """Every stage is asked about where its window lies."""
        found: dict[str, list[StageFinding]] = {s.id: [] for s in checklist.stages}
        for part in self._parts(conversation, prompt.checklist_task(checklist, checklist.stages)):
            here = [s for s in checklist.stages if conversation.inside(s.window) & set(part.numbers)]
            judged = self._judge(conversation, part, checklist, here, meter) if here else Judged({})
            for stage_id, finding in judged.stages.items():
                found[stage_id].append(finding)
        return tuple(verdicts.merge(s, found[s.id]) for s in checklist.stages)

    def _judge(self, conversation: Case, part: Part, checklist: Checklist, stages: list[Stage], meter: Meter) -> Judged:
        question = prompt.question(conversation, part, prompt.checklist_task(checklist, stages))
        answer = self._server.ask(prompt.SYSTEM, question, forms.CHECKLIST, meter)
        judged = verdicts.judge(conversation, stages, answer)
        if judged.problems:
            question += prompt.again([problem for some in judged.problems.values() for problem in some])
            answer = self._server.ask(prompt.SYSTEM, question, forms.CHECKLIST, meter)
            doubtful = [s for s in stages if s.id in judged.problems]
            judged = verdicts.settle(judged, verdicts.judge(conversation, doubtful, answer))
        if judged.missing:
            raise BadAnswer(what="нет ответа по этапам " + ", ".join(sorted(judged.missing)))
        return judged

    def _fill(self, conversation: Case, part: Part, table: Table, context: Context, meter: Meter) -> Filled:
        zone = ZoneInfo(context.time_zone)
        question = prompt.question(conversation, part, prompt.table_task(table, table.fields, context))
        answer = self._server.ask(prompt.SYSTEM, question, forms.TABLE, meter)
        filled = fields.fill(conversation, table.fields, answer, zone)
        if filled.problems:
            question += prompt.again(list(filled.problems.values()))
            answer = self._server.ask(prompt.SYSTEM, question, forms.TABLE, meter)
            doubtful: list[TableField] = [f for f in table.fields if f.name in filled.problems]
            filled = fields.settle(filled, fields.fill(conversation, doubtful, answer, zone))
        return filled
