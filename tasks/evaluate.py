"""Runs an engine over a folder of labelled calls and says how right it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from checklists import evaluation, loader
from checklists.definitions import Checklist, Definition, Table, TableField
from checklists.evaluation import LabelledCall, Verdict
from checklists.finalise import finalise, finalise_table
from checklists.results import ChecklistResult, FieldResult
from checklists.values import coerce
from core.errors import InvalidInput
from tasks.engines.analyst import Analyst, Context
from tasks.engines.analyst.rules import almanac, dates
from tasks.engines.analyst.rules.numbers import numbers
from tasks.engines.analyst.rules.text import repair, tokens

# Labelled calls carry no date; a fixed one keeps relative dates comparable between the label and the answer.
CALL_TIME = datetime(2025, 8, 18, 9, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Moscow")


def evaluate(folder: Path, analyst: Analyst) -> dict[str, Any]:
    """Figures over every `*.json` in `folder` with the built-in sales checklist and table.

    `overall`, `stages`, `table`, `confusions`; beside them `confident` (without the least confident 15 %) and `calls`.
    Raises `InvalidInput` for a folder without calls or a file that is no labelled call.
    """
    calls = load(folder)
    checklist, table = _definitions()
    verdicts: list[Verdict] = []
    fields: list[tuple[str, bool, bool, bool]] = []
    for call in calls:
        verdicts += judge(call, checklist, analyst)
        fields += extract(call, table, analyst)
    by_stage = {s.id: [v for v in verdicts if v.stage == s.id] for s in checklist.stages}
    return {
        "overall": evaluation.overall(verdicts),
        "confident": evaluation.overall(evaluation.most_confident(verdicts)),
        "stages": {stage: evaluation.figures(rows) for stage, rows in by_stage.items() if rows},
        "table": evaluation.field_figures(fields),
        "confusions": evaluation.confusions(verdicts),
        "calls": len(calls),
    }


def load(folder: Path) -> list[LabelledCall]:
    """The labelled calls of a folder, by file name."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise InvalidInput(
            ru="В папке нет файлов *.json с размеченными звонками.", en="The folder has no *.json files with labelled calls."
        )
    return [_call(path) for path in paths]


def judge(call: LabelledCall, checklist: Checklist, analyst: Analyst) -> Iterator[Verdict]:
    """One verdict for every labelled stage, after the same checks that a published result passes."""
    transcript = call.transcript()
    findings = analyst.check(transcript, checklist, Context(at=CALL_TIME, time_zone=ZONE.key))
    result = finalise(call.call_id, transcript, checklist, findings, CALL_TIME)
    sure = {f.stage_id: f.confidence for f in findings.stages}
    for stage, label in call.labels.items():
        if stage in sure:
            said, first = _said(result, stage)
            yield Verdict(
                call_id=call.call_id,
                stage=stage,
                truth=label.label,
                said=said,
                confidence=sure[stage],
                first=None if first is None else call.label_of(first),
                quotes=label.quotes,
            )


def extract(call: LabelledCall, table: Table, analyst: Analyst) -> Iterator[tuple[str, bool, bool, bool]]:
    """(field, was expected, was given, was equal) for every field of the table, if the call has a table label at all."""
    transcript = call.transcript()
    findings = analyst.extract(transcript, table, Context(at=CALL_TIME, time_zone=ZONE.key))
    result = finalise_table(call.call_id, transcript, table, findings, CALL_TIME, 0.0)
    for field, found in zip(table.fields, result.fields, strict=True) if call.table else ():
        wanted = call.table.get(field.name)
        expected, given = wanted not in (None, "", [], {}), found.value is not None
        yield field.name, expected, given, expected and given and same(field, wanted, found)


def same(field: TableField, wanted: Any, found: FieldResult) -> bool:
    """Whether label and answer mean the same after normalisation of numbers, dates, phones and e-mails."""
    labels = wanted if isinstance(wanted, list) and field.type != "list" else [wanted]
    if field.type in ("date", "datetime"):
        return any(_same_moment(str(one), str(found.value)) for one in labels)
    return any(evaluation.plain(found.value) == _normal(field, one) for one in labels)


def _normal(field: TableField, label: Any) -> str:
    form = coerce(field, label, ZONE).value
    return evaluation.plain(label if form is None else form)


def _same_moment(label: str, answer: str) -> bool:
    """Labels are written as people speak («завтра с 14 до 16»); any moment they name is right, and only what they name is compared."""
    given = datetime.fromisoformat(answer)
    row = tokens(repair(label))
    for one in dates.moments(row, numbers(row)):
        when = almanac.resolve(one, CALL_TIME.astimezone(ZONE))
        exact = one.clock is not None and one.clock.sure
        if isinstance(when, datetime) and (
            when.replace(tzinfo=None) == given.replace(tzinfo=None) if exact else when.date() == given.date()
        ):
            return True
        if when is not None and not isinstance(when, datetime) and when == given.date():
            return True
    return label.strip() == answer


def _said(result: ChecklistResult, stage: str) -> tuple[evaluation.Answer, int | None]:
    for row in result.stages:
        if row.stage_id == stage:
            met = [c for c in row.criteria if c.met]
            first = max(met, key=lambda c: c.confidence).evidence[0] if met and row.status == "completed" else None
            return ("pass" if row.status == "completed" else "fail"), first
    return "na", None


def _definitions() -> tuple[Checklist, Table]:
    known: dict[str, Definition] = {d.id: d for d in loader.builtin()}
    checklist, table = (known[name] for name in loader.FIRST_START)
    assert isinstance(checklist, Checklist)  # noqa: S101
    assert isinstance(table, Table)  # noqa: S101
    return checklist, table


def _call(path: Path) -> LabelledCall:
    try:
        return LabelledCall.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, ValidationError) as error:
        raise InvalidInput(
            ru="Файл {file} не похож на размеченный звонок: {reason}",
            en="{file} is no labelled call: {reason}",
            file=path.name,
            reason=str(error)[:300],
        ) from error
