"""Phones and e-mails, also spelled out loud."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core import digits
from tasks.engines.analyst.rules.text import Token, pairs, row, words_of

PHONE_DIGITS = 10
EMAIL = re.compile(r"[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+")
AT = {"@", "собака", "собачка", "собаку", "гав", "эт"}
DOT = {"точка", "тчк", "."}
MARKS = {"дефис": "-", "тире": "-", "минус": "-", "подчеркивание": "_", "-": "-", "_": "_", "–": "-"}
STOP = words_of(
    "на почту почта имейл мейл email адрес пишите запишите записывайте это мой моя наша наш вот да давайте значит шлите присылайте "
    "можно пожалуйста электронная у меня и а ну туда сюда "
    "скидывайте кидайте отправьте отправляйте пришлите так хорошо диктую общая рабочая личная"
)
ZONES = pairs("ру=ru ком=com нет=net орг=org су=su про=pro бай=by ио=io ай=ai") | {
    zone: zone for zone in row("рф бел io ru com net org su by kz biz pro info")
}
HOSTS = pairs(
    "мейл=mail мэйл=mail меил=mail майл=mail мыло=mail яндекс=yandex гмейл=gmail гмайл=gmail джимейл=gmail джимайл=gmail жмейл=gmail "
    "рамблер=rambler бк=bk инбокс=inbox лист=list инфо=info офис=office сейлз=sales сейлс=sales админ=admin аутлук=outlook айклауд=icloud "
    "хотмейл=hotmail джи=g"
)
LETTERS = pairs(
    "а=a б=b в=v г=g д=d е=e ж=zh з=z и=i й=y к=k л=l м=m н=n о=o п=p р=r с=s т=t у=u ф=f х=h ц=ts ч=ch ш=sh щ=sch ъ= ы=y ь= э=e ю=yu я=ya"
)
SPELLED = pairs(
    "эр=r эс=s эм=m эн=n эль=l ка=k пе=p пэ=p те=t тэ=t ве=v вэ=v бэ=b би=b дэ=d ди=d кью=q икс=x зет=z зэт=z аш=h эйч=h эф=f дабл=w жи=j "
    "си=c це=c"
)


@dataclass(frozen=True, slots=True)
class Contact:
    """A normal form over `tokens[start:end]`: `+7…` or `name@host.zone`."""

    value: str
    start: int
    end: int


def phones(tokens: Sequence[Token], text: str) -> list[Contact]:
    """Russian numbers of ten or eleven digits, however they were grouped in speech."""
    line = [digits.Line("", text)]
    found = []
    for run in digits.runs(line, digits.groups(line, 0), across=False):
        for first in range(len(run)):
            value = russian_phone("".join(g.digits for g in run[first:]))
            if value:
                found.append(Contact(value, *_tokens_of(tokens, run[first].start, run[-1].end)))
                break
    return found


def emails(tokens: Sequence[Token], text: str) -> list[Contact]:
    """Written addresses and those with «собака» and «точка»."""
    written = [Contact(m.group(), *_tokens_of(tokens, m.start(), m.end())) for m in EMAIL.finditer(text)]
    spoken = (_spoken(tokens, i) for i, t in enumerate(tokens) if t.norm in AT)
    return written or [c for c in spoken if c is not None]


def russian_phone(spelled: str) -> str | None:
    """`+7…` of ten digits, or of eleven that start with 7 or 8."""
    if len(spelled) == PHONE_DIGITS + 1 and spelled[0] in "78":
        spelled = spelled[1:]
    return "+7" + spelled if len(spelled) == PHONE_DIGITS and spelled[0] in "3489" else None


def _tokens_of(tokens: Sequence[Token], start: int, end: int) -> tuple[int, int]:
    inside = [i for i, t in enumerate(tokens) if t.start >= start and t.end <= end]
    return (inside[0], inside[-1] + 1) if inside else (0, 0)


def _spoken(tokens: Sequence[Token], at: int) -> Contact | None:
    """«petrov собака dent-smile точка ру», «инфо собака строймаркет точка ру»."""
    start, local = _left(tokens, at)
    end, host = _right(tokens, at)
    if not local or not host:
        return None
    return Contact(f"{_latin(local)}@{host}", start, end)


def _left(tokens: Sequence[Token], at: int) -> tuple[int, list[str]]:
    words: list[str] = []
    start = at
    while start > 0 and at - start < 8:
        word = tokens[start - 1].norm
        joined = tokens[start - 1].end == tokens[start].start
        if word in DOT and words:
            words.insert(0, ".")
        elif word in MARKS and words:
            words.insert(0, MARKS[word])
        elif not tokens[start - 1].is_word or word in STOP or (words and not joined and words[0] not in ".-_" and not _spells(words, word)):
            break
        else:
            words.insert(0, word)
        start -= 1
    while words and words[0] in ".-_":
        words.pop(0)
    return start, words


def _spells(words: list[str], word: str) -> bool:
    """Single letters and figures may follow each other; whole words may not."""
    return len(word) == 1 or len(words[0]) == 1 or words[0].isdigit() or word in HOSTS or word in SPELLED


def _right(tokens: Sequence[Token], at: int) -> tuple[int, str]:
    words: list[str] = []
    end = at + 1
    while end < len(tokens) and end - at <= 10:
        word = tokens[end].norm
        if word in DOT:
            words.append(".")
        elif word in MARKS:
            words.append(MARKS[word])
        elif not tokens[end].is_word:
            break
        elif word in ZONES and words and words[-1] != "-":
            zone = ZONES[word]
            host = _latin(words).rstrip(".")
            return (end + 1, f"{host}.{zone}") if host else (end, "")
        else:
            words.append(word)
        end += 1
    return end, ""


def _latin(words: list[str]) -> str:
    return "".join(HOSTS.get(w) or SPELLED.get(w) or _transliterate(w) for w in words)


def _transliterate(word: str) -> str:
    return "".join(LETTERS.get(c, c) for c in word) if re.search("[а-я]", word) else word
