"""The engine on whole calls: rules of a definition, windows, abstentions, confidence, and work without the encoder."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checklists.definitions import Checklist, Table
from checklists.detectors import DETECTORS
from checklists.findings import Findings, StageFinding
from checklists.loader import builtin
from core.settings import Settings
from tasks.engines.analyst.rules import RulesAnalyst
from tasks.engines.analyst.rules.pack import PACK
from tasks.engines.analyst.rules.text import row
from tests.peers.talks import MONDAY, SALE, sale, talk

PLAIN = RulesAnalyst(Settings(), encoder=False)
TABLE = next(d for d in builtin() if isinstance(d, Table) and d.id == "TBL_1755863365")
SALES = next(d for d in builtin() if isinstance(d, Checklist) and d.id == "sales")


@pytest.fixture(scope="module", params=[True, False], ids=["with vectors", "words alone"])
def analyst(request: pytest.FixtureRequest) -> RulesAnalyst:
    return RulesAnalyst(Settings(), encoder=request.param)


def checklist(**stage: Any) -> Checklist:
    criteria = stage.pop("criteria")
    return Checklist.model_validate({"id": "x", "name": "X", "stages": [{"id": "s", "name": "S", "criteria": criteria} | stage]})


def only(findings: Findings) -> StageFinding:
    return findings.stages[0]


def test_the_pack_has_exactly_the_published_names() -> None:
    assert set(PACK) == set(DETECTORS)


class TestSales:
    def test_a_good_call_passes_with_the_right_utterances(self, analyst: RulesAnalyst) -> None:
        found = {s.stage_id: s.criteria[-1] for s in analyst.check(sale(), SALES, MONDAY).stages}
        assert all(c.met for c in found.values())
        assert found["needs"].evidence[0] == 2
        assert found["price"].evidence[0] == 8
        assert found["objection"].evidence[0] == 10

    def test_reasons_are_in_russian_and_say_what_was_heard(self, analyst: RulesAnalyst) -> None:
        found = {s.stage_id: s.criteria[-1].comment for s in analyst.check(sale(), SALES, MONDAY).stages}
        assert "Стоимость пятнадцать тысяч" in found["price"]

    def test_a_refusal_to_name_the_price_is_named(self, analyst: RulesAnalyst) -> None:
        call = talk("К: Здравствуйте, сколько стоит?", "М: Цену по телефону не назову, только после замера.", "К: Понятно, до свидания.")
        price = next(s for s in analyst.check(call, SALES, MONDAY).stages if s.stage_id == "price").criteria[0]
        assert not price.met
        assert "не назову" in price.comment

    def test_a_sum_of_the_customer_is_no_price(self, analyst: RulesAnalyst) -> None:
        call = talk("К: Здравствуйте, у вас ведь двадцать тысяч рублей стоит?", "М: Посмотрите на сайте.", "К: Хорошо, до свидания.")
        price = next(s for s in analyst.check(call, SALES, MONDAY).stages if s.stage_id == "price").criteria[0]
        assert not price.met
        assert "только клиент" in price.comment

    def test_nobody_objects_so_the_stage_is_left_out(self, analyst: RulesAnalyst) -> None:
        call = talk(*(line for line in SALE if "Дорого" not in line and "сравниваете" not in line))
        assert not next(s for s in analyst.check(call, SALES, MONDAY).stages if s.stage_id == "objection").applicable

    def test_a_name_of_the_staff_list_is_the_managers(self, analyst: RulesAnalyst) -> None:
        call = talk("М: Добрый день, Рада!", "К: Здравствуйте, мне нужна лестница.", "М: Слушаю вас внимательно.")
        known = replace(MONDAY, manager_names=("Рада Ким",))
        met = [analyst.check(call, SALES, c).stages[0].criteria[1].met for c in (MONDAY, known)]
        assert met == [False, True]

    @pytest.mark.parametrize("answer", ["К: Нет, не надо, я сам позвоню.", "К: Нет, не получится."])
    def test_a_step_that_was_refused_is_none(self, answer: str, analyst: RulesAnalyst) -> None:
        call = talk(
            "М: Добрый день!", "К: Здравствуйте.", "М: Давайте мастер приедет во вторник в десять?", answer, "М: Хорошо, до свидания."
        )
        assert not next(s for s in analyst.check(call, SALES, MONDAY).stages if s.stage_id == "next_step").criteria[0].met


class TestDefinitions:
    def test_phrases_are_found_in_any_form_and_not_when_denied(self, analyst: RulesAnalyst) -> None:
        wanted = checklist(criteria=[{"id": "c", "ask": "Предложил рассрочку", "rule": {"any": ["рассрочка"]}, "semantic": False}])
        assert only(analyst.check(talk("М: Можем оформить в рассрочку на год.", "К: Да, хорошо."), wanted, MONDAY)).criteria[0].met
        assert not only(analyst.check(talk("М: К сожалению, без рассрочки, только сразу.", "К: Да."), wanted, MONDAY)).criteria[0].met

    def test_every_condition_must_hold(self, analyst: RulesAnalyst) -> None:
        rule = {"any": ["доставка"], "none": ["не знаю"], "question": False, "entity": "money", "min_words": 4}
        wanted = checklist(criteria=[{"id": "c", "ask": "Назвал цену доставки", "rule": rule, "semantic": False}])
        said = {
            "М: Доставка по городу пятьсот рублей.": True,
            "М: Доставка бесплатная по всему городу.": False,
            "М: Доставка пятьсот, хотя точно не знаю.": False,
            "М: Вам доставка за пятьсот рублей подойдёт?": False,
        }
        found = {line: only(analyst.check(talk(line, "К: Понятно, спасибо большое."), wanted, MONDAY)).criteria[0].met for line in said}
        assert found == said

    def test_regular_expressions(self, analyst: RulesAnalyst) -> None:
        wanted = checklist(criteria=[{"id": "c", "ask": "Назвал ГОСТ", "rule": {"any": [r"re:гост\s*\d+"]}, "semantic": False}])
        assert only(analyst.check(talk("М: Делаем по ГОСТ 30674, всё официально.", "К: Ясно."), wanted, MONDAY)).criteria[0].met

    def test_a_window_counts_turns(self, analyst: RulesAnalyst) -> None:
        rule = {"criteria": [{"id": "c", "ask": "Сказал о гарантии", "rule": {"any": ["гарантия"]}, "semantic": False}]}
        call = talk("М: Добрый день.", "К: Здравствуйте.", "М: Что вас интересует сегодня?", "К: Насос.", "М: Гарантия на него три года.")
        assert only(analyst.check(call, checklist(**rule, window={"last_utterances": 2}), MONDAY)).criteria[0].met
        assert not only(analyst.check(call, checklist(**rule, window={"first_utterances": 2}), MONDAY)).criteria[0].met

    def test_a_stage_after_another_one(self, analyst: RulesAnalyst) -> None:
        discount = {"id": "c", "ask": "Сказал о скидке", "rule": {"any": ["скидка"]}, "semantic": False}
        term = {"id": "c", "ask": "Назвал срок", "rule": {"any": ["срок"]}, "semantic": False}
        late = {"id": "late", "name": "L", "window": {"after_stage": "early"}, "criteria": [discount]}
        stages = [late, {"id": "early", "name": "E", "criteria": [term]}]
        wanted = Checklist.model_validate({"id": "x", "name": "X", "stages": stages})
        after, before = (
            ("М: Срок поставки неделя.", "К: Понял.", "М: Дам скидку."),
            ("М: Дам скидку.", "К: Понял.", "М: Срок поставки неделя."),
        )
        assert only(analyst.check(talk(*after), wanted, MONDAY)).criteria[0].met
        assert not only(analyst.check(talk(*before), wanted, MONDAY)).criteria[0].met

    def test_a_question_alone_is_scored_with_little_confidence(self, analyst: RulesAnalyst) -> None:
        wanted = checklist(
            criteria=[{"id": "c", "ask": "Менеджер рассказал, как доставляют заказ", "examples": ["Привезём курьером за два дня до двери"]}]
        )
        call = talk(
            "М: Добрый день, слушаю вас.",
            "К: Здравствуйте, вы возите в Казань?",
            "М: Да, привезём курьером прямо до двери за три дня.",
            "К: Отлично, спасибо.",
        )
        found = only(analyst.check(call, wanted, MONDAY)).criteria[0]
        assert found.met
        assert found.evidence[0] == 2
        assert found.confidence <= 0.6


class TestFairness:
    @pytest.mark.parametrize(
        ("call", "told"),
        [
            (talk("К: Алло."), "слишком короткий"),
            (talk("М: Good morning, this is Anna from Mayak company.", "К: Hello, how much is it?"), "не на русском"),
            (talk(*("К" + line[1:] for line in SALE)), "Реплик менеджера"),
        ],
        ids=["one word", "another language", "no manager"],
    )
    def test_what_cannot_be_judged_is_left_out_with_a_reason(self, call: Any, told: str, analyst: RulesAnalyst) -> None:
        stages = analyst.check(call, SALES, MONDAY).stages
        assert not any(s.applicable for s in stages)
        assert all(told in s.comment for s in stages)

    def test_doubtful_speakers_lower_the_confidence(self, analyst: RulesAnalyst) -> None:
        sure, doubtful = (analyst.check(talk(*SALE, speaker_confidence=c), SALES, MONDAY) for c in (1.0, 0.3))
        assert max(s.confidence for s in doubtful.stages) < max(s.confidence for s in sure.stages)
        assert "unsure_speakers" in doubtful.flags

    def test_the_same_call_gets_the_same_verdicts_from_many_threads(self, analyst: RulesAnalyst) -> None:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: analyst.check(sale(), SALES, MONDAY).stages, range(16)))
        assert all(stages == found[0] for stages in found)

    def test_who_judged_is_told(self, analyst: RulesAnalyst) -> None:
        usage = analyst.check(sale(), SALES, MONDAY).usage
        assert usage.engine == "rules"
        assert usage.model.startswith("rules-")


WORDS = st.sampled_from(
    row(
        "да нет в на до с от к без пол часа двадцать первого тысяч миллионов рублей утром вечером днём половина третьего 10:70 31.02 99 "
        "000 000 собака точка ру @ : . , ? « » — завтра понедельник меня зовут компания восемь девятьсот полтора сотни через после "
        "обеда - 👋 ё ъ"
    )
)


@given(st.lists(st.lists(WORDS, min_size=1, max_size=25).map(" ".join), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_no_words_break_it(lines: list[str]) -> None:
    call = talk(*(("М: " if i % 2 else "К: ") + line for i, line in enumerate(lines)))
    stages = PLAIN.check(call, SALES, MONDAY).stages
    fields = PLAIN.extract(call, TABLE, MONDAY).fields
    assert len(stages) == len(SALES.stages)
    assert all(f.value is not None or f.reason for f in fields)


def test_the_rubric_is_made_once_a_version() -> None:
    analyst = RulesAnalyst(Settings())
    wanted = checklist(criteria=[{"id": "c", "ask": "Менеджер рассказал, как доставляют заказ", "examples": ["Привезём курьером"]}])
    analyst.check(sale(), wanted, MONDAY)
    before = analyst.vectors_computed
    analyst.check(sale(), wanted, MONDAY)
    assert analyst.vectors_computed == before


def test_one_thread_does_all_the_work() -> None:
    analyst = RulesAnalyst(Settings())
    analyst.check(sale(), SALES, MONDAY)
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(4):
        analyst.check(talk(*(f"{line} {number}" for line in SALE)), SALES, MONDAY)
    assert time.process_time() - cpu <= 1.05 * (time.perf_counter() - wall)
