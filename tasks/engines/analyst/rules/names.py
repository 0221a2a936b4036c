"""Names of people: self-introductions, forms of address, and the two told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.engines.analyst.rules.text import Token, morph, words_of

# Names that the dictionary reads as ordinary words, and short forms it does not know.
ALSO = words_of(
    "роман вера надежда любовь лев марк слава роза лилия майя август виктория мила рая тая вита стас влад макс дэн ник тим тима алекс "
    "камилла аделина эвелина ника злата милана диана эльвира эмиль эмин арсен тигран ашот гоар сурен зухра зарина фарид ильдар айдар "
    "айгуль гузель лейсан рамиль ринат рафаэль динар наиль альберт ян яна юлиан богдан платон мирон матвей ярослав ярослава мирослава "
    "снежана кристина карина анжела регина жанна инга эдуард эдик гарик жора гоша кеша лера валера"
)
NEVER = words_of("алло але да нет вот это так ну мы вы я он она они кто что как компания менеджер день добрый здравствуйте")


@dataclass(frozen=True, slots=True)
class Person:
    """A name over `tokens[start:end]`; `text` is its nominative in title case."""

    text: str
    start: int
    end: int
    sure: bool = True


def people(tokens: Sequence[Token]) -> list[Person]:
    """Names in order; first name, patronymic and surname that stand together are one person."""
    found: list[Person] = []
    at = 0
    while at < len(tokens):
        end = at
        while end < len(tokens) and end - at < 3 and _name_like(tokens[end], first=end == at):
            end += 1
        if end > at:
            found.append(Person(nominative(tokens[at:end]), at, end, any("Name" in t.grammar.tags for t in tokens[at:end])))
            at = end
        else:
            at += 1
    return found


def is_first_name(token: Token) -> bool:
    """A first name by dictionary, or one of those that the dictionary takes for a word."""
    return token.norm not in NEVER and (token.grammar.name or token.norm in ALSO)


def _name_like(token: Token, *, first: bool) -> bool:
    tags = token.grammar.tags
    if first:
        return is_first_name(token) or ("Patr" in tags and token.norm not in NEVER)
    return "Patr" in tags or ("Surn" in tags and "Name" not in tags)


def nominative(tokens: Sequence[Token]) -> str:
    """«анну сергеевну» → «Анна Сергеевна»; the patronymic tells the gender of an ambiguous name."""
    gender = next((g for t in tokens if "Patr" in t.grammar.tags for g in ("masc", "femn") if g in t.grammar.tags), "")
    return " ".join(_nominative(t.norm, gender) for t in tokens).title()


def _nominative(word: str, gender: str) -> str:
    parses = [p for p in morph().parse(word) if p.tag.grammemes & {"Name", "Patr", "Surn"} and (not gender or gender in p.tag.grammemes)]
    if not parses or any("nomn" in p.tag.grammemes or "Fixd" in p.tag.grammemes for p in parses):
        return word
    changed = parses[0].inflect({"nomn", "sing"})
    return str(changed.word) if changed else word
