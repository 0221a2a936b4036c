"""Spoken days and times on the calendar, counted from the moment of the call."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from tasks.engines.analyst.rules.dates import Day, Moment


def resolve(moment: Moment, at: datetime) -> datetime | date | None:
    """The calendar form, counted from the local time `at`: a datetime when a time was said, else a date; None if too vague."""
    day = None if moment.day is None else _resolve_day(moment.day, at)
    if isinstance(day, datetime):
        return day
    if moment.clock is None:
        return day
    if day is None and moment.day is not None:
        return None
    base = day or at.date()
    spoken = datetime.combine(base, moment.clock.at, at.tzinfo)
    if day == at.date() and spoken <= at < spoken + timedelta(hours=12) and spoken.hour < 12:
        return spoken + timedelta(hours=12)  # «сегодня до восьми», said at noon, is the evening
    return spoken + timedelta(days=1) if day is None and spoken <= at else spoken


def _resolve_day(day: Day, at: datetime) -> date | datetime | None:  # noqa: PLR0911 - one line a kind
    today = at.date()
    if day.kind == "relative":
        return today + timedelta(days=day.number)
    if day.kind == "hours":
        step = timedelta(minutes=day.number) if day.unit.startswith("минут") else timedelta(hours=day.number)
        return (at + (timedelta(minutes=30) if day.unit == "полчаса" else step)).replace(second=0, microsecond=0)
    if day.kind == "weeks":
        return today + timedelta(days=7 * day.number) if day.unit.startswith("недел") else _add_months(today, day.number)
    if day.kind == "weekday":
        monday = today - timedelta(days=today.weekday())
        if day.next_week:
            return monday + timedelta(days=7 + day.number)
        return today + timedelta(days=(day.number - today.weekday() - 1) % 7 + 1)
    if day.kind == "month_day":
        return _month_day(day, today)
    if day.kind == "day":
        return _next_day(day.number, today)
    return None


def _month_day(day: Day, today: date) -> date | None:
    """The nearest such day that is not long past."""
    for year in (day.year,) if day.year else (today.year, today.year + 1):
        found = _date(year, day.month, day.number)
        if found and (day.year or found >= today):
            return found
    return None


def _next_day(number: int, today: date) -> date | None:
    for ahead in range(3):
        first = _add_months(today.replace(day=1), ahead)
        found = _date(first.year, first.month, number)
        if found and found >= today:
            return found
    return None


def _add_months(day: date, count: int) -> date:
    month = day.month - 1 + count
    year, month = day.year + month // 12, month % 12 + 1
    for last in (day.day, 30, 29, 28):
        if found := _date(year, month, min(day.day, last)):
            return found
    return day


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
