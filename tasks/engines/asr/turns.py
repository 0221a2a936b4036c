"""Words into turns: never by the recogniser's segments, which glue what lies between two speakers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from checklists.transcript import Word

# Between sentences of one turn there are up to 0.9 s without speech; any pause from 0.95 to 1.2 s gives the same turns (docs/adr).
PAUSE_SECONDS = 1.0
# While the other party speaks, a breath is enough to end a turn.
BREATH_SECONDS = 0.3
# Longer monologues are cut at the end of a sentence, so that a quote stays readable.
LONG_SECONDS = 30.0
SENTENCE_ENDS = (".", "?", "!", "…")


@dataclass(frozen=True)
class Turn:
    """Words of one party in one go; `party` 0 or 1 (None: cannot be told), `sure` 0 to 1."""

    channel: int | None
    party: int | None
    words: tuple[Word, ...]
    sure: float = 1.0

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return max(word.end for word in self.words)

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def turns(words: Sequence[Word], others: Sequence[Word]) -> list[tuple[Word, ...]]:
    """Runs of one party's words in order of time, cut where it pauses; `others` are the words of the other party."""
    middles = sorted((word.start + word.end) / 2 for word in others)
    runs: list[list[Word]] = []
    for word in sorted(words, key=lambda w: w.start):
        if runs and not _ends_turn(runs[-1], word, middles):
            runs[-1].append(word)
        else:
            runs.append([word])
    return [tuple(run) for run in runs]


def merged(parts: Iterable[Turn]) -> list[Turn]:
    """All turns in order of time; overlaps stay."""
    return sorted(parts, key=lambda turn: (turn.start, turn.end))


def _ends_turn(run: Sequence[Word], word: Word, middles: Sequence[float]) -> bool:
    gap = word.start - run[-1].end
    if gap >= PAUSE_SECONDS:
        return True
    if gap >= BREATH_SECONDS and _within(middles, run[-1].end, word.start):
        return True
    return word.start - run[0].start > LONG_SECONDS and run[-1].text.endswith(SENTENCE_ENDS)


def _within(middles: Sequence[float], start: float, end: float) -> bool:
    place = bisect_left(middles, start)
    return place < len(middles) and middles[place] <= end
