"""Times, numbers and words as people read them, in their zone and language."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from api.pages.words import translate

NBSP = "\N{NO-BREAK SPACE}"
MONTHS = ("янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек")
GOOD, FAIR = 80.0, 50.0  # percent from which a score is shown as good, and as fair


class Shape:
    """Formats for one reader."""

    def __init__(self, zone: str, language: str) -> None:
        self.zone = ZoneInfo(zone)
        self.language = language

    def local(self, moment: datetime) -> datetime:
        """The moment on the reader's clock."""
        return moment.astimezone(self.zone)

    def moment(self, moment: datetime | None) -> str:
        """`19.06.2025 10:05`, or a dash."""
        return "—" if moment is None else f"{self.local(moment):%d.%m.%Y %H:%M}"

    def exact(self, moment: datetime | None) -> str:
        """With seconds."""
        return "—" if moment is None else f"{self.local(moment):%d.%m.%Y %H:%M:%S}"

    def time(self, moment: datetime) -> str:
        return f"{self.local(moment):%H:%M}"

    def day(self, day: date | datetime) -> str:
        """`19 июн`."""
        day = self.local(day) if isinstance(day, datetime) else day
        return f"{day.day}{NBSP}{self.words(MONTHS[day.month - 1])}"

    def duration(self, seconds: float | None) -> str:
        """`4:05`, `1:02:03`, or a dash."""
        if seconds is None:
            return "—"
        whole = int(seconds)
        hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
        return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

    def span(self, seconds: float) -> str:
        """`40 с`, `5 мин`, `3 ч`, `2 дн`: for ages and waits."""
        for limit, size, unit in ((90, 1, "с"), (5400, 60, "мин"), (172800, 3600, "ч")):
            if seconds < limit:
                return f"{round(seconds / size)}{NBSP}{self.words(unit)}"
        return f"{round(seconds / 86400)}{NBSP}{self.words('дн')}"

    def number(self, value: float | None, digits: int = 0) -> str:
        """`12 345,6`, or a dash."""
        if value is None:
            return "—"
        text = f"{value:,.{digits}f}"
        if self.language == "en":
            return text
        return text.replace(",", NBSP).replace(".", ",")

    def percent(self, value: float | None, digits: int = 0) -> str:
        return "—" if value is None else f"{self.number(value, digits)}{NBSP}%"

    def signed(self, value: float | None, digits: int = 1) -> str:
        """`+3,4` or `−2,0`; empty for nothing."""
        if value is None:
            return ""
        sign = "+" if value > 0 else "−" if value < 0 else "±"
        return sign + self.number(abs(value), digits)

    def size(self, count: int) -> str:
        """Bytes in the unit that fits."""
        for limit, unit in ((1024, "Б"), (1024**2, "КиБ"), (1024**3, "МиБ")):
            if count < limit:
                return f"{self.number(count * 1024 / limit, 0 if unit == 'Б' else 1)}{NBSP}{self.words(unit)}"
        return f"{self.number(count / 1024**3, 1)}{NBSP}{self.words('ГиБ')}"

    def plural(self, count: float, forms: str) -> str:
        """`21 звонок`: `forms` are the words for 1, 2 and 5, by `|`."""
        return f"{self.number(count)}{NBSP}{self.form(count, forms)}"

    def form(self, count: float, forms: str) -> str:
        """The word alone."""
        words = self.words(forms).split("|")
        if len(words) == 2:
            return words[count != 1]
        tens, ones = int(count) % 100, int(count) % 10
        if ones == 1 and tens != 11:
            return words[0]
        return words[1] if ones in (2, 3, 4) and tens not in (12, 13, 14) else words[2]

    def words(self, text: str) -> str:
        return translate(text, self.language)


def level(completion: float | None) -> str:
    """`good`, `fair`, `poor` or `none`: how a percentage is coloured."""
    if completion is None:
        return "none"
    return "good" if completion >= GOOD else "fair" if completion >= FAIR else "poor"
