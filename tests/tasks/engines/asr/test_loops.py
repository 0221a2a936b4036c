"""Circles are cut; what people do repeat stays."""

from __future__ import annotations

import pytest

from checklists.transcript import Word
from tasks.engines.asr.loops import loops, unlooped


def words(text: str) -> list[Word]:
    return [Word(start=i, end=i + 1, text=token) for i, token in enumerate(text.split())]


@pytest.mark.parametrize(
    "text",
    ["да да да", "алло алло алло алло", "да, да, да, хорошо, хорошо", "в пятницу, в пятницу, в три", "до свидания, до свидания", ""],
)
def test_people_may_repeat_themselves(text: str) -> None:
    assert not loops(text.split())
    assert unlooped(words(text)) == words(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("начало " + "да " * 40 + "конец", 8),
        ("в пятницу " * 30, 8),
        ("и так далее, " * 20, 9),
        ("это очень длинная фраза из восьми слов подряд " * 6, 24),
    ],
)
def test_a_circle_is_cut_to_what_a_person_might_say(text: str, kept: int) -> None:
    assert loops(text.split())
    assert len(unlooped(words(text))) == kept
