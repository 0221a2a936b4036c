"""Values of a table without a language model: a reader per type, the nearest cue decides, silence rather than a guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

from checklists.definitions import Table, TableField
from checklists.findings import FieldFinding
from checklists.values import coerce
from tasks.engines.analyst import Context
from tasks.engines.analyst.rules.analysis import Analysis
from tasks.engines.analyst.rules.extraction import choices, figures, moments, people, reach, texts
from tasks.engines.analyst.rules.extraction.found import Call, Found, Missing

Reader = Callable[[Call, TableField], Found | Missing]

READERS: Mapping[str, Reader] = {
    "money": figures.money,
    "integer": figures.number,
    "number": figures.number,
    "date": moments.moment,
    "datetime": moments.moment,
    "phone": reach.phone,
    "email": reach.email,
    "inn": reach.inn,
    "person": people.person,
    "enum": choices.enum,
    "list": choices.several,
    "bool": choices.truth,
    "string": texts.string,
    "text": texts.text,
}


def extract(analysis: Analysis, table: Table, context: Context) -> tuple[FieldFinding, ...]:
    """A finding for every field, in the order of the table."""
    call = Call.of(analysis, context)
    return tuple(_finding(call, field) for field in table.fields)


def _finding(call: Call, field: TableField) -> FieldFinding:
    found = READERS[field.type](call, field)
    if isinstance(found, Missing):
        return FieldFinding(name=field.name, reason=found.reason, confidence=found.confidence)
    value = coerce(field, found.value, ZoneInfo(call.context.time_zone))
    if value.value is None:
        return FieldFinding(name=field.name, reason=value.reason, confidence=found.confidence)
    trust = found.confidence if call.scene.sure else found.confidence * 0.8
    return FieldFinding(name=field.name, value=value.value, evidence=found.evidence, reason=value.reason, confidence=round(trust, 3))
