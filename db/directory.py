"""Offices, managers and who worked where when. A sync is one transaction of its caller: all or nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from db.models import Manager, Membership, Office
from db.upsert import insert_missing

LEADER = "leader"
MANAGER = "manager"


@dataclass(frozen=True)
class OfficeInput:
    """An office as the CRM sends it; the member lists replace the present ones."""

    office_id: str
    title: str
    leader_ids: Sequence[str] = ()
    managers_ids: Sequence[str] = ()

    @property
    def members(self) -> set[tuple[str, str]]:
        """Pairs of manager id and role."""
        return {(one, LEADER) for one in self.leader_ids} | {(one, MANAGER) for one in self.managers_ids}


@dataclass(frozen=True)
class ManagerInput:
    """A manager as the CRM sends it."""

    manager_id: str
    name: str
    surname: str
    middlename: str = ""


@dataclass
class Counts:
    """What a sync did to the records that were sent; `deactivated` counts those that a full sync left out."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deactivated: int = 0


def sync_offices(session: Session, offices: Sequence[OfficeInput], at: datetime, full: bool = False) -> Counts:
    """Upsert offices and replace their member lists; `full` closes every office that was not sent."""
    _one_at_a_time(session)
    ensure_managers(session, [one for o in offices for one, _ in o.members], at)
    new = {"active": True, "updated_at": at}
    fresh = insert_missing(session, Office, [{"office_id": o.office_id, "title": o.title} | new for o in offices])
    known = {o.office_id: o for o in session.scalars(select(Office))}
    counts = Counts(created=len(fresh))
    for sent in offices:
        changed = _retitle(known[sent.office_id], sent.title, at)
        changed |= _set_members(session, sent.office_id, sent.members, at)
        if sent.office_id not in fresh:
            counts.updated += changed
            counts.unchanged += not changed
    if full:
        sent_ids = {o.office_id for o in offices}
        counts.deactivated = _close_offices(session, [o for key, o in known.items() if key not in sent_ids], at)
    return counts


def sync_managers(session: Session, managers: Sequence[ManagerInput], at: datetime, full: bool = False) -> Counts:
    """Upsert names by id; a stub becomes a manager; `full` deactivates everybody who was not sent."""
    _one_at_a_time(session)
    fresh = ensure_managers(session, [m.manager_id for m in managers], at)
    known = {m.manager_id: m for m in session.scalars(select(Manager))}
    counts = Counts(created=len(fresh))
    for sent in managers:
        changed = _rename(known[sent.manager_id], sent, at)
        if sent.manager_id not in fresh:
            counts.updated += changed
            counts.unchanged += not changed
    if full:
        sent_ids = {m.manager_id for m in managers}
        counts.deactivated = _deactivate([m for key, m in known.items() if key not in sent_ids], at)
    return counts


def ensure_managers(session: Session, manager_ids: Collection[str], at: datetime) -> set[str]:
    """Make stubs for ids that the CRM has not sent yet; the ids that are new."""
    stub = {"name": "", "surname": "", "middlename": "", "synced": False, "active": True, "updated_at": at}
    # In one order everywhere: two transactions that insert the same ids crosswise would deadlock.
    return insert_missing(session, Manager, [{"manager_id": one} | stub for one in sorted(set(manager_ids))])


def offices_at(session: Session, manager_id: str, at: datetime) -> list[str]:
    """Offices the manager belonged to at `at`; for a call older than all history, the first known ones."""
    mine = (Membership.manager_id == manager_id,)
    found = session.scalars(select(Membership.office_id).where(*mine, _in_force(at)).distinct()).all()
    if found:
        return sorted(found)
    first = session.scalar(select(func.min(Membership.valid_from)).where(*mine))
    if first is None or first <= at:
        return []
    return sorted(session.scalars(select(Membership.office_id).where(*mine, Membership.valid_from == first).distinct()))


def members_at(session: Session, office_ids: Collection[str], at: datetime) -> list[str]:
    """Ids of everybody who belonged to one of the offices at `at`, each once."""
    here = Membership.office_id.in_(office_ids)
    return sorted(session.scalars(select(Membership.manager_id).where(here, _in_force(at)).distinct()))


def manager_names(session: Session, manager_ids: Collection[str]) -> dict[str, str]:
    """Full names by id, surname first; ids without a name are left out."""
    rows = session.scalars(select(Manager).where(Manager.manager_id.in_(manager_ids)))
    names = {m.manager_id: " ".join(part for part in (m.surname, m.name, m.middlename) if part) for m in rows}
    return {key: name for key, name in names.items() if name}


def _in_force(at: datetime) -> ColumnElement[bool]:
    return and_(Membership.valid_from <= at, or_(Membership.valid_to.is_(None), Membership.valid_to > at))


def _retitle(row: Office, title: str, at: datetime) -> bool:
    if (row.title, row.active) == (title, True):
        return False
    row.title, row.active, row.updated_at = title, True, at
    return True


def _rename(row: Manager, sent: ManagerInput, at: datetime) -> bool:
    """Bring the row to what was sent; whether anything changed."""
    wanted = {"name": sent.name, "surname": sent.surname, "middlename": sent.middlename, "synced": True, "active": True}
    if all(getattr(row, name) == value for name, value in wanted.items()):
        return False
    for name, value in wanted.items():
        setattr(row, name, value)
    row.updated_at = at
    return True


def _set_members(session: Session, office_id: str, wanted: set[tuple[str, str]], at: datetime) -> bool:
    """Close the memberships that ended and open the new ones; whether anything changed."""
    rows = session.scalars(select(Membership).where(Membership.office_id == office_id, Membership.valid_to.is_(None)))
    present = {(m.manager_id, m.role): m for m in rows}
    for key in present.keys() - wanted:
        present[key].valid_to = at
    for manager_id, role in sorted(wanted - present.keys()):
        session.add(Membership(office_id=office_id, manager_id=manager_id, role=role, valid_from=at))
    return present.keys() != wanted


def _close_offices(session: Session, offices: Iterable[Office], at: datetime) -> int:
    closed = 0
    for office in offices:
        if office.active:
            office.active, office.updated_at, closed = False, at, closed + 1
            _set_members(session, office.office_id, set(), at)
    return closed


def _deactivate(managers: Iterable[Manager], at: datetime) -> int:
    gone = [m for m in managers if m.active]
    for manager in gone:
        manager.active, manager.updated_at = False, at
    return len(gone)


def _one_at_a_time(session: Session) -> None:
    """Two syncs at once would both insert the same office: on PostgreSQL they queue here, on SQLite they queue anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext("directory"))))
