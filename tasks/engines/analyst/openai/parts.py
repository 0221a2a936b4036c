"""A long conversation in parts that fit the budget; nothing is left out, and the ends overlap so that an answer keeps its question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.engines.analyst.openai.case import Case
from tasks.engines.analyst.openai.errors import BudgetTooSmall

CHARS_PER_TOKEN = 2  # Russian in the oldest tokenizers still in use; newer ones need half as many tokens
OVERLAP_LINES = 4
OVERLAP_SHARE = 0.2  # of a part, at most
LEAST_TOKENS = 400  # room below which a part would be mostly overlap


@dataclass(frozen=True)
class Part:
    """Some consecutive utterances; `numbers` are their ids, `number` counts from 1."""

    number: int
    count: int
    lines: tuple[str, ...]
    numbers: tuple[int, ...]


def tokens(text: str) -> int:
    """A cautious guess."""
    return len(text) // CHARS_PER_TOKEN + 1


def parts(case: Case, task: int, limit: int) -> list[Part]:
    """The conversation in as few parts as fit `limit` tokens beside a task of `task` tokens; raises `BudgetTooSmall`.

    A quarter of the budget is kept for the task even if it needs less, so that checklists of one call are cut alike.
    """
    room = limit - max(task, limit // 4)
    if room < LEAST_TOKENS:
        raise BudgetTooSmall(task=task, limit=limit)
    longest = room * CHARS_PER_TOKEN // 4
    lines = [(number, line) for number in range(len(case.shown.texts)) for line in case.lines(number, longest)]
    cuts = list(_cut(lines, room))
    return [
        Part(place, len(cuts), tuple(line for _, line in cut), tuple(dict.fromkeys(number for number, _ in cut)))
        for place, cut in enumerate(cuts, 1)
    ]


def _cut(lines: list[tuple[int, str]], room: int) -> Iterator[list[tuple[int, str]]]:
    part: list[tuple[int, str]] = []
    used = 0
    for line in lines:
        cost = tokens(line[1])
        if part and used + cost > room:
            yield part
            part = _tail(part, room)
            used = sum(tokens(text) for _, text in part)
        part.append(line)
        used += cost
    yield part


def _tail(part: list[tuple[int, str]], room: int) -> list[tuple[int, str]]:
    """The last lines, to be read again with what follows."""
    kept: list[tuple[int, str]] = []
    left = room * OVERLAP_SHARE
    for line in reversed(part[-OVERLAP_LINES:]):
        left -= tokens(line[1])
        if left < 0:
            break
        kept.insert(0, line)
    return kept
