"""Figures of a talk whose answers can be counted by hand."""

from __future__ import annotations

import pytest

from checklists.transcript import Speaker, Utterance
from tasks.engines.asr.metrics import talk_metrics

LATE = 0.1  # word ends come this late, and the metrics know it


def said(*lines: tuple[float, float, Speaker, str]) -> list[Utterance]:
    return [Utterance(id=i, start=a, end=b + LATE, speaker=who, text=text) for i, (a, b, who, text) in enumerate(lines)]


CALL = said(
    (0.0, 10.0, "manager", "раз два три четыре пять шесть семь восемь девять десять"),
    (11.0, 16.0, "customer", "да нет не знаю?"),
    (15.0, 20.0, "manager", "позвольте перебить вас тут"),
    (20.0, 20.5, "customer", "угу"),
    (21.0, 30.0, "manager", "и ещё"),
)


def test_shares_of_a_talk() -> None:
    metrics = talk_metrics(CALL, 40.0)
    assert metrics["talk"] == {"manager": pytest.approx(24.0), "customer": pytest.approx(5.5), "unknown": 0}
    assert metrics["talk_ratio"] == pytest.approx(24 / 29.5, abs=0.001)
    assert metrics["silence_share"] == pytest.approx(11.5 / 40, abs=0.001)
    assert metrics["longest_silence"] == pytest.approx(10.0)
    assert metrics["overlap"] == pytest.approx(1.0)
    assert metrics["switches"] == 4
    assert metrics["questions"]["customer"] == 1
    assert metrics["words"] == {"manager": 16, "customer": 5, "unknown": 0}


def test_an_interruption_breaks_in_and_goes_on() -> None:
    assert talk_metrics(CALL, 40.0)["interruptions"] == {"manager": 1, "customer": 0}
    backchannel = said((0.0, 10.0, "manager", "раз два"), (5.0, 5.4, "customer", "угу"))
    assert talk_metrics(backchannel, 10.0)["interruptions"] == {"manager": 0, "customer": 0}


def test_a_monologue_goes_on_over_a_word_of_agreement() -> None:
    assert talk_metrics(CALL, 40.0)["longest_monologue"]["manager"] == pytest.approx(15.0)


def test_pace_and_reaction() -> None:
    metrics = talk_metrics(CALL, 40.0)
    assert metrics["words_per_minute"]["manager"] == pytest.approx(16 / 24 * 60, abs=0.1)
    assert metrics["words_per_minute"]["unknown"] is None
    assert metrics["reaction"] == {"manager": pytest.approx(0.25), "customer": pytest.approx(0.5)}


def test_quarters_add_up_to_the_call() -> None:
    metrics = talk_metrics(CALL, 40.0)
    assert len(metrics["quarters"]) == 4
    for who in ("manager", "customer"):
        assert sum(quarter["talk"][who] for quarter in metrics["quarters"]) == pytest.approx(metrics["talk"][who], abs=0.02)
        assert sum(quarter["interruptions"][who] for quarter in metrics["quarters"]) == metrics["interruptions"][who]
    assert metrics["quarters"][3]["silence_share"] == 1.0


def test_a_call_without_a_word_has_figures_too() -> None:
    metrics = talk_metrics([], 12.0)
    assert metrics["talk_ratio"] is None
    assert metrics["silence_share"] == 1.0
    assert metrics["longest_silence"] == 12.0
    assert talk_metrics([], 0.0)["duration"] == 0.0
