"""Words become turns by pauses and by the other party, and stay in order of time."""

from __future__ import annotations

from checklists.transcript import Word
from tasks.engines.asr.turns import Turn, merged, turns


def words(*spans: tuple[float, float], text: str = "слово") -> list[Word]:
    return [Word(start=start, end=end, text=text) for start, end in spans]


def test_a_pause_ends_a_turn() -> None:
    assert [len(run) for run in turns(words((0, 0.5), (0.6, 1.0), (2.1, 2.4)), [])] == [2, 1]


def test_a_breath_ends_a_turn_only_when_the_other_party_uses_it() -> None:
    own = words((0, 0.5), (1.0, 1.5))
    assert len(turns(own, [])) == 1
    assert len(turns(own, words((0.6, 0.9)))) == 2
    assert len(turns(own, words((1.1, 1.4)))) == 1


def test_a_long_monologue_is_cut_at_the_end_of_a_sentence() -> None:
    spans = [(i * 0.5, i * 0.5 + 0.45) for i in range(100)]
    own = [Word(start=a, end=b, text="конец." if i % 10 == 9 else "слово") for i, (a, b) in enumerate(spans)]
    runs = turns(own, [])
    assert len(runs) == 2
    assert runs[0][-1].text == "конец."


def test_turns_are_merged_by_their_start_and_overlaps_stay() -> None:
    left = Turn(0, 0, tuple(words((0, 1), (1, 4))))
    right = Turn(1, 1, tuple(words((2, 3))))
    assert merged([right, left]) == [left, right]
    assert (left.start, left.end, left.text) == (0, 4, "слово слово")
