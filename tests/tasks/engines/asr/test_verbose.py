"""The dialects of `verbose_json`."""

from __future__ import annotations

import pytest

from core.errors import PermanentError
from tasks.engines.asr.verbose import heard


def segment(text: str, start: float = 0.0, end: float = 3.0, **more: object) -> dict[str, object]:
    return {"text": text, "start": start, "end": end, **more}


def test_words_get_the_punctuation_of_their_segments() -> None:
    words = [{"word": w, "start": i, "end": i + 0.8} for i, w in enumerate(("Добрый", "день", "Анна"))]
    result = heard(
        {"text": "Добрый день, Анна!", "language": "russian", "words": words, "segments": [segment("Добрый день, Анна!")]}, None, 3.0
    )
    assert [word.text for word in result.words] == ["Добрый", "день,", "Анна!"]
    assert [word.start for word in result.words] == [0, 1, 2]
    assert result.language == "ru"


def test_a_word_that_the_segments_spell_otherwise_stays_as_it_is() -> None:
    words = [{"word": w, "start": i, "end": i + 0.8} for i, w in enumerate(("ровно", "пять", "тысяч"))]
    result = heard({"text": "", "words": words, "segments": [segment("Ровно 5000, тысяч.")]}, "ru", 3.0)
    assert [word.text for word in result.words] == ["Ровно", "пять", "тысяч."]


def test_words_may_lie_inside_segments_with_their_own_probability() -> None:
    inside = [{"word": " да", "start": 0.1, "end": 0.4, "probability": 0.7}]
    result = heard({"text": "да", "language": "ru", "segments": [segment("да", words=inside)]}, None, 3.0)
    assert [(word.text, word.confidence) for word in result.words] == [("да", 0.7)]


def test_segments_alone_give_words_a_share_of_their_time() -> None:
    result = heard({"text": "раз два", "segments": [segment("раз два", 1.0, 3.0, avg_logprob=-0.5)]}, "ru", 3.0)
    assert [(word.start, word.end) for word in result.words] == [(1.0, 2.0), (2.0, 3.0)]
    assert result.words[0].confidence == pytest.approx(0.607, abs=0.001)


def test_a_segment_in_which_nobody_speaks_is_dropped() -> None:
    silent = segment("Субтитры", no_speech_prob=0.9, avg_logprob=-1.2)
    word = {"word": "Субтитры", "start": 0.0, "end": 1.0}
    assert heard({"text": "Субтитры", "segments": [silent]}, "ru", 3.0).words == ()
    assert heard({"text": "Субтитры", "segments": [silent], "words": [word]}, "ru", 3.0).words == ()


def test_times_stay_inside_the_clip() -> None:
    words = [{"word": "раз", "start": 1.0, "end": 9.0}, {"word": "два", "start": 7.0, "end": 8.0}]
    assert [(w.start, w.end) for w in heard({"text": "", "words": words, "segments": []}, "ru", 3.0).words] == [(1.0, 3.0)]


@pytest.mark.parametrize("body", [None, [], "text", {"text": "без времени"}, {"text": "a", "segments": [{"text": "a"}]}])
def test_an_answer_without_times_is_refused(body: object) -> None:
    with pytest.raises(PermanentError):
        heard(body, "ru", 3.0)


def test_an_empty_answer_is_silence() -> None:
    assert heard({"text": "", "segments": []}, "ru", 3.0).words == ()
