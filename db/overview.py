"""What the pages list and count: calls by any filter, newest first, page by page, however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, String, and_, column, exists, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from db import search
from db.calls import RUNNING, WAITING
from db.directory import LEADER, manager_names
from db.models import (
    Call,
    CallScore,
    DefinitionRow,
    DefinitionVersion,
    Delivery,
    Endpoint,
    Manager,
    Membership,
    Office,
    Recording,
    Result,
    UtcDateTime,
)

COUNTED = 10_000  # a page says "more than" above this, so that no count walks through everything
STATES: dict[str, tuple[str, ...]] = {
    "queued": WAITING,
    "processing": RUNNING,
    "done": ("done",),
    "failed": ("failed",),
    "no_speech": ("no_speech",),
}


@dataclass(frozen=True)
class Cursor:
    """The place of one call in the list; the next page goes on behind it."""

    at: datetime
    call_id: str


@dataclass(frozen=True)
class CallFilter:
    """Which calls; what is None filters nothing. `until` is exclusive, scores are percent, `own` is a manager who sees no others'."""

    since: datetime | None = None
    until: datetime | None = None
    manager: str | None = None
    office: str | None = None
    stage: str | None = None
    status: str | None = None
    checklist: str | None = None
    low: float | None = None
    high: float | None = None
    words: str = ""
    own: str | None = None

    @property
    def by_score(self) -> bool:
        return self.checklist is not None or self.low is not None or self.high is not None


@dataclass(frozen=True)
class Score:
    """Completion of one checklist, percent."""

    checklist_id: str
    name: str
    completion: float


@dataclass(frozen=True)
class CallLine:
    """One line of the list; `duration` in seconds as far as it is known, `progress` 0 to 1."""

    call_id: str
    at: datetime
    manager_id: str
    manager: str
    deal_id: str
    stage: str
    status: str
    progress: float
    reason: dict[str, Any] | None
    duration: float | None
    scores: tuple[Score, ...] = ()


@dataclass(frozen=True)
class CallPage:
    """One page, newest first, and whether there are newer and older calls."""

    lines: tuple[CallLine, ...] = ()
    newer: bool = False
    older: bool = False


@dataclass(frozen=True)
class Choices:
    """What the filters offer: pairs of id and name."""

    managers: Sequence[tuple[str, str]] = ()
    offices: Sequence[tuple[str, str]] = ()
    stages: Sequence[tuple[str, str]] = ()
    checklists: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Attention:
    """What somebody should look at now; `oldest` is when the longest waiting call was received."""

    waiting: int = 0
    running: int = 0
    oldest: datetime | None = None
    failed: int = 0
    dead: int = 0
    pending: int = 0
    disabled: int = 0


@dataclass(frozen=True)
class Today:
    """Calls of a period by state, and the mean completion of those that were scored, percent."""

    by_status: dict[str, int] = field(default_factory=dict)
    scored: int = 0
    mean: float | None = None

    @property
    def calls(self) -> int:
        return sum(self.by_status.values())


def page(
    session: Session, wanted: CallFilter, limit: int, cursor: Cursor | None = None, way: Literal["older", "newer"] = "older"
) -> CallPage:
    """`limit` calls behind (`older`) or before (`newer`) the cursor; without one, the newest."""
    found = session.execute(_found(session, wanted, cursor, way).limit(limit + 1)).tuples().all()
    more, found = len(found) > limit, found[:limit]
    backwards = way == "newer" and cursor is not None
    ordered = tuple(reversed(found)) if backwards else tuple(found)
    lines = _lines(session, [call_id for _, call_id in ordered])
    return CallPage(lines, newer=more if backwards else cursor is not None, older=True if backwards else more)


def count(session: Session, wanted: CallFilter) -> int:
    """How many calls there are, at most `COUNTED` + 1."""
    some = _found(session, wanted, None, "older").order_by(None).limit(COUNTED + 1).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def ids(session: Session, wanted: CallFilter, limit: int) -> list[str]:
    """The newest matching calls."""
    return [call_id for _, call_id in session.execute(_found(session, wanted, None, "older").limit(limit)).tuples()]


def lines(session: Session, call_ids: Sequence[str]) -> tuple[CallLine, ...]:
    """These calls as lines of the list, in this order; what is gone is left out."""
    return _lines(session, call_ids)


def choices(session: Session) -> Choices:
    """Everything the filters may name."""
    managers = select(Manager.manager_id, Manager.surname, Manager.name).order_by(Manager.surname, Manager.name, Manager.manager_id)
    offices = select(Office.office_id, Office.title).order_by(Office.title)
    stages = session.scalars(select(Call.deal_stage_id).distinct().order_by(Call.deal_stage_id)).all()
    return Choices(
        managers=[(key, f"{surname} {name}".strip() or key) for key, surname, name in session.execute(managers).tuples()],
        offices=[(key, title or key) for key, title in session.execute(offices).tuples()],
        stages=[(one, one) for one in stages],
        checklists=definition_names(session, "checklist"),
    )


def definition_names(session: Session, kind: str) -> list[tuple[str, str]]:
    """Ids and present names of all definitions of a kind."""
    same = and_(
        DefinitionVersion.kind == DefinitionRow.kind,
        DefinitionVersion.definition_id == DefinitionRow.definition_id,
        DefinitionVersion.version == DefinitionRow.version,
    )
    named = select(DefinitionRow.definition_id, DefinitionVersion.name).join(DefinitionVersion, same).where(DefinitionRow.kind == kind)
    return list(session.execute(named.order_by(DefinitionVersion.name)).tuples())


def leaders(session: Session) -> dict[str, list[str]]:
    """Who leads which office now, by office id: full names, or ids of those whose name is not known."""
    now = (Membership.role == LEADER, Membership.valid_to.is_(None))
    pairs = session.execute(select(Membership.office_id, Membership.manager_id).where(*now)).tuples().all()
    names = manager_names(session, {manager for _, manager in pairs})
    found: dict[str, list[str]] = defaultdict(list)
    for office, manager in sorted(pairs):
        found[office].append(names.get(manager, manager))
    return dict(found)


def period(session: Session, wanted: CallFilter) -> Today:
    """Calls of the period by public state, and their mean completion."""
    states = select(Call.status, func.count()).where(*_conditions(session, wanted, Call.at, Call.call_id)).group_by(Call.status)
    by_status: dict[str, int] = defaultdict(int)
    for status, number in session.execute(states).tuples():
        by_status[public(status)] += number
    scored = select(func.count(), func.avg(CallScore.completion)).where(CallScore.at >= wanted.since, CallScore.at < wanted.until)
    if wanted.own is not None:
        scored = scored.join(Call, Call.call_id == CallScore.call_id).where(Call.manager_id == wanted.own)
    number, mean = session.execute(scored).tuples().one()
    return Today(dict(by_status), number, None if mean is None else round(float(mean), 1))


def attention(session: Session, since: datetime) -> Attention:
    """What waits and what went wrong; failures since `since`."""

    def number(model: type[Any], *where: ColumnElement[bool]) -> int:
        return session.scalar(select(func.count()).select_from(model).where(*where)) or 0

    return Attention(
        waiting=number(Call, Call.status.in_(WAITING)),
        running=number(Call, Call.status.in_(RUNNING)),
        oldest=session.scalar(select(func.min(Call.received_at)).where(Call.status.in_(WAITING))),
        failed=number(Call, Call.status == "failed", Call.at >= since),
        dead=number(Delivery, Delivery.status == "dead", Delivery.created_at >= since),
        pending=number(Delivery, Delivery.status == "pending"),
        disabled=number(Endpoint, Endpoint.disabled_at.is_not(None), Endpoint.url != ""),
    )


def revisions(session: Session, call_id: str) -> list[Result]:
    """Every result the call ever had, oldest first."""
    mine = select(Result).where(Result.call_id == call_id).order_by(Result.result_id)
    return list(session.scalars(mine))


def public(status: str) -> str:
    """The state as people know it."""
    return next(name for name, statuses in STATES.items() if status in statuses)


def _found(session: Session, wanted: CallFilter, cursor: Cursor | None, way: str) -> Select[Any]:
    """Times and ids in order; it walks the index that knows the most of what is asked."""
    at, call_id = (CallScore.at, CallScore.call_id) if wanted.by_score else (Call.at, Call.call_id)
    query = select(at, call_id).where(*_conditions(session, wanted, at, call_id))
    if wanted.by_score:
        query = query.where(*_score_conditions(wanted)).distinct()
        if _of_call(wanted):
            query = query.join(Call, Call.call_id == CallScore.call_id)
    place = None if cursor is None else tuple_(literal(cursor.at, UtcDateTime()), literal(cursor.call_id))
    if place is not None and way == "newer":
        return query.where(tuple_(at, call_id) > place).order_by(at, call_id)
    if place is not None:
        query = query.where(tuple_(at, call_id) < place)
    return query.order_by(at.desc(), call_id.desc())


def _conditions(session: Session, wanted: CallFilter, at: Any, call_id: Any) -> list[ColumnElement[bool]]:
    found = [] if wanted.since is None else [at >= wanted.since]
    found += [] if wanted.until is None else [at < wanted.until]
    found += _of_call(wanted)
    if wanted.words.strip():
        found.append(_said(session, wanted.words.strip(), call_id))
    return found


def _of_call(wanted: CallFilter) -> list[ColumnElement[bool]]:
    """Conditions that only the call's own row can answer."""
    found: list[ColumnElement[bool]] = []
    for key, value in ((Call.manager_id, wanted.manager), (Call.manager_id, wanted.own), (Call.deal_stage_id, wanted.stage)):
        found += [] if value is None else [key == value]
    if wanted.status is not None:
        found.append(Call.status.in_(STATES.get(wanted.status, ())))
    if wanted.office is not None:
        found.append(_in_office(wanted.office))
    return found


def _in_office(office_id: str) -> ColumnElement[bool]:
    """The call's manager worked there at the time, or first worked there after it."""
    mine = Membership.manager_id == Call.manager_id
    first = select(func.min(Membership.valid_from)).where(mine).correlate(Call).scalar_subquery()
    then = and_(Membership.valid_from <= Call.at, or_(Membership.valid_to.is_(None), Membership.valid_to > Call.at))
    before_all = and_(Membership.valid_from == first, Membership.valid_from > Call.at)
    staff = select(Membership.manager_id).where(Membership.office_id == office_id)
    there = exists().where(Membership.office_id == office_id, mine, or_(then, before_all)).correlate(Call)
    return and_(Call.manager_id.in_(staff), there)


def _score_conditions(wanted: CallFilter) -> list[ColumnElement[bool]]:
    found = [] if wanted.checklist is None else [CallScore.checklist_id == wanted.checklist]
    found += [] if wanted.low is None else [CallScore.completion >= wanted.low]
    found += [] if wanted.high is None else [CallScore.completion <= wanted.high]
    return found


def _said(session: Session, words: str, call_id: Any) -> ColumnElement[bool]:
    """The words were said in the call, or they are the id of the call or of its deal."""
    named = select(Call.call_id).where(or_(Call.call_id == words, Call.deal_id == words))
    heard = search.matches(session.get_bind().dialect.name, words)
    if heard is None:
        return call_id.in_(named)  # type: ignore[no-any-return]
    said = heard.columns(column("call_id", String)).subquery()
    return or_(call_id.in_(select(said.c.call_id)), call_id.in_(named))


def _lines(session: Session, call_ids: Sequence[str]) -> tuple[CallLine, ...]:
    wanted = (Call.call_id, Call.at, Call.manager_id, Call.deal_id, Call.deal_stage_id, Call.status, Call.progress, Call.reason)
    names = (Manager.surname, Manager.name)
    rows = (
        select(*wanted, *names, Recording.duration)
        .outerjoin(Manager, Manager.manager_id == Call.manager_id)
        .outerjoin(Recording, Recording.call_id == Call.call_id)
        .where(Call.call_id.in_(call_ids))
    )
    scores = _scores(session, call_ids)
    found = {
        row.call_id: CallLine(
            call_id=row.call_id,
            at=row.at,
            manager_id=row.manager_id,
            manager=f"{row.surname or ''} {row.name or ''}".strip() or row.manager_id,
            deal_id=row.deal_id,
            stage=row.deal_stage_id,
            status=public(row.status),
            progress=row.progress,
            reason=row.reason,
            duration=row.duration,
            scores=tuple(scores[row.call_id]),
        )
        for row in session.execute(rows)
    }
    return tuple(found[one] for one in call_ids if one in found)


def _scores(session: Session, call_ids: Sequence[str]) -> dict[str, list[Score]]:
    names = dict(definition_names(session, "checklist"))
    found: dict[str, list[Score]] = defaultdict(list)
    for row in session.scalars(select(CallScore).where(CallScore.call_id.in_(call_ids)).order_by(CallScore.checklist_id)):
        found[row.call_id].append(Score(row.checklist_id, names.get(row.checklist_id, row.checklist_id), row.completion))
    return found
