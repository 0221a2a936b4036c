"""Invented credits and captions go; the same words from a person stay."""

from __future__ import annotations

import pytest

from checklists.transcript import Word
from tasks.engines.asr.phantoms import invented, machine_only, plain, spoken


def words(text: str, confidence: float = 0.9) -> list[Word]:
    return [Word(start=i, end=i + 1, text=token, confidence=confidence) for i, token in enumerate(text.split())]


@pytest.mark.parametrize(
    ("heard", "left"),
    [
        ("Редактор субтитров А.Синецкая Корректор А.Егорова", ""),
        ("Да, конечно. Редактор субтитров А. Семкин Корректор А. Егорова", "Да, конечно."),
        ("Продолжение следует...", ""),
        ("Субтитры сделал DimaTorzok", ""),
        ("Субтитры создавал DimaTorzok Спасибо.", "Спасибо."),
        ("Наш редактор пришлёт корректуру", "Наш редактор пришлёт корректуру"),
        ("Продолжим в пятницу", "Продолжим в пятницу"),
    ],
)
def test_credits_are_dropped_wherever_they_stand(heard: str, left: str) -> None:
    assert " ".join(word.text for word in spoken(words(heard))) == left


@pytest.mark.parametrize("text", ["СПОКОЙНАЯ МУЗЫКА", "ТЕЛЕФОННЫЙ ЗВОНОК", "Спасибо за просмотр!", "Динамичная музыка", "..."])
def test_a_caption_alone_is_invented(text: str) -> None:
    assert invented(words(text), no_speech=0.1)


@pytest.mark.parametrize("text", ["Спасибо за внимание.", "Музыка", "Гудки"])
def test_what_people_say_needs_the_recognisers_own_doubt(text: str) -> None:
    assert not invented(words(text), no_speech=0.1)
    assert invented(words(text), no_speech=0.8)
    assert invented(words(text, confidence=0.2), no_speech=0.1)


@pytest.mark.parametrize("text", ["Включилась музыка ожидания, перезвоните.", "ООО", "Да", "Спасибо", "До свидания"])
def test_speech_is_not_a_caption(text: str) -> None:
    assert not invented(words(text), no_speech=0.9)


def test_an_answering_machine_alone_is_not_a_conversation() -> None:
    voicemail = "Абонент временно недоступен. Пожалуйста, оставьте сообщение после звукового сигнала."
    assert machine_only([voicemail])
    assert machine_only([voicemail, "Алло?"])
    assert not machine_only([voicemail, "Добрый день, это компания Вектор, перезвоните нам, пожалуйста, по поводу заявки."])
    assert not machine_only(["Оставьте сообщение на сайте, и мы ответим."])
    assert not machine_only([])


def test_plain_text_has_neither_case_nor_signs() -> None:
    assert plain("Ещё  раз: «Алло»?!") == "еще раз алло"
