"""The manager is told by what managers say, whoever speaks first."""

from __future__ import annotations

from typing import Literal

import pytest

from checklists.transcript import SURE_SPEAKER, Word
from tasks.engines.asr.roles import manager_party
from tasks.engines.asr.turns import Turn


def dialogue(*lines: tuple[int, str]) -> list[Turn]:
    turns = []
    for i, (party, text) in enumerate(lines):
        words = tuple(Word(start=i * 10 + j * 0.3, end=i * 10 + j * 0.3 + 0.2, text=token) for j, token in enumerate(text.split()))
        turns.append(Turn(party, party, words))
    return turns


OUTGOING = (
    (1, "Алло?"),
    (0, "Добрый день! Компания Вектор Софт, меня зовут Анна. Вы оставляли заявку на сайте, вам удобно разговаривать?"),
    (1, "Да, удобно, только недолго."),
    (0, "Подскажите, пожалуйста, как я могу к вам обращаться? Я подготовлю для вас предложение."),
    (1, "Сергей. Сколько это стоит? Мне кажется, это дорого, я подумаю."),
)
INCOMING = (
    (0, "Здравствуйте, компания Ромашка, менеджер Олег, чем могу помочь?"),
    (1, "Здравствуйте, я хотел бы узнать, сколько стоит доставка. У меня такой вопрос, у вас можно оплатить картой?"),
    (0, "Да, конечно. Как к вам можно обращаться? Давайте я перезвоню и вышлю расчёт."),
)


@pytest.mark.parametrize(("lines", "direction"), [(OUTGOING, "out"), (OUTGOING, None), (INCOMING, "in"), (INCOMING, None)])
def test_greeting_and_offers_betray_the_manager(lines: tuple[tuple[int, str], ...], direction: Literal["in", "out"] | None) -> None:
    party, sure = manager_party(dialogue(*lines), direction)
    assert party == 0
    assert SURE_SPEAKER <= sure < 1
    swapped = dialogue(*((1 - who, text) for who, text in lines))
    assert manager_party(swapped, direction) == (1, sure)


def test_small_talk_is_a_guess() -> None:
    _, sure = manager_party(dialogue((0, "Да."), (1, "Да, да."), (0, "Хорошо.")), None)
    assert sure < SURE_SPEAKER


def test_nobody_said_anything() -> None:
    assert manager_party([], None)[1] < SURE_SPEAKER
