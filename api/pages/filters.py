"""The filters of the call list as they stand in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from api.pages.view import View
from db.overview import STATES, CallFilter, Cursor

NAMES = ("q", "since", "until", "manager", "office", "stage", "status", "checklist", "low", "high")
MAX_WORDS = 200  # characters of a search


@dataclass(frozen=True)
class Filters:
    """What was asked for: the texts as given, and what they mean."""

    given: Mapping[str, str]
    wanted: CallFilter

    @property
    def any(self) -> bool:
        return bool(self.given)

    def query(self, **changes: str) -> str:
        """The query string of these filters with some changed; an empty value takes a filter away."""
        return urlencode({key: value for key, value in (dict(self.given) | changes).items() if value})


def read(view: View) -> Filters:
    """The filters of the request; what makes no sense filters nothing."""
    query = view.request.query_params
    given = {name: query[name].strip()[:MAX_WORDS] for name in NAMES if query.get(name, "").strip()}
    zone = view.shape.zone
    until = _day(given.get("until"))
    wanted = CallFilter(
        since=_midnight(_day(given.get("since")), zone),
        until=_midnight(until + timedelta(days=1) if until else None, zone),
        manager=given.get("manager"),
        office=given.get("office"),
        stage=given.get("stage"),
        status=given.get("status") if given.get("status") in STATES else None,
        checklist=given.get("checklist"),
        low=_percent(given.get("low")),
        high=_percent(given.get("high")),
        words=given.get("q", ""),
        own=view.own,
    )
    return Filters(given, wanted)


def midnight(view: View, days_ago: int = 0) -> datetime:
    """The beginning of today, or of a day before it, on the reader's clock."""
    day = view.shape.local(view.at).date() - timedelta(days=days_ago)
    return datetime.combine(day, datetime.min.time(), view.shape.zone).astimezone(UTC)


def cursor(text: str | None) -> Cursor | None:
    """The place that `mark` wrote, None for anything else."""
    moment, _, call_id = (text or "").partition("~")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return Cursor(at, call_id) if at.tzinfo is not None and call_id else None


def mark(at: datetime, call_id: str) -> str:
    """A place in the list, for an address."""
    return f"{at.astimezone(UTC).isoformat()}~{call_id}"


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _midnight(day: date | None, zone: ZoneInfo) -> datetime | None:
    try:
        return None if day is None else datetime.combine(day, datetime.min.time(), zone).astimezone(UTC)
    except OverflowError:
        return None


def _percent(text: str | None) -> float | None:
    try:
        value = float((text or "").replace(",", "."))
    except ValueError:
        return None
    return value if 0 <= value <= 100 else None
