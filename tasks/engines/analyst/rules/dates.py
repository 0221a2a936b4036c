"""Days and times as people say them on the phone: «завтра после обеда», «в следующий вторник к трём», «двадцать первого»."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import time
from typing import Literal

from tasks.engines.analyst.rules import canon
from tasks.engines.analyst.rules.numbers import Number
from tasks.engines.analyst.rules.text import Token, row, words_of

WEEKDAYS = row("понедельник вторник среда четверг пятница суббота воскресенье")
MONTHS = row("январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь")
PARTS = {"утро": time(10), "день": time(14), "вечер": time(18), "ночь": time(22), "обед": time(13)}
PART_STEMS = {"утр": PARTS["утро"], "дне": PARTS["день"], "вече": PARTS["вечер"]}
HALVES = row("перв втор трет четверт пят шест седьм восьм девят десят одиннадцат двенадцат")

Kind = Literal["relative", "weekday", "month_day", "day", "month", "weeks", "months", "hours", "minutes", "fuzzy", "past"]

WD, MON = "|".join(WEEKDAYS), "|".join(MONTHS)
NEXT = "следующий|будущий|тот|другой"
FUZZY = rf"(?:начало|середина|конец) (?:(?:{NEXT}|этот) )?(?:неделя|месяц|год|{MON})|(?:{NEXT}|этот) (?:неделя|месяц)|до зима|до лето"
PREFERRED = frozenset((*WEEKDAYS, *MONTHS, *PARTS)) | words_of(
    "час минута неделя месяц год сегодня завтра послезавтра вчера позавчера половина четверть полчаса следующий будущий ближайший этот тот "
    "конец начало середина число выходной праздник неделька денек часик минутка полдень завтрашний сегодняшний день пара прошлый через до "
    "после к с в на около от между и без другой течение утром вечером днем"
)

DAYS: list[tuple[re.Pattern[str], Kind]] = [
    (re.compile(r"\b(вчера|позавчера|прошлый (?:неделя|месяц|год|раз)|на прошлый неделя)\b"), "past"),
    (re.compile(r"\b(?P<rel>послезавтра|завтра|сегодня|завтрашний|сегодняшний)\b"), "relative"),
    (re.compile(rf"[@#](?P<day>[0-9]+) (?P<month>{MON})\b(?: [@#](?P<year>20[0-9]{{2}}))?"), "month_day"),
    (re.compile(r"(?<![#@.0-9])#(?P<day>[0-9]{1,2})\.(?P<dot>0[1-9]|1[0-2])(?![0-9.])"), "month_day"),
    (re.compile(r"[@#](?P<day>[0-9]+) число\b"), "day"),
    (re.compile(r"\b(?:на|до|к|с|это|(?:" + WD + r") ,?) ?@(?P<day>[0-9]+)\b(?! (?:раз|этаж|класс|половина|очередь|вариант))"), "day"),
    (re.compile(r"@(?P<day>[0-9]+) (?:, )?(?=(?:в|к|с) #)"), "day"),
    (re.compile(rf"\b(?P<wd>{WD})\b(?: (?:на|уже на|следующий) ?(?P<after>{NEXT})? ?(?P<week>неделя))"), "weekday"),
    (re.compile(rf"\b(?P<after>{NEXT}) неделя ,? ?(?:(?:давать|допустим|скажем|например|или|в|во) ,? ?){{0,3}}(?P<wd>{WD})\b"), "weekday"),
    (re.compile(rf"\b(?:(?P<after>{NEXT}) )?(?P<wd>{WD})\b"), "weekday"),
    (re.compile(r"\bчерез (?P<few>пара |несколько )?(?:#(?P<n>[0-9]+) )?(?P<unit>минута|минутка|час|часик|полчаса|день|денек)\b"), "hours"),
    (re.compile(r"\bчерез (?P<few>пара )?(?:#(?P<n>[0-9]+) )?(?P<unit>неделя|неделька|месяц)\b"), "weeks"),
    (re.compile(r"\bв течение (?:#(?P<n>[0-9]+) )?(?P<unit>час|полчаса|день|минута)\b"), "hours"),
    (re.compile(r"\bна (?P<day>следующий) день\b"), "relative"),
    (
        re.compile(rf"\b(?P<fuzzy>{FUZZY})\b"),
        "fuzzy",
    ),
    (re.compile(rf"\b(?:в|к|до|с|на|от) (?P<month>{MON})\b"), "month"),
]
TIME_BEFORE = r"(?:в|к|на|после|до|около|часов в|час в|с|от|между|примерно в|где-то в)"
TIMES: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"#(?P<h>[01]?[0-9]|2[0-3]) : #(?P<m>[0-5]?[0-9])\b"), "clock"),
    (
        re.compile(
            r"\b(?:с|от|между) #(?P<h>[0-9]{1,2}) (?:час )?(?:до|и|-|—) #(?P<h2>[0-9]{1,2})\b(?: час)?(?: (?P<part>утро|день|вечер))?"
        ),
        "hour",
    ),
    (re.compile(r"\b(?:в|на|к|половина) ?половина @(?P<half>[0-9]{1,2})\b(?: (?P<part>утро|день|вечер))?"), "half"),
    (re.compile(r"\bбез (?:#(?P<less>[0-9]+)|четверть) (?:минута )?#(?P<h>[0-9]{1,2})\b"), "less"),
    (
        re.compile(r"(?<!минимум )#(?P<h>[0-9]{1,2}) час(?: #(?P<m>[0-9]{1,2})(?: минута)?)?(?: (?P<part>утро|день|вечер|ночь))?\b"),
        "hours_word",
    ),
    (re.compile(r"#(?P<h>[0-9]{1,2}) (?P<part>утро|день|вечер|ночь)\b"), "hour_part"),
    (re.compile(r"\bчас (?P<part>день|ночь)\b"), "one"),
    (
        re.compile(rf"\b{TIME_BEFORE} #(?P<h>[0-9]{{1,2}})(?: #0)?(?: #(?P<m>[0-5]?[0-9]))?(?: (?P<part>утро|день|вечер))?(?![.0-9])"),
        "hour",
    ),
    (re.compile(rf"\b(?:{WD}|завтра|сегодня|послезавтра)(?: [а-я]+){{0,2}} ,? ?#(?P<h>[0-9]{{1,2}}) #(?P<m>[0-5]?[0-9])\b"), "hour"),
    (re.compile(r"\bполдень\b"), "noon"),
    (re.compile(r"\b(?P<rel>после|до|в|перед) обед\b"), "lunch"),
    (re.compile(r"\b@(?P<half>[12]) половина день\b|@(?P<half2>[12]) половина день"), "half_day"),
    (re.compile(r"\b(?:с|в|до|ближе к|к|под) ?(?P<part>утро|вечер)\b|\b(?P<part2>утром|вечером|днем|с утра|к вечеру)\b"), "part"),
]
POL = re.compile(rf"^пол({'|'.join(HALVES)})(?:ого|его|ьего)$")
NEAREST, ALONE = 6, 12  # words between a day and its time; between the only ones of an utterance
RANGE_OF_COUNTS = re.compile(r" (?:до|-|–|—|или) #(?:[0-9]{3,}|[3-9][0-9]|2[5-9])")
UNIT_AFTER_HOUR = re.compile(r"процент|рубл|тысяч|миллион|раз|штук|метр|челов|месяц|недел|дн|год|лет|класс|этаж|вариант|комплект|сло")


@dataclass(frozen=True, slots=True)
class Day:
    """A day over `tokens[start:end]`, not yet counted from any date."""

    kind: Kind
    start: int
    end: int
    number: int = 0
    month: int = 0
    year: int = 0
    unit: str = ""
    next_week: bool = False

    @property
    def concrete(self) -> bool:
        """Whether one day of the calendar is meant."""
        return self.kind not in ("fuzzy", "past", "month", "months")


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day; `until` ends a range, `sure` is false for «утром» and «после обеда»."""

    at: time
    start: int
    end: int
    until: time | None = None
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Moment:
    """A day, a time, or both, over `tokens[start:end]`."""

    day: Day | None
    clock: Clock | None
    start: int
    end: int

    @property
    def concrete(self) -> bool:
        """Whether somebody could put it into a calendar."""
        if self.day is not None:
            return self.day.concrete or (self.day.kind != "past" and self.clock is not None)
        return self.clock is not None and self.clock.sure

    @property
    def past(self) -> bool:
        return self.day is not None and self.day.kind == "past"


def moments(tokens: Sequence[Token], numbers: Sequence[Number]) -> list[Moment]:
    """All days and times of an utterance; a time stands with the nearest day."""
    line = canon.line(tokens, numbers, PREFERRED)
    days, clocks = _days(line), _clocks(line, tokens)
    clocks = [c for c in clocks if not any(d.start <= c.start and c.end <= d.end for d in days)]
    found: list[Moment] = []
    merged = _merged(days)
    pairs = _pairs(tokens, merged, clocks)
    clocks = [c for c in clocks if c not in pairs.values()]
    for day in merged:
        near = pairs.get(day)
        start, end = min(day.start, near.start if near else day.start), max(day.end, near.end if near else day.end)
        found.append(Moment(day, near, start, end))
    found += [Moment(None, c, c.start, c.end) for c in clocks]
    return sorted(found, key=lambda m: m.start)


def _merged(days: list[Day]) -> list[Day]:
    """«в четверг, 21 августа» is one day: the one of the calendar wins."""
    kept: list[Day] = []
    for day in days:
        if (
            kept
            and day.start - kept[-1].end <= 2
            and {kept[-1].kind, day.kind} in ({"weekday", "month_day"}, {"weekday", "day"}, {"weekday", "relative"})
        ):
            exact = day if kept[-1].kind == "weekday" else kept[-1]
            kept[-1] = replace(exact, start=kept[-1].start, end=day.end)
        else:
            kept.append(day)
    return kept


def _pairs(tokens: Sequence[Token], days: Sequence[Day], clocks: Sequence[Clock]) -> dict[Day, Clock]:
    """Each time with its nearest day, nearest pairs first; a full stop between them is as far as six words."""
    near = sorted(((_gap(d, c) + _stops(tokens, d, c), d.start, d, c) for d in days for c in clocks), key=lambda row: row[:2])
    furthest = ALONE if len(days) == len(clocks) == 1 and not _stops(tokens, days[0], clocks[0]) else NEAREST
    pairs: dict[Day, Clock] = {}
    for gap, _, day, clock in near:
        if gap <= furthest and day not in pairs and clock not in pairs.values():
            pairs[day] = clock
    return pairs


def _stops(tokens: Sequence[Token], day: Day, clock: Clock) -> int:
    between = tokens[min(day.end, clock.end) : max(day.start, clock.start)]
    return NEAREST * sum(t.norm in ".!?" for t in between)


def _gap(day: Day, clock: Clock) -> int:
    return max(clock.start - day.end, day.start - clock.end, 0)


def _days(line: canon.Line) -> list[Day]:
    found: list[Day] = []
    for pattern, kind in DAYS:
        for match, start, end in line.find(pattern):
            if any(start < d.end and d.start < end for d in found):
                continue
            day = _day(match, kind, start, end)
            if day is not None:
                found.append(day)
    return sorted(found, key=lambda d: d.start)


AHEAD = {"сегодня": 0, "сегодняшний": 0, "завтра": 1, "завтрашний": 1, "послезавтра": 2}


def _day(match: re.Match[str], kind: Kind, start: int, end: int) -> Day | None:
    part = match.groupdict()
    if kind in ("month_day", "day") and not 1 <= int(part["day"]) <= 31:
        return None
    made = {"relative": _relative, "month_day": _month_day, "day": _month_day, "weekday": _weekday, "hours": _span, "weeks": _span}.get(
        kind
    )
    if made is not None:
        return made(part, kind, start, end)
    return Day(kind, start, end, month=MONTHS.index(part["month"]) + 1 if kind == "month" else 0)


def _relative(part: dict[str, str], kind: Kind, start: int, end: int) -> Day:
    return Day(kind, start, end, AHEAD.get(part.get("rel") or "", 1))


def _month_day(part: dict[str, str], kind: Kind, start: int, end: int) -> Day:
    month = MONTHS.index(part["month"]) + 1 if part.get("month") else int(part.get("dot") or 0)
    return Day(kind, start, end, int(part["day"]), month, int(part.get("year") or 0))


def _weekday(part: dict[str, str], kind: Kind, start: int, end: int) -> Day:
    return Day(kind, start, end, WEEKDAYS.index(part["wd"]), next_week="after" in part and (bool(part["after"]) or "week" in part))


def _span(part: dict[str, str], kind: Kind, start: int, end: int) -> Day:
    count = int(part.get("n") or (2 if part.get("few") else 1))
    return Day("relative" if part["unit"] in ("день", "денек") else kind, start, end, count, unit=part["unit"])


def _clocks(line: canon.Line, tokens: Sequence[Token]) -> list[Clock]:
    found = [Clock(time((HALVES.index(m.group(1)) or 12) if HALVES.index(m.group(1)) > 7 else HALVES.index(m.group(1)) + 12, 30), i, i + 1)
             for i, t in enumerate(tokens) if (m := POL.match(t.norm))]  # fmt: skip
    for pattern, kind in TIMES:
        for match, start, end in line.find(pattern):
            if any(start < c.end and c.start < end for c in found):
                continue
            clock = _clock(match, kind, start, end)
            if clock is not None and not (
                kind == "hour" and (RANGE_OF_COUNTS.match(line.text[match.end() :]) or _counts_something(tokens, start, end))
            ):
                found.append(clock)
    return _of_day(sorted(found, key=lambda c: c.start))


def _of_day(clocks: list[Clock]) -> list[Clock]:
    """«вечером в восемь» is one time, and in the evening."""
    kept: list[Clock] = []
    for clock in clocks:
        last = kept[-1] if kept else None
        if last and clock.start - last.end <= 2 and last.sure != clock.sure:
            exact, part = (last, clock) if last.sure else (clock, last)
            later = part.at.hour >= PARTS["день"].hour and exact.at.hour < 12
            at = exact.at.replace(hour=exact.at.hour + 12) if later else exact.at
            kept[-1] = replace(exact, at=at, start=last.start, end=max(last.end, clock.end))
        else:
            kept.append(clock)
    return kept


def _counts_something(tokens: Sequence[Token], start: int, end: int) -> bool:
    """«в три раза», «до пяти процентов», «в двух словах» are no times."""
    if start < len(tokens) and tokens[start].norm in ("в", "на") and any(t.norm in LOCATIVE for t in tokens[start:end]):
        return True
    after = tokens[end] if end < len(tokens) else None
    if after is None or not after.is_word:
        return after is not None and after.norm == "%"
    tags = after.grammar.tags
    return bool(UNIT_AFTER_HOUR.match(after.norm)) or ("NOUN" in tags and "gent" in tags and "nomn" not in tags and "accs" not in tags)


LOCATIVE = words_of("одном двух трех четырех пяти шести семи восьми девяти десяти двенадцати двадцати тридцати")


def _clock(match: re.Match[str], kind: str, start: int, end: int) -> Clock | None:  # noqa: PLR0911 - one line a pattern
    part = match.groupdict()
    if kind == "one":
        return Clock(time(13 if part["part"] == "день" else 1), start, end)
    if kind == "noon":
        return Clock(time(12), start, end)
    if kind == "lunch":
        return Clock(time({"после": 14, "в": 13}.get(part["rel"], 11)), start, end, sure=False)
    if kind == "half_day":
        return Clock(time(11 if (part["half"] or part["half2"]) == "1" else 15), start, end, sure=False)
    if kind == "part":
        word = part["part"] or part["part2"] or ""
        return Clock(next((t for stem, t in PART_STEMS.items() if stem in word), PARTS["день"]), start, end, sure=False)
    if kind == "half":
        hour = _hour(int(part["half"]) - 1, part.get("part"))
        return None if hour is None else Clock(time(hour, 30), start, end)
    hour, minute = _hour(int(part["h"]), part.get("part"), exact=kind == "clock"), int(part.get("m") or 0)
    if hour is None or minute > 59:
        return None
    if kind == "less":
        less = int(part["less"] or 15)
        return Clock(time((hour - 1) % 24, 60 - less), start, end) if 1 <= less <= 59 else None
    until = _hour(int(part["h2"]), part.get("part")) if part.get("h2") else None
    return Clock(time(hour, minute), start, end, time(until) if until is not None else None)


def _hour(spoken: int, part: str | None, *, exact: bool = False) -> int | None:
    """The hour of a 24-hour clock; a bare «в три» on the phone is the afternoon, business hours being meant."""
    if not 0 <= spoken <= 23:
        return None
    if exact or spoken > 12:
        return spoken
    if part in ("утро", "ночь"):
        return spoken % 12 if part == "ночь" and spoken == 12 else spoken
    if part in ("день", "вечер"):
        return spoken if spoken == 12 else spoken + 12
    return spoken + 12 if 1 <= spoken <= 7 else spoken
