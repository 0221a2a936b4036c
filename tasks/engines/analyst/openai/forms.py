"""The two forms of an answer: one for every checklist, one for every table. They never change with the definition, because servers
cache a prompt by its beginning and the schema comes before all of it. The order is evidence, reason, verdict: a model that has
written the verdict first only defends it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, Field

A = TypeVar("A", bound=BaseModel)
MOST_ENTRIES = 1000  # of one answer: more stages or fields than any definition has


def _or(empty: Callable[[], Any]) -> BeforeValidator:
    """Servers without a schema send null where they mean nothing."""
    return BeforeValidator(lambda value: empty() if value is None else value)


def _plain(value: Any) -> Any:
    """A value as text: a list joined by semicolons, a truth value in Russian."""
    if isinstance(value, bool):
        return "да" if value else "нет"
    if isinstance(value, list):
        return "; ".join(str(_plain(item)) for item in value)
    return str(value) if isinstance(value, int | float) else value


Ids = Annotated[list[int], _or(list), Field(max_length=MOST_ENTRIES)]
Text = Annotated[str, _or(str)]
Share = Annotated[float, _or(lambda: 0.5), Field(allow_inf_nan=False)]


class CriterionAnswer(BaseModel):
    criterion_id: str
    evidence: Ids = []
    quote: Text = ""
    reason: Text = ""
    met: bool
    confidence: Share = 0.5


class StageAnswer(BaseModel):
    stage_id: str
    occasion: Ids = []
    applicable: bool = True
    criteria: Annotated[list[CriterionAnswer], _or(list), Field(max_length=MOST_ENTRIES)] = []


class ChecklistAnswer(BaseModel):
    stages: Annotated[list[StageAnswer], Field(max_length=MOST_ENTRIES)]


class FieldAnswer(BaseModel):
    name: str
    evidence: Ids = []
    quote: Text = ""
    reason: Text = ""
    value: Annotated[str | None, BeforeValidator(_plain)]
    confidence: Share = 0.5


class TableAnswer(BaseModel):
    fields: Annotated[list[FieldAnswer], Field(max_length=MOST_ENTRIES)]


@dataclass(frozen=True)
class Form(Generic[A]):
    """What is asked for: the schema a server may enforce, and the class that reads the answer in any case."""

    name: str
    schema: dict[str, Any]
    answer: type[A]


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    """Every property required and no others: what strict structured output asks for."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_STRING = {"type": "string"}
_NUMBER = {"type": "number"}
_BOOL = {"type": "boolean"}
_IDS = _list({"type": "integer"})
_CRITERION = _object(criterion_id=_STRING, evidence=_IDS, quote=_STRING, reason=_STRING, met=_BOOL, confidence=_NUMBER)
_STAGE = _object(stage_id=_STRING, occasion=_IDS, applicable=_BOOL, criteria=_list(_CRITERION))
_FIELD = _object(name=_STRING, evidence=_IDS, quote=_STRING, reason=_STRING, value={"type": ["string", "null"]}, confidence=_NUMBER)

CHECKLIST = Form("checklist_answer", _object(stages=_list(_STAGE)), ChecklistAnswer)
TABLE = Form("table_answer", _object(fields=_list(_FIELD)), TableAnswer)
