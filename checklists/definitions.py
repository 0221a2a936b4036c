"""What a company writes down: checklists (stages of atomic criteria) and tables (typed fields)."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from checklists.transcript import Frozen
from core.ids import content_hash

Id = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Party = Literal["manager", "customer", "any"]
FieldType = Literal[
    "string", "text", "integer", "number", "money", "bool", "date", "datetime", "phone", "email", "inn", "person", "enum", "list"
]


class Webhook(Frozen):
    """Where results are sent; the secret itself lives in the database, never in YAML."""

    url: str
    secret_env: str | None = None


class Window(Frozen):
    """The part of the call a stage may be met in; all limits that are given must hold."""

    first_seconds: float | None = Field(None, gt=0)
    last_seconds: float | None = Field(None, gt=0)
    first_utterances: int | None = Field(None, gt=0)
    last_utterances: int | None = Field(None, gt=0)
    after_stage: str | None = None


class Rule(Frozen):
    """Lexical conditions for the embedded engine; every condition that is given must hold for one utterance.

    `use` names a detector of the pack, such as `greeting.self_intro`. Phrases are matched by word forms; `re:…` is a regular expression.
    """

    use: str | None = None
    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    entity: Literal["money", "date", "time", "phone", "person", "number"] | None = None
    question: bool | None = None
    speaker: Party | None = None
    min_words: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _patterns_compile(self) -> Self:
        for phrase in (*self.any, *self.all, *self.none):
            if phrase.startswith("re:"):
                try:
                    re.compile(phrase[3:])
                except re.error as error:
                    raise PydanticCustomError(
                        "regex", "regular expression {phrase} does not compile: {error}", {"phrase": phrase, "error": str(error)}
                    ) from error
        return self


class Criterion(Frozen):
    """One atomic yes/no question about the call: `ask` is read by a language model, `rule` and examples by the embedded engine."""

    id: Id
    ask: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3)]
    rule: Rule | None = None
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()
    speaker: Party | None = None
    semantic: bool = True


class Stage(Frozen):
    """A stage of the script; completed when the share of its criteria met, 0 to 100, reaches `threshold`."""

    id: Id
    name: Name
    description: str = ""
    weight: int = Field(1, ge=1)
    speaker: Party = "manager"
    window: Window | None = None
    applies_if: Rule | None = None
    applies_ask: str | None = None
    threshold: float = Field(100.0, gt=0, le=100)
    criteria: tuple[Criterion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique_criteria(self) -> Self:
        _refuse_duplicates([c.id for c in self.criteria], "criterion")
        return self


class Route(Frozen):
    """Which calls a definition is for; an empty list means all."""

    deal_stages: tuple[str, ...] = ()
    offices: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()


class Checklist(Frozen):
    """A company's script as stages. `version` names its content; a changed webhook is not a new version."""

    schema_: Literal["checklist/v1"] = Field("checklist/v1", alias="schema")
    id: Id
    name: Name
    language: str = "ru"
    prompt: str = ""
    engine: Literal["default", "rules", "openai"] = "default"
    webhook: Webhook | None = None
    route: Route = Route()
    vocabulary: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [s.id for s in self.stages]
        _refuse_duplicates(ids, "stage")
        for stage in self.stages:
            if stage.window and stage.window.after_stage and stage.window.after_stage not in ids:
                raise PydanticCustomError(
                    "no_such_stage",
                    "stage {stage}: window.after_stage names no stage: {name}",
                    {"stage": stage.id, "name": stage.window.after_stage},
                )
        return self

    @cached_property
    def version(self) -> str:
        """12 hex digits of the content without webhook and route."""
        return content_hash(self.content)

    @property
    def content(self) -> dict[str, Any]:
        """What the version names: everything but the webhook and the route."""
        return self.model_dump(mode="json", by_alias=True, exclude={"webhook", "route"})


class TableField(Frozen):
    """One column of a table. `cues` are words that stand near the value; `values` and `synonyms` are for `enum` and `list`."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    type: FieldType = "string"
    title: str = ""
    description: str = ""
    speaker: Party = "any"
    cues: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    synonyms: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    required: bool = False

    @model_validator(mode="after")
    def _has_values(self) -> Self:
        if self.type in ("enum", "list") and not self.values:
            raise PydanticCustomError("needs_values", "field {field}: type {type} needs `values`", {"field": self.name, "type": self.type})
        if unknown := set(self.synonyms) - set(self.values):
            names = ", ".join(sorted(unknown))
            raise PydanticCustomError(
                "unknown_synonyms", "field {field}: synonyms of unknown values: {names}", {"field": self.name, "names": names}
            )
        return self


class Table(Frozen):
    """A company's own table: typed fields that are extracted from every call it is routed to."""

    schema_: Literal["table/v1"] = Field("table/v1", alias="schema")
    id: Id
    name: Name
    prompt: str = ""
    engine: Literal["default", "rules", "openai"] = "default"
    webhook: Webhook | None = None
    route: Route = Route()
    fields: tuple[TableField, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique_fields(self) -> Self:
        _refuse_duplicates([f.name for f in self.fields], "field")
        return self

    @cached_property
    def version(self) -> str:
        """12 hex digits of the content without webhook and route."""
        return content_hash(self.content)

    @property
    def content(self) -> dict[str, Any]:
        """What the version names: everything but the webhook and the route."""
        return self.model_dump(mode="json", by_alias=True, exclude={"webhook", "route"})


Definition = Checklist | Table


def _refuse_duplicates(ids: list[str], noun: str) -> None:
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise PydanticCustomError("duplicate_id", "duplicate {noun} id: {names}", {"noun": noun, "names": ", ".join(twice)})
