"""Which of two parties is the manager: what the CRM says, else what managers say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from tasks.engines.asr.phantoms import plain
from tasks.engines.asr.turns import Turn

# Points for a party, found by what each side of a sales call says; margins between right and wrong are an order apart.
_MANAGER = (
    (
        3.0,
        re.compile(
            r"(?:меня|мое имя) (?:зовут )?\w+(?: \w+){0,6} компани|компани\w*(?: \w+){0,5} меня зовут|вас (?:приветствует|беспокоит)"
        ),
    ),
    (2.0, re.compile(r"как (?:я )?(?:могу )?к вам (?:могу )?(?:обращаться|обратиться)|чем (?:я )?могу (?:вам )?(?:помочь|быть полез)")),
    (2.0, re.compile(r"вы оставл\w+(?: \w+){0,3} заявк|(?:вам )?удобно (?:сейчас |вам )?(?:говорить|разговаривать)")),
    (
        1.0,
        re.compile(r"меня зовут|наша компания|мы предлагаем|могу (?:вам )?предложить|для вас|подскажите пожалуйста|расскажите пожалуйста"),
    ),
    (
        1.0,
        re.compile(r"я (?:вам )?(?:отправлю|вышлю|подготовлю|перезвоню|подберу)|давайте (?:я|договоримся|назначим|подберем)|ваш менеджер"),
    ),
)
_CUSTOMER = (
    (
        2.0,
        re.compile(
            r"(?:хочу|хотел\w*) (?:бы )?(?:узнать|уточнить|купить|заказать)|у меня (?:такой )?вопрос|сколько (?:это )?(?:будет )?стоит"
        ),
    ),
    (1.0, re.compile(r"(?:слишком )?дорого|я подумаю|мне (?:не )?(?:нужно|интересно)|у вас (?:есть|можно)|пришлите(?: мне)?|перезвоните")),
)
QUESTION, MOST_QUESTIONS = 0.4, 5
SHARE = 2.0
FIRST = {"in": 1.5, "out": 0.0, None: 0.5}
# A margin of this many points was never wrong on the measured calls; below it the guess is marked as one.
SURE_MARGIN = 5.0
# UNSURE stays above `checklists.transcript.SURE_SPEAKER`: channels that are told apart for sure keep the speaker rule of scoring,
# for without it the customer's words would count as the manager's. Only a blind guess gives that rule up.
SURE, UNSURE, BLIND = 0.8, 0.65, 0.3


def manager_party(turns: Sequence[Turn], direction: Literal["in", "out"] | None) -> tuple[int, float]:
    """The party (0 or 1) that talks like a manager, and how sure that is, 0 to 1."""
    points = [_points(turns, party, direction) for party in (0, 1)]
    margin = abs(points[0] - points[1])
    winner = 0 if points[0] >= points[1] else 1
    if margin >= SURE_MARGIN:
        return winner, SURE
    return (winner, UNSURE) if margin >= 1 else (winner, BLIND)


def _points(turns: Sequence[Turn], party: int, direction: Literal["in", "out"] | None) -> float:
    own = [turn.text for turn in turns if turn.party == party]
    text = plain(" ".join(own))
    words = sum(len(turn.words) for turn in turns) or 1
    asked = min(sum(line.count("?") for line in own), MOST_QUESTIONS)
    first = FIRST[direction] if turns and turns[0].party == party else 0.0
    said = sum(w * len(p.findall(text)) for w, p in _MANAGER) - sum(w * len(p.findall(text)) for w, p in _CUSTOMER)
    return said + QUESTION * asked + SHARE * len(text.split()) / words + first
