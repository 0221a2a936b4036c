"""Conversations for tests, written as people read them: «М: …» is the manager, «К: …» the customer, «?: …» nobody knows who."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from checklists.transcript import Speaker, Transcript, Utterance
from tasks.engines.analyst import Context

WHO: dict[str, Speaker] = {"М": "manager", "К": "customer", "?": "unknown"}
MONDAY = Context(at=datetime(2025, 8, 18, 14, 5, tzinfo=ZoneInfo("Europe/Moscow")), time_zone="Europe/Moscow")

SALE = (
    "М: Добрый день! Меня зовут Анна, компания «Маяк».",
    "К: Здравствуйте.",
    "М: Расскажите, какую задачу вы хотите решить?",
    "К: Теряем заявки, администраторы ведут запись в тетради.",
    "М: Сколько человек будет работать и к какому сроку нужно запуститься?",
    "К: Двенадцать человек, к сентябрю.",
    "М: Система сама напоминает пациентам о записи, поэтому неявок становится меньше на треть.",
    "К: А сколько стоит?",
    "М: Стоимость пятнадцать тысяч рублей в месяц.",
    "К: Дорого, я подумаю.",
    "М: Понимаю. А с чем сравниваете? В эту цену уже входят настройка и обучение.",
    "К: Ладно. Мой телефон восемь девятьсот семнадцать двести тридцать четыре пятьдесят шесть семьдесят восемь.",
    "М: Записала. Тогда созвонимся в четверг, 21 августа, в одиннадцать.",
    "К: Хорошо, договорились.",
    "М: Спасибо за звонок, всего доброго!",
)


def talk(*lines: str, step: float = 5.0, speaker_confidence: float = 1.0) -> Transcript:
    """The transcript of these lines, one every `step` seconds."""
    utterances = tuple(
        Utterance(
            id=i,
            start=i * step + 1,
            end=(i + 1) * step,
            speaker=WHO[line[0]],
            text=line[3:],
            speaker_confidence=speaker_confidence,
        )
        for i, line in enumerate(lines)
    )
    return Transcript(utterances=utterances, duration=len(lines) * step)


def sale(*more: str, at: int | None = None) -> Transcript:
    """A good sale, with further lines put in at place `at` or at the end."""
    place = len(SALE) if at is None else at
    return talk(*SALE[:place], *more, *SALE[place:])
