"""Values of a table: the right one of several, its proof, and silence with a reason rather than a guess."""

from __future__ import annotations

from typing import Any

import pytest

from checklists.definitions import Table
from checklists.findings import FieldFinding
from core.settings import Settings
from tasks.engines.analyst.rules import RulesAnalyst
from tests.peers.talks import MONDAY, SALE, talk


@pytest.fixture(scope="module")
def analyst() -> RulesAnalyst:
    return RulesAnalyst(Settings())


def one(analyst: RulesAnalyst, field: dict[str, Any], *lines: str, **told: Any) -> FieldFinding:
    table = Table.model_validate({"id": "T", "name": "T", "fields": [{"name": "x"} | field]})
    found = analyst.extract(talk(*lines, **told), table, MONDAY).fields[0]
    assert (found.value is None) == bool(found.value is None and found.reason), "a null needs its reason"
    assert found.value is None or found.evidence, "a value needs its proof"
    return found


PRICE = {"type": "money", "speaker": "manager", "cues": ["стоимость", "цена", "выйдет"]}
BUDGET = {"type": "money", "speaker": "customer", "cues": ["бюджет", "рассчитываем"]}
USERS = {"type": "integer", "speaker": "customer", "cues": ["человек", "сотрудник", "пользователь"]}
PHONE = {"type": "phone", "speaker": "customer"}
CLIENT = {"type": "person", "speaker": "customer"}
PAY = {"type": "enum", "speaker": "customer", "values": ["карта", "наличные"], "synonyms": {"карта": ["картой", "безналично"]}}
STEP = {"type": "datetime", "title": "Дата следующего шага", "cues": ["созвонимся", "встреча", "пришлю"]}


class TestMoney:
    CALL = (
        "М: Добрый день! На какой бюджет рассчитываете?",
        "К: Бюджет тысяч тридцать.",
        "М: У других такое от пятидесяти тысяч.",
        "К: А у вас сколько стоит?",
        "М: Стоимость двадцать восемь тысяч пятьсот рублей с доставкой.",
        "К: Хорошо.",
    )

    def test_the_price_is_the_managers_and_the_budget_the_customers(self, analyst: RulesAnalyst) -> None:
        assert one(analyst, PRICE, *self.CALL).value == 28_500
        assert one(analyst, PRICE, *self.CALL).evidence == (4,)
        assert one(analyst, BUDGET, *self.CALL).value == 30_000

    def test_a_sum_about_something_else_is_no_budget(self, analyst: RulesAnalyst) -> None:
        found = one(analyst, BUDGET, "М: Добрый день, слушаю вас.", "К: Я вчера телефон за двадцать тысяч рублей разбил.", "М: Сочувствую.")
        assert found.value is None
        assert "не о том" in found.reason

    def test_a_range_gives_its_lower_end(self, analyst: RulesAnalyst) -> None:
        assert one(analyst, PRICE, "К: Сколько стоит?", "М: Стоимость от двухсот до двухсот шестидесяти тысяч рублей.").value == 200_000


class TestNumber:
    @pytest.mark.parametrize(
        ("answer", "value"),
        [
            ("К: Человек двенадцать. Хорошо бы до сентября.", 12),
            ("К: Двенадцать.", 12),
            ("К: Сейчас сорок пять сотрудников.", 45),
            ("К: Пока не знаю.", None),
        ],
    )
    def test_what_the_number_counts(self, answer: str, value: int | None, analyst: RulesAnalyst) -> None:
        assert one(analyst, USERS, "М: Сколько человек будет работать?", answer, "М: Понял.").value == value


class TestMoments:
    def test_the_date_of_the_agreed_step(self, analyst: RulesAnalyst) -> None:
        found = one(analyst, STEP, *SALE)
        assert found.value == "2025-08-21T11:00:00+03:00"
        assert 12 in found.evidence

    def test_a_date_of_something_else_is_no_step(self, analyst: RulesAnalyst) -> None:
        found = one(analyst, STEP, "М: Добрый день, акция у нас до пятницы.", "К: Понятно.", "М: До свидания.")
        assert found.value is None

    def test_a_date_alone_says_that_no_time_was_named(self, analyst: RulesAnalyst) -> None:
        found = one(analyst, STEP, "М: Тогда созвонимся в четверг, я подготовлю расчёт.", "К: Давайте, договорились.")
        assert found.value == "2025-08-21T00:00:00+03:00"
        assert "Время" in found.reason


class TestContacts:
    def test_a_number_dictated_in_pieces(self, analyst: RulesAnalyst) -> None:
        lines = (
            "М: Продиктуйте номер.",
            "К: Восемь девятьсот семнадцать.",
            "М: Так.",
            "К: Двести тридцать четыре.",
            "М: Угу.",
            "К: Пятьдесят шесть семьдесят восемь.",
        )
        found = one(analyst, PHONE, *lines)
        assert found.value == "+79172345678"
        assert found.evidence == (1, 3, 5)

    def test_a_correction_wins(self, analyst: RulesAnalyst) -> None:
        lines = ("К: Мой номер 8 917 234-56-77.", "М: Записал.", "К: Ой, ошиблась: 8 917 234-56-78.")
        assert one(analyst, PHONE, *lines).value == "+79172345678"

    def test_the_managers_number_is_not_the_customers(self, analyst: RulesAnalyst) -> None:
        assert one(analyst, PHONE, "М: Наш номер 8 917 234-56-78.", "К: Записал.").value is None

    @pytest.mark.parametrize(
        ("digits", "value"), [("семьдесят семь ноль семь ноль восемь три восемь девять три", "7707083893"), ("7704123456", None)]
    )
    def test_the_control_digit_of_an_inn(self, digits: str, value: str | None, analyst: RulesAnalyst) -> None:
        found = one(analyst, {"type": "inn", "cues": ["инн"]}, "М: ИНН продиктуйте, пожалуйста.", f"К: {digits}.")
        assert found.value == value
        assert value is not None or "контрольная" in found.reason

    def test_a_phone_is_no_inn(self, analyst: RulesAnalyst) -> None:
        assert one(analyst, {"type": "inn", "cues": ["инн"]}, "М: Ваш телефон?", "К: 8 917 234-56-78.").value is None

    def test_an_address_spelled_aloud(self, analyst: RulesAnalyst) -> None:
        found = one(analyst, {"type": "email"}, "М: Почту продиктуйте.", "К: petrov собака dent-smile точка ру.")
        assert found.value == "petrov@dent-smile.ru"


class TestPeople:
    @pytest.mark.parametrize(
        ("lines", "name"),
        [
            (("М: Добрый день, меня зовут Анна.", "К: Здравствуйте, меня зовут Марина."), "Марина"),
            (("М: Меня зовут Анна. Как к вам обращаться?", "К: Сергей Петрович."), "Сергей Петрович"),
            (("М: Здравствуйте, Ольга Викторовна! Это Роман из компании «Учёт».", "К: Слушаю вас."), "Ольга Викторовна"),
            (("М: Компания «Маяк», Игорь, слушаю.", "К: Здравствуйте, нужна лестница."), None),
            (("М: Центр проката, Филипп. Здравствуйте.", "К: Здравствуйте, мне бы лодку."), None),
            (("М: Добрый день, Антон сегодня выходной.", "К: Жаль, я к нему."), None),
            (("М: Здравствуйте, ребёнка как зовут?", "К: Миша.", "М: Миша, прелесть!"), None),
            (("М: алло марина здравствуйте насчет вашего заказа", "К: да слушаю вас"), "Марина"),
        ],
    )
    def test_the_customers_name_and_never_the_managers(self, lines: tuple[str, ...], name: str | None, analyst: RulesAnalyst) -> None:
        assert one(analyst, CLIENT, *lines).value == name

    def test_the_managers_name_for_a_field_of_the_manager(self, analyst: RulesAnalyst) -> None:
        assert one(analyst, {"type": "person", "speaker": "manager"}, "М: Добрый день, меня зовут Анна.", "К: Марина.").value == "Анна"


class TestChoices:
    def test_synonyms_and_denials(self, analyst: RulesAnalyst) -> None:
        assert one(analyst, PAY, "М: Как будете платить?", "К: Безналично.").value == "карта"
        assert one(analyst, PAY, "М: Как будете платить?", "К: Не картой, потом решу.").value is None

    def test_an_objection_is_read_from_objections_alone(self, analyst: RulesAnalyst) -> None:
        field = {
            "type": "enum",
            "title": "Возражение",
            "speaker": "customer",
            "values": ["дорого", "подумать"],
            "synonyms": {"подумать": ["подумаю"]},
        }
        assert one(analyst, field, *SALE).value == "дорого"
        assert one(analyst, field, "М: Стоит тысячу рублей.", "К: О, это совсем не дорого, берём!").value is None

    def test_a_list_keeps_the_order_of_the_definition(self, analyst: RulesAnalyst) -> None:
        field = {"type": "list", "values": ["доставка", "монтаж", "вывоз"], "speaker": "customer"}
        assert one(analyst, field, "К: Нужен монтаж и доставка, пожалуйста.", "М: Хорошо.").value == ["доставка", "монтаж"]

    @pytest.mark.parametrize(("answer", "value"), [("К: Да, впервые.", True), ("К: Нет, второй раз.", False)])
    def test_yes_and_no(self, answer: str, value: bool, analyst: RulesAnalyst) -> None:
        assert one(analyst, {"type": "bool", "cues": ["впервые"], "speaker": "customer"}, "М: Вы у нас впервые?", answer).value is value

    def test_nothing_said_is_neither(self, analyst: RulesAnalyst) -> None:
        assert one(analyst, {"type": "bool", "cues": ["впервые"]}, "М: Добрый день, слушаю вас.", "К: Здравствуйте.").value is None


class TestTexts:
    def test_what_stands_by_the_cue(self, analyst: RulesAnalyst) -> None:
        field = {"type": "string", "title": "Товар", "cues": ["интересует", "нужна"]}
        assert one(analyst, field, "К: Добрый день, уборка офиса интересует.", "М: Слушаю.").value == "уборка офиса"
        assert one(analyst, field, "К: Здравствуйте, нам нужна бухгалтерия.", "М: Слушаю.").value == "бухгалтерия"

    def test_an_address(self, analyst: RulesAnalyst) -> None:
        field = {"type": "string", "title": "Адрес клиента", "speaker": "customer"}
        assert one(analyst, field, "М: Адрес?", "К: Улица Ленина, сорок пять, квартира восемь.").value == "улица ленина 45 квартира 8"

    def test_a_company_in_quotes(self, analyst: RulesAnalyst) -> None:
        field = {"type": "string", "title": "Компания клиента", "speaker": "customer"}
        assert one(analyst, field, "М: Слушаю.", "К: Это компания «Вектор Софт», здравствуйте.").value == "Вектор Софт"


def test_doubtful_speakers_do_not_hide_a_value(analyst: RulesAnalyst) -> None:
    sure, doubtful = (one(analyst, PRICE, *TestMoney.CALL, speaker_confidence=c) for c in (1.0, 0.3))
    assert doubtful.value == sure.value
    assert doubtful.confidence < sure.confidence
