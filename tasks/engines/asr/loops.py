"""A recogniser that goes round in circles, and how to stop it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from checklists.transcript import Word

LONGEST_PHRASE = 8
# «да, да, да» is speech; so many in a row is not.
MAX_REPEATS = {1: 6, 2: 4}
MAX_REPEATS_OF_PHRASE = 3


def loops(texts: Sequence[str]) -> bool:
    """Whether a word or a phrase comes more often in a row than people say it."""
    return len(_kept(texts)) < len(texts)


def unlooped(words: Sequence[Word]) -> list[Word]:
    """The words with every run of repeats cut to what a person might have said."""
    return [words[i] for i in _kept([word.text for word in words])]


def _kept(texts: Sequence[str]) -> list[int]:
    plain = [re.sub(r"\W", "", text.lower()) for text in texts]
    kept: list[int] = []
    for i in range(len(plain)):
        kept.append(i)
        for size in range(1, LONGEST_PHRASE + 1):
            if _repeats(plain, kept, size) > MAX_REPEATS.get(size, MAX_REPEATS_OF_PHRASE):
                del kept[-size:]
                break
    return kept


def _repeats(plain: Sequence[str], kept: list[int], size: int) -> int:
    """How many times the last `size` kept words stand in a row at the end."""
    tail = [plain[i] for i in kept[-size:]]
    count = 1
    while [plain[i] for i in kept[-size * (count + 1) : -size * count]] == tail and len(tail) == size:
        count += 1
    return count
