"""Checklists and tables as immutable versions, and which of them a call is judged by."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from checklists.definitions import Checklist, Definition, Route, Table
from core.errors import NotFound
from db import directory
from db.models import Call, DefinitionRow, DefinitionVersion
from db.upsert import insert_or_ignore

Kind = Literal["checklist", "table"]


@dataclass(frozen=True)
class Applied:
    """What `apply` did: `number` counts versions from 1, `changed` is false when this version was active already."""

    kind: Kind
    definition_id: str
    version: str
    number: int
    changed: bool


def kind_of(definition: Definition) -> Kind:
    """`checklist` or `table`."""
    return "checklist" if isinstance(definition, Checklist) else "table"


def as_kind(text: str) -> Kind:
    """A stored kind as its type."""
    return "checklist" if text == "checklist" else "table"


def apply(session: Session, definition: Definition, author: str, at: datetime) -> Applied:
    """Make this content the active version; the same content again changes nothing but the route."""
    kind = kind_of(definition)
    version = _version(session, kind, definition, author, at)
    row = session.get(DefinitionRow, (kind, definition.id))
    changed = row is None or row.version != version.version
    if row is None:
        row = DefinitionRow(kind=kind, definition_id=definition.id, active=True)
        session.add(row)
    row.version, row.route, row.updated_at = version.version, definition.route.model_dump(mode="json"), at
    session.flush()
    return Applied(kind, definition.id, version.version, version.number, changed)


def _version(session: Session, kind: Kind, definition: Definition, author: str, at: datetime) -> DefinitionVersion:
    mine = (DefinitionVersion.kind == kind, DefinitionVersion.definition_id == definition.id)
    number = (session.scalar(select(func.max(DefinitionVersion.number)).where(*mine)) or 0) + 1
    values: dict[str, Any] = {"kind": kind, "definition_id": definition.id, "version": definition.version, "number": number}
    values |= {"name": definition.name, "content": definition.content, "author": author, "created_at": at}
    insert_or_ignore(session, DefinitionVersion, values)
    return session.get_one(DefinitionVersion, (kind, definition.id, definition.version))


def load(session: Session, kind: Kind, definition_id: str, version: str | None = None) -> Definition:
    """One definition in `version`, or in its active one; raises `NotFound`."""
    row = session.get(DefinitionRow, (kind, definition_id))
    if row is None:
        raise NotFound(ru="Такого описания нет.", en="No such definition.")
    stored = session.get(DefinitionVersion, (kind, definition_id, version or row.version))
    if stored is None:
        raise NotFound(ru="Такой версии нет.", en="No such version.")
    model = Checklist if kind == "checklist" else Table
    return model.model_validate(stored.content | {"route": row.route})


def exists(session: Session, kind: Kind, definition_id: str) -> bool:
    """Whether the definition was ever applied."""
    return session.get(DefinitionRow, (kind, definition_id)) is not None


def active(session: Session, kind: Kind) -> list[Definition]:
    """Every active definition, by id."""
    rows = select(DefinitionRow.definition_id).where(DefinitionRow.kind == kind, DefinitionRow.active).order_by(DefinitionRow.definition_id)
    return [load(session, kind, one) for one in session.scalars(rows)]


def row(session: Session, kind: Kind, definition_id: str) -> DefinitionRow:
    """The definition's own row: its active version, routing, and whether it is in use; raises `NotFound`."""
    found = session.get(DefinitionRow, (kind, definition_id), populate_existing=True)
    if found is None:
        raise NotFound(ru="Такого описания нет.", en="No such definition.")
    return found


def rows(session: Session, kind: Kind) -> list[DefinitionRow]:
    """Every definition that was ever applied, those in use first."""
    mine = select(DefinitionRow).where(DefinitionRow.kind == kind)
    return list(session.scalars(mine.order_by(DefinitionRow.active.desc(), DefinitionRow.definition_id)))


def switch(session: Session, kind: Kind, definition_id: str, active: bool, at: datetime) -> None:
    """Judge new calls by it, or no more; what was judged stays."""
    found = row(session, kind, definition_id)
    found.active, found.updated_at = active, at
    session.flush()


def number_of(session: Session, kind: Kind, definition_id: str, version: str) -> int | None:
    """The place of a version in its history, from 1; None for an unknown one."""
    stored = session.get(DefinitionVersion, (kind, definition_id, version))
    return stored.number if stored else None


def versions(session: Session, kind: Kind, definition_id: str) -> list[DefinitionVersion]:
    """All versions, newest first."""
    mine = (DefinitionVersion.kind == kind, DefinitionVersion.definition_id == definition_id)
    return list(session.scalars(select(DefinitionVersion).where(*mine).order_by(DefinitionVersion.number.desc())))


def judging(session: Session, call: Call) -> list[Definition]:
    """The active definitions that this call is judged by, the checklists first."""
    offices = directory.offices_at(session, call.manager_id, call.received_at)
    kinds: tuple[Kind, ...] = ("checklist", "table")
    return [d for kind in kinds for d in routed(session, kind, call.deal_stage_id, offices, call.manager_id)]


def routed(session: Session, kind: Kind, deal_stage: str, offices: Collection[str], manager: str) -> list[Definition]:
    """The active definitions for a call of this deal stage, these offices and this manager."""
    return [d for d in active(session, kind) if _fits(d.route, deal_stage, offices, manager)]


def routed_ids(session: Session, kind: Kind, deal_stage: str, offices: Collection[str], manager: str) -> list[str]:
    """The ids alone, without reading any definition."""
    rows = select(DefinitionRow.definition_id, DefinitionRow.route).where(DefinitionRow.kind == kind, DefinitionRow.active)
    found = session.execute(rows.order_by(DefinitionRow.definition_id)).tuples()
    return [one for one, route in found if _fits(Route.model_validate(route), deal_stage, offices, manager)]


def _fits(route: Route, deal_stage: str, offices: Collection[str], manager: str) -> bool:
    stage = not route.deal_stages or deal_stage in route.deal_stages
    office = not route.offices or bool(set(route.offices) & set(offices))
    return stage and office and (not route.managers or manager in route.managers)
