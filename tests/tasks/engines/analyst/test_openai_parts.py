"""Long calls: nothing is cut, and what lies in different parts comes together again."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest

from checklists.definitions import Checklist, Table
from checklists.transcript import Transcript
from core.settings import Settings
from tasks.engines.analyst.openai import OpenAIAnalyst
from tasks.engines.analyst.openai.case import case
from tasks.engines.analyst.openai.errors import BudgetTooSmall
from tasks.engines.analyst.openai.parts import parts, tokens
from tests.peers.llm_peer import Asked, LlmPeer, good, judge
from tests.peers.talks import MONDAY, SALE, talk

WORDS = ("мы", "обсудили", "с", "коллегами", "условия", "доставки", "и", "решили", "что", "этот", "вариант", "нам", "вполне", "подходит")


def chatter(lines: int, words: int = 20, seed: int = 1) -> list[str]:
    """Talk about nothing."""
    dice = random.Random(seed)
    return [f"{'МК'[i % 2]}: {' '.join(dice.choices(WORDS, k=words))} {i}" for i in range(lines)]


def long_sale(lines: int = 100) -> Transcript:
    """A sale with much talk between its halves."""
    return talk(*SALE[:8], *chatter(lines), *SALE[8:])


@pytest.fixture
def peer() -> Iterator[LlmPeer]:
    with LlmPeer() as peer:
        yield peer


def engine(peer: LlmPeer, **more: Any) -> OpenAIAnalyst:
    return OpenAIAnalyst(Settings(llm_url=peer.url, **more))


def checklist(*stages: dict[str, Any]) -> Checklist:
    return Checklist.model_validate({"id": "c", "name": "Список", "stages": list(stages)})


def stage(stage_id: str, *examples: str, **more: Any) -> dict[str, Any]:
    criteria = [{"id": f"{stage_id}{i}", "ask": example, "examples": [example]} for i, example in enumerate(examples)]
    return {"id": stage_id, "name": stage_id, "criteria": criteria, **more}


class TestParts:
    @pytest.mark.parametrize("limit", [2000, 5000, 100_000])
    def test_every_word_is_in_some_part_and_every_part_fits(self, limit: int) -> None:
        conversation = case(long_sale(), hide=False, secret=b"x")
        cut = parts(conversation, 300, limit)
        seen = {line for part in cut for line in part.lines}
        assert seen == {line for n in range(len(conversation.shown.texts)) for line in conversation.lines(n, 10_000)}
        assert all(sum(map(tokens, part.lines)) <= limit for part in cut)
        assert [part.number for part in cut] == list(range(1, cut[0].count + 1))

    def test_parts_overlap(self) -> None:
        cut = parts(case(long_sale(), hide=False, secret=b"x"), 300, 2000)
        assert len(cut) > 3
        assert all(set(one.numbers) & set(other.numbers) for one, other in itertools.pairwise(cut))

    def test_one_endless_utterance_keeps_its_number_and_all_its_words(self) -> None:
        monologue = " ".join(f"слово{i}" for i in range(5000))
        cut = parts(case(talk("М: Алло.", f"К: {monologue}", "М: Да."), hide=False, secret=b"x"), 300, 2000)
        text = " ".join(line for part in cut for line in part.lines)
        assert all(f"слово{i}" in text for i in range(5000))
        assert {n for part in cut for n in part.numbers} == {0, 1, 2}

    def test_a_word_longer_than_a_part_is_cut_too(self) -> None:
        cut = parts(case(talk(f"М: {'а' * 50_000}"), hide=False, secret=b"x"), 300, 2000)
        assert sum(line.count("а") for part in cut for line in part.lines) >= 50_000

    def test_a_definition_that_leaves_no_room_is_refused(self) -> None:
        with pytest.raises(BudgetTooSmall, match="ROP_LLM_INPUT_TOKENS"):
            parts(case(long_sale(), hide=False, secret=b"x"), 5900, 6000)

    def test_forty_five_minutes_fit_in_one_part_by_default(self) -> None:
        minutes, words_a_minute = 45, 130
        transcript = talk(*chatter(minutes * words_a_minute // 10, words=9))
        assert len(parts(case(transcript, hide=True, secret=b"x"), 3000, Settings().llm_input_tokens)) == 1


class TestLongCalls:
    def test_what_is_met_in_any_part_is_met(self, peer: LlmPeer) -> None:
        both = checklist(
            stage("task", "какую задачу вы хотите решить"),
            stage("price", "Стоимость пятнадцать тысяч рублей"),
            stage("no", "Подарим ящик апельсинов"),
        )
        findings = engine(peer, llm_input_tokens=4000).check(long_sale(), both, MONDAY)
        assert [f.criteria[0].met for f in findings.stages] == [True, True, False]
        assert [f.criteria[0].evidence for f in findings.stages[:2]] == [(2,), (108,)]
        assert findings.usage.requests == len(peer.asked) > 2
        assert "Это часть 2 из" in peer.asked[1].user

    def test_criteria_of_one_stage_may_be_met_in_different_parts(self, peer: LlmPeer) -> None:
        one = checklist(stage("both", "какую задачу вы хотите решить", "Стоимость пятнадцать тысяч рублей"))
        findings = engine(peer, llm_input_tokens=4000).check(long_sale(), one, MONDAY)
        assert [c.met for c in findings.stages[0].criteria] == [True, True]

    def test_a_stage_is_asked_only_where_its_window_lies(self, peer: LlmPeer) -> None:
        ends = checklist(
            stage("hello", "Добрый день! Меня зовут", window={"first_utterances": 5}),
            stage("bye", "Спасибо за звонок, всего доброго", window={"last_utterances": 5}),
        )
        findings = engine(peer, llm_input_tokens=4000).check(long_sale(), ends, MONDAY)
        assert [f.criteria[0].met for f in findings.stages] == [True, True]
        assert [[s["stage_id"] for s in asked.rubric["stages"]] for asked in peer.asked] == [["hello"], ["bye"]]

    def test_an_occasion_in_one_part_makes_the_stage_count(self, peer: LlmPeer) -> None:
        asked = checklist(stage("objection", "А с чем сравниваете", applies_ask="Дорого, я подумаю"))
        findings = engine(peer, llm_input_tokens=4000).check(long_sale(), asked, MONDAY)
        assert findings.stages[0].applicable
        assert findings.stages[0].criteria[0].met

    def test_an_occasion_in_no_part_leaves_it_out(self, peer: LlmPeer) -> None:
        asked = checklist(stage("objection", "А с чем сравниваете", applies_ask="Ужасный грохочущий водопад"))
        assert not engine(peer, llm_input_tokens=4000).check(long_sale(), asked, MONDAY).stages[0].applicable

    def test_of_two_values_the_surer_wins_and_the_later_of_equals(self, peer: LlmPeer) -> None:
        def prices(asked: Asked) -> dict[str, Any]:
            answer = judge(asked)
            if any(line.number == 2 for line in asked.lines):
                answer["fields"][0]["confidence"] = early
            return answer

        table = Table.model_validate({"id": "t", "name": "Т", "fields": [{"name": "n", "type": "integer", "title": "Число"}]})
        transcript = talk("М: Алло.", "К: Да.", "М: Нужно 3 штуки.", *chatter(100), "К: Нет, нужно 7 штук.")
        peer.replies = [good(prices)]
        analyst = engine(peer, llm_input_tokens=4000)
        early = 0.95
        assert analyst.extract(transcript, table, MONDAY).fields[0].value == 3
        early = 0.5
        assert analyst.extract(transcript, table, MONDAY).fields[0].value != 3

    def test_lists_of_all_parts_are_joined(self, peer: LlmPeer) -> None:
        field = {"name": "n", "type": "list", "values": ["грузовик", "кран"]}
        table = Table.model_validate({"id": "t", "name": "Т", "fields": [field]})
        transcript = talk("М: Алло.", "К: Нужен грузовик.", *chatter(100), "К: И ещё кран.")
        assert engine(peer, llm_input_tokens=4000).extract(transcript, table, MONDAY).fields[0].value == ["грузовик", "кран"]
