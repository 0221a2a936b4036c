"""An utterance as one line of lemmas and digits, so that dates, times and phrases can be told by short patterns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from tasks.engines.analyst.rules.numbers import Number, numbers
from tasks.engines.analyst.rules.text import Token


@dataclass(frozen=True)
class Line:
    """`text` has one word a token or number; `spans[i]` are the tokens (start, end) of word i."""

    text: str
    spans: tuple[tuple[int, int], ...]
    offsets: tuple[int, ...]

    def find(self, pattern: re.Pattern[str]) -> Iterator[tuple[re.Match[str], int, int]]:
        """Matches with their token range."""
        for match in pattern.finditer(self.text):
            first, last = self._word(match.start()), self._word(max(match.start(), match.end() - 1))
            yield match, self.spans[first][0], self.spans[last][1]

    def _word(self, offset: int) -> int:
        low, high = 0, len(self.offsets) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.offsets[middle] <= offset:
                low = middle
            else:
                high = middle - 1
        return low


def line(tokens: Sequence[Token], found: Sequence[Number] | None = None, preferred: Collection[str] = ()) -> Line:
    """Lemmas, with numbers as `#5` and ordinals as `@5`; where a word has several readings, one of `preferred` wins."""
    by_start = {n.start: n for n in (numbers(tokens) if found is None else found)}
    words: list[str] = []
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(tokens):
        number = by_start.get(at)
        end = number.end if number else at + 1
        words.append(_figure(number) if number else _word(tokens[at], preferred))
        spans.append((at, end))
        at = end
    offsets, offset = [], 0
    for word in words:
        offsets.append(offset)
        offset += len(word) + 1
    return Line(" ".join(words), tuple(spans), tuple(offsets))


def _figure(number: Number) -> str:
    value = int(number.value) if number.value == int(number.value) else number.value
    return f"{'@' if number.ordinal else '#'}{value}"


def _word(token: Token, preferred: Collection[str]) -> str:
    if token.norm in preferred:
        return token.norm
    return next((lemma for lemma in sorted(token.lemmas) if lemma in preferred), token.lemma)
