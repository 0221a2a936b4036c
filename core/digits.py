"""Digits as people write and say them: «8 (917) 234-56-78», «восемь девятьсот семнадцать двести тридцать четыре», «два нуля»."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

TOKEN = re.compile(r"[0-9]+|[a-zа-яё]+")
NOT_DIGITS = re.compile(r"\b[0-9]{1,2}\.[0-9]{1,2}\.(?:[0-9]{4}|[0-9]{2})\b|\b[0-9]{1,2}:[0-9]{2}\b")  # dates and times
MARKS = re.compile(r"[\s\-\u2011–—−.,()/:]*")
BETWEEN = {"и", "так", "а", "да", "код", "номер", "серия", "потом", "дальше", "далее", "затем", "ещё", "еще", "тире", "дефис", "запятая"}
WORDS_BETWEEN = 3
LINES_BETWEEN = 4  # «записываю», «так», «дальше» of the other side while a number is dictated
WORDS_ASIDE = 4

UNITS = ("ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять")
TEENS = ("десять", "одиннадцать", "двенадцать", "тринадцать", "четырнадцать", "пятнадцать", "шестнадцать", "семнадцать", "восемнадцать",
         "девятнадцать")  # fmt: skip
TENS = ("двадцать", "тридцать", "сорок", "пятьдесят", "шестьдесят", "семьдесят", "восемьдесят", "девяносто")
HUNDREDS = ("сто", "двести", "триста", "четыреста", "пятьсот", "шестьсот", "семьсот", "восемьсот", "девятьсот")
VALUES: dict[str, int] = (
    {w: i for i, w in enumerate(UNITS)}
    | {w: 10 + i for i, w in enumerate(TEENS)}
    | {w: 20 + 10 * i for i, w in enumerate(TENS)}
    | {w: 100 * (i + 1) for i, w in enumerate(HUNDREDS)}
    | {"нуль": 0, "нолик": 0, "одна": 1, "две": 2, "писят": 50, "пийсят": 50, "шисят": 60, "шейсят": 60, "писот": 500, "шисот": 600}
)
REPEATED = {
    "нуля": "0", "ноля": "0", "нолик": "0", "единиц": "1", "двойк": "2", "тройк": "3", "четверк": "4", "четвёрк": "4", "пятерк": "5",
    "пятёрк": "5", "шестерк": "6", "шестёрк": "6", "семерк": "7", "семёрк": "7", "восьмерк": "8", "восьмёрк": "8", "девятк": "9",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """Digits that were written or said in one breath, over `text[start:end]` of line `line`."""

    line: int
    start: int
    end: int
    digits: str


@dataclass(frozen=True)
class Line:
    """What one speaker said without a break."""

    speaker: str
    text: str

    @cached_property
    def lower(self) -> str:
        """The text in lower case, as long as the text itself: places found in one are places in the other."""
        whole = self.text.lower()
        return whole if len(whole) == len(self.text) else "".join(low if len(low := c.lower()) == 1 else c for c in self.text)

    @cached_property
    def words(self) -> int:
        return len(TOKEN.findall(self.lower))


def runs(lines: Sequence[Line], found: Iterable[Group], *, across: bool) -> Iterator[list[Group]]:
    """Those of the `found` groups that follow each other; `across` also over lines of one speaker, while the other puts in a word."""
    run: list[Group] = []
    for group in sorted(found, key=lambda g: (lines[g.line].speaker, g.line, g.start)):
        if run and not _follows(lines, run[-1], group, across=across):
            yield run
            run = []
        run.append(group)
    if run:
        yield run


def groups(lines: Sequence[Line], index: int) -> Iterator[Group]:
    """The groups of one line, left to right; dates and times are no digits here."""
    text = NOT_DIGITS.sub(lambda found: "_" * len(found.group()), lines[index].lower)
    tokens = list(TOKEN.finditer(text))
    at = 0
    while at < len(tokens):
        digits, end = _group(text, tokens, at)
        if digits:
            yield Group(index, tokens[at].start(), tokens[end - 1].end(), digits)
        at = end


def _group(text: str, tokens: Sequence[re.Match[str]], at: int) -> tuple[str, int]:
    """The digits that start at token `at`, empty if there are none, and the token after them."""
    word = tokens[at].group()
    if word.isdigit():
        return word, at + 1
    if word not in VALUES:
        return "", at + 1
    repeated = _repeated(text, tokens, at)
    return (repeated, at + 2) if repeated else _number(text, tokens, at)


def _repeated(text: str, tokens: Sequence[re.Match[str]], at: int) -> str:
    """«два нуля», «три семёрки»."""
    count = VALUES.get(tokens[at].group(), 0)
    if not 2 <= count <= 4 or not _adjacent(text, tokens, at + 1):
        return ""
    return next((d for stem, d in REPEATED.items() if tokens[at + 1].group().startswith(stem)), "") * count


def _number(text: str, tokens: Sequence[re.Match[str]], at: int) -> tuple[str, int]:
    """Hundreds, tens and units in falling order with nothing between them."""
    total = VALUES[tokens[at].group()]
    end = at + 1
    while _adjacent(text, tokens, end) and not _repeated(text, tokens, end):
        value = VALUES.get(tokens[end].group(), 0)
        if not 0 < value < _room(total):
            break
        total, end = total + value, end + 1
    return str(total), end


def _adjacent(text: str, tokens: Sequence[re.Match[str]], at: int) -> bool:
    """Whether only spaces stand before token `at`."""
    return at < len(tokens) and not text[tokens[at - 1].end() : tokens[at].start()].strip()


def _room(total: int) -> int:
    """What may still follow is less than this: after hundreds 100, after tens 10, after the rest nothing."""
    return 0 if total % 10 or total < 20 else 10 if total % 100 else 100


def _follows(lines: Sequence[Line], before: Group, group: Group, *, across: bool) -> bool:
    if before.line == group.line:
        return _nothing_else(lines[group.line].lower[before.end : group.start])
    between = lines[before.line + 1 : group.line]
    return (
        across
        and lines[before.line].speaker == lines[group.line].speaker
        and len(between) <= LINES_BETWEEN
        and all(line.words <= WORDS_ASIDE for line in between)
        and _nothing_else(lines[before.line].lower[before.end :])
        and _nothing_else(lines[group.line].lower[: group.start])
    )


def _nothing_else(gap: str) -> bool:
    """Whether a gap holds only marks and a few words such as «дальше»."""
    words = TOKEN.findall(gap)
    rest = TOKEN.sub("", gap)
    return len(words) <= WORDS_BETWEEN and all(w in BETWEEN for w in words) and bool(MARKS.fullmatch(rest))
