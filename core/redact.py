"""Personal numbers leave the house as placeholders such as `<ТЕЛЕФОН_1>`; the map back stays here (C45)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from core.checksums import valid_card, valid_inn, valid_snils
from core.digits import Group, Line, groups, runs

PHONE, CARD, PASSPORT, SNILS, INN, EMAIL, NUMBER = "ТЕЛЕФОН", "КАРТА", "ПАСПОРТ", "СНИЛС", "ИНН", "ПОЧТА", "НОМЕР"
KINDS = (PHONE, CARD, PASSPORT, SNILS, INN, EMAIL, NUMBER)

LEAST_DIGITS, MOST_DIGITS = 5, 19  # of a city's phone, of a card
LONG_NUMBER = 13  # digits of the shortest number that is private whatever it is: an OGRN; an amount never has so many
CUE_LINES = 4
CUES = {
    PASSPORT: r"паспорт|сери[яиюй]",
    SNILS: r"снилс",
    INN: r"\bинн\b|\bи\s?эн\s?эн\b",
    CARD: r"\bкарт(?:а|ы|у|е|ой|очк\w*)\b",
    PHONE: r"телефон|номер|звон|набер|набрать|вацап|ватсап|whatsapp|телеграм|сотов|мобильн|диктую|запиш",
}
CUE = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in CUES.items()))
CITY_SHAPES = {(3, 2, 2), (2, 2, 2), (3, 3), (1, 2, 2), (3, 4), (7,), (6,)}
SPELLED_CODE_SHAPES = {(3, 3, 2, 2), (3, 3, 4), (3, 7), (4, 2, 2, 2), (4, 3, 3)}
CODE_SHAPES = SPELLED_CODE_SHAPES | {(10,)}
PLUS = re.compile(r"(?:\+|\bплюс)[\s(]*$")
ABROAD = "+"

_WORD = r"[\w+-]{1,64}"
_JOINT = r"(?:точка|дефис|тире|минус|(?:нижн\w+\s+)?подч[её]ркивани\w+|[._-])"
_ZONE = r"(?:ру|ком|рф|нет|орг|су|бай|ru|com|net|org|su|by|kz|biz|info|io)"
AT = re.compile(r"@|\b(?:собак|собачк)[аиуо]й?\b", re.IGNORECASE)
NEAR = 120  # characters around the «at» in which the rest of an address stands
WRITTEN = re.compile(r"[\w.+-]{1,64}$"), re.compile(r"[\w-]{1,64}(?:\.[\w-]{1,64}){1,5}")
SPOKEN = (
    re.compile(rf"(?:{_WORD}\s*{_JOINT}\s*){{0,4}}(?:\b[a-zа-яё0-9]\s+){{0,20}}{_WORD}\s+$", re.IGNORECASE),
    re.compile(rf"\s+{_WORD}(?:\s*{_JOINT}\s*{_WORD}|\s+(?!собак){_WORD}){{0,4}}?\s*(?:точка\s*|\.\s*|\s){_ZONE}\b", re.IGNORECASE),
)
PLACEHOLDER = re.compile(rf"<?\b(?P<kind>{'|'.join(KINDS)})_(?P<number>[0-9]{{1,4}})\b>?")


@dataclass(frozen=True)
class Redacted:
    """Texts without personal numbers, in their order; `values` maps a placeholder to what it hides."""

    texts: tuple[str, ...]
    values: dict[str, str] = field(default_factory=dict, repr=False)

    def restore(self, text: str) -> str:
        """`text` with every known placeholder replaced: digits as +7… or plain digits, spoken e-mails in their own words."""
        return PLACEHOLDER.sub(lambda m: self.values.get(f"<{m['kind']}_{m['number']}>", m.group()), text)


@dataclass(frozen=True, order=True)
class _Found:
    line: int
    start: int
    end: int
    kind: str
    value: str


@dataclass(frozen=True)
class _Secret:
    kind: str
    groups: tuple[Group, ...]

    @property
    def value(self) -> str:
        digits = "".join(g.digits for g in self.groups)
        if self.kind != PHONE or len(digits) < 10:
            return digits
        russian = len(digits) == 10 or (len(digits) == 11 and digits[0] in "78")
        return f"+7{digits[-10:]}" if russian else f"+{digits}"


def redact(lines: Sequence[Line]) -> Redacted:
    """Hides phones, cards, passports, SNILS, INN, e-mails and other long numbers, written or spelled out.

    The same value has the same placeholder in all lines, numbered by first appearance.
    """
    found = list(_emails(lines))
    found += [one for one in _numbers(lines) if not any(_overlap(one, email) for email in found)]
    names: dict[tuple[str, str], str] = {}
    counts = dict.fromkeys(KINDS, 0)
    for one in sorted(found):
        if (one.kind, one.value) not in names:
            counts[one.kind] += 1
            names[one.kind, one.value] = f"<{one.kind}_{counts[one.kind]}>"
    texts = tuple(_hidden(line.text, [one for one in found if one.line == index], names) for index, line in enumerate(lines))
    return Redacted(texts, {name: value for (_, value), name in names.items()})


def _hidden(text: str, found: Iterable[_Found], names: dict[tuple[str, str], str]) -> str:
    shown, at = "", 0
    for one in sorted(found):
        shown += _defused(text[at : one.start]) + names[one.kind, one.value]
        at = one.end
    return shown + _defused(text[at:])


def _defused(text: str) -> str:
    """What only looks like a placeholder loses its brackets and its underscore, so that nothing is put in its place later."""
    return PLACEHOLDER.sub(lambda m: f"{m['kind']} {m['number']}", text)


def _overlap(one: _Found, other: _Found) -> bool:
    return one.line == other.line and one.start < other.end and other.start < one.end


def _emails(lines: Sequence[Line]) -> Iterator[_Found]:
    for index, line in enumerate(lines):
        done = 0
        for at in AT.finditer(line.text):
            left, right = WRITTEN if at.group() == "@" else SPOKEN
            first = max(done, at.start() - NEAR)
            before = left.search(line.text[first : at.start()])
            after = right.match(line.text[at.end() : at.end() + NEAR])
            if before and after:
                start, done = first + before.start(), at.end() + after.end()
                yield _Found(index, start, done, EMAIL, line.text[start:done].lower())


def _numbers(lines: Sequence[Line]) -> Iterator[_Found]:
    """First what is complete in one line, then what was dictated over several."""
    left = [group for index in range(len(lines)) for group in groups(lines, index)]
    for across in (False, True):
        secrets = [s for run in runs(lines, left, across=across) for s in _secrets(run, _announced(lines, run[0]), alone=across)]
        hidden = {group for secret in secrets for group in secret.groups}
        left = [group for group in left if group not in hidden]
        for secret in secrets:
            yield from _places(lines, secret)


def _places(lines: Sequence[Line], secret: _Secret) -> Iterator[_Found]:
    """One stretch a line; a plus before the number goes with it."""
    for index in dict.fromkeys(g.line for g in secret.groups):
        here = [g for g in secret.groups if g.line == index]
        plus = PLUS.search(lines[index].lower[: here[0].start])
        yield _Found(index, plus.start() if plus else here[0].start, here[-1].end, secret.kind, secret.value)


def _announced(lines: Sequence[Line], first: Group) -> str | None:
    """What the number was announced as: a plus, the nearest telling word before it, or the first after it in its line."""
    line = lines[first.line].lower
    if PLUS.search(line[: first.start]):
        return ABROAD
    before = " ".join([*(one.lower for one in lines[max(0, first.line - CUE_LINES) : first.line]), line[: first.start]])
    earlier = [m.lastgroup for m in CUE.finditer(before)]
    later = CUE.search(line[first.end :])
    return earlier[-1] if earlier else later.lastgroup if later else None


def _secrets(run: Sequence[Group], cue: str | None, *, alone: bool) -> Iterator[_Secret]:
    """Stretches of a run that are private, longest first at every place. `alone`: nothing more of the number is to come."""
    at = free = 0
    while at < len(run):
        secret = _longest(run, at, cue, alone=alone)
        if secret is None:
            at += 1
            continue
        yield secret
        at = free = at + len(secret.groups)
    rest = run[free:]
    if alone and _too_long(rest):
        yield _Secret(NUMBER, tuple(rest))


def _longest(run: Sequence[Group], at: int, cue: str | None, *, alone: bool) -> _Secret | None:
    for end in range(min(len(run), at + MOST_DIGITS), at, -1):
        some = tuple(run[at:end])
        kind = _kind(some, whole=end - at == len(run), cue=cue if at == 0 or cue != ABROAD else None, alone=alone)
        if kind:
            return _Secret(kind, some)
    return None


def _too_long(some: Sequence[Group]) -> bool:
    """Whether a number has more digits than any amount; a list of round sums has as many and is no number."""
    digits = sum(len(g.digits) for g in some)
    round_ = sum(g.digits.endswith("00") for g in some)
    return digits >= (10 if len(some) == 1 else LONG_NUMBER) and round_ * 3 <= len(some) and not some[-1].digits.endswith("000")


def _kind(some: Sequence[Group], *, whole: bool, cue: str | None, alone: bool) -> str | None:
    digits = "".join(g.digits for g in some)
    shape = tuple(len(g.digits) for g in some)
    if cue == ABROAD:
        return PHONE if whole and 10 <= len(digits) <= 15 else None
    if not LEAST_DIGITS <= len(digits) <= MOST_DIGITS:
        return None
    tests: tuple[tuple[str, Callable[[], bool]], ...] = (
        (CARD, lambda: _is_card(digits, shape, whole=whole, announced=cue == CARD)),
        (PASSPORT, lambda: cue == PASSPORT and len(digits) == 10 and not (digits[0] == "9" and shape in SPELLED_CODE_SHAPES)),
        (SNILS, lambda: len(digits) == 11 and (cue == SNILS or _is_snils(digits, shape))),
        (INN, lambda: cue == INN and len(digits) in (10, 12)),
        (PHONE, lambda: _is_phone(digits, shape) or (alone and whole and cue == PHONE and _is_called_phone(digits, shape))),
        (INN, lambda: whole and valid_inn(digits)),
    )
    return next((kind for kind, is_it in tests if is_it()), None)


def _is_card(digits: str, shape: tuple[int, ...], *, whole: bool, announced: bool) -> bool:
    if not 13 <= len(digits) <= 19 or digits[0] not in "23456":
        return False
    sure = len(digits) == 16 or whole or announced
    return (sure and valid_card(digits)) or (len(digits) == 16 and (announced or shape == (4, 4, 4, 4)))


def _is_snils(digits: str, shape: tuple[int, ...]) -> bool:
    """Without the word «СНИЛС» beside it, a number that could be a mobile phone is one."""
    mobile = digits[0] in "78" and digits[1] == "9"
    return shape in {(3, 3, 3, 2), (11,)} and valid_snils(digits) and not mobile


def _is_phone(digits: str, shape: tuple[int, ...]) -> bool:
    """Ten or eleven digits with a break after the code, as people group them; a list of prices has none there."""
    breaks = set(accumulate(shape))
    if len(digits) == 11:
        return digits[0] in "78" and digits[1] in "34789" and (4 in breaks or shape == (11,))
    return len(digits) == 10 and ((digits[0] == "9" and 3 in breaks) or (digits[0] in "3489" and shape in CODE_SHAPES))


def _is_called_phone(digits: str, shape: tuple[int, ...]) -> bool:
    """A city number, or a mobile one that was misheard: «сто десять» may be 110 or 100 and 10."""
    start = 1 if shape[0] == 1 and digits[0] in "78" else 0
    mobile = digits[start] == "9" and shape[start : start + 1] == (3,) and 7 <= len(digits) <= 12
    return shape in CITY_SHAPES or mobile
