"""Personal numbers, written and spelled out, and everything that only looks like one."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.checksums import valid_card, valid_inn, valid_snils
from core.digits import HUNDREDS, TEENS, TENS, UNITS, Line
from core.redact import Redacted, redact


def hidden(*lines: str) -> Redacted:
    """Lines of one speaker, or «М: …» and «К: …»."""
    parted = [line.split(": ", 1) if line[1:3] == ": " else ["", line] for line in lines]
    return redact([Line(speaker, text) for speaker, text in parted])


def said(number: int) -> str:
    """A number below a thousand in words."""
    if number < 10:
        return UNITS[number]
    if number < 20:
        return TEENS[number - 10]
    tens, units = divmod(number % 100, 10)
    words = [HUNDREDS[number // 100 - 1]] if number >= 100 else []
    if 10 <= number % 100 < 20:
        return " ".join([*words, TEENS[number % 100 - 10]])
    return " ".join(words + ([TENS[tens - 2]] if tens else []) + ([UNITS[units]] if units else []))


PHONE = "+79172345678"


class TestPhones:
    @pytest.mark.parametrize(
        "text",
        [
            "+7 917 234-56-78",
            "8 (917) 234-56-78",
            "89172345678",
            "8-917-234-56-78",
            "8 917 2345678",
            "917 234 56 78",
            "8.917.234.56.78",
            "плюс семь девятьсот семнадцать двести тридцать четыре пятьдесят шесть семьдесят восемь",
            "восемь девятьсот семнадцать двести тридцать четыре пятьдесят шесть семьдесят восемь",
            "восемь, девятьсот семнадцать. Двести тридцать четыре, пятьдесят шесть, семьдесят восемь",
            "восемь девять один семь два три четыре пять шесть семь восемь",
            "девятьсот семнадцать двести тридцать четыре пятьдесят шесть семьдесят восемь",
            "8 девятьсот семнадцать 234 пятьдесят шесть 78",
            "Восемь Девятьсот семнадцать, дальше двести тридцать четыре, потом пятьдесят шесть и семьдесят восемь",
        ],
    )
    def test_every_way_to_say_one_number(self, text: str) -> None:
        found = hidden(f"Мой телефон {text}, звоните")
        assert found.texts == ("Мой телефон <ТЕЛЕФОН_1>, звоните",)
        assert found.restore("<ТЕЛЕФОН_1>") == PHONE

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("восемь восемьсот два нуля двести тридцать один одиннадцать", "+78000023111"),
            ("восемь девятьсот три три семёрки два нуля одиннадцать", "+79037770011"),
            ("+380 44 123 45 67", "+380441234567"),
            ("+1 415 555 26 71", "+14155552671"),
        ],
    )
    def test_repeated_digits_and_other_countries(self, text: str, value: str) -> None:
        assert hidden(text).values == {"<ТЕЛЕФОН_1>": value}

    @pytest.mark.parametrize(
        "text", ["телефон 234-56-78", "городской двести тридцать четыре пятьдесят шесть семьдесят восемь, это телефон"]
    )
    def test_a_city_number_is_one_where_it_is_called_so(self, text: str) -> None:
        assert hidden(text).values == {"<ТЕЛЕФОН_1>": "2345678"}

    def test_letters_that_grow_in_lower_case_move_nothing(self) -> None:
        assert hidden("İİİ телефон 8\u2011917\u2011234\u201156\u201178, да").texts == ("İİİ телефон <ТЕЛЕФОН_1>, да",)

    def test_dictated_over_several_turns(self) -> None:
        found = hidden(
            "К: восемь девятьсот семнадцать", "М: так", "К: двести тридцать четыре", "М: ага, дальше", "К: пятьдесят шесть семьдесят восемь"
        )
        assert found.texts == ("<ТЕЛЕФОН_1>", "так", "<ТЕЛЕФОН_1>", "ага, дальше", "<ТЕЛЕФОН_1>")
        assert found.values == {"<ТЕЛЕФОН_1>": PHONE}

    def test_the_same_number_has_the_same_name_however_it_is_said(self) -> None:
        found = hidden(
            "К: 8 917 234 56 78", "М: восемь девятьсот семнадцать двести тридцать четыре пятьдесят шесть семьдесят восемь, верно?"
        )
        assert found.texts == ("<ТЕЛЕФОН_1>", "<ТЕЛЕФОН_1>, верно?")

    def test_numbers_are_named_in_their_order(self) -> None:
        found = hidden("8 917 234 56 78 и ещё 8 495 123-45-67", "89031112233")
        assert found.texts == ("<ТЕЛЕФОН_1> и ещё <ТЕЛЕФОН_2>", "<ТЕЛЕФОН_3>")

    @given(st.tuples(st.integers(900, 999), st.integers(100, 999), st.integers(10, 99), st.integers(10, 99)))
    def test_any_mobile_number_in_words(self, parts: tuple[int, ...]) -> None:
        found = hidden("наберите восемь " + " ".join(map(said, parts)) + " пожалуйста")
        assert found.texts == ("наберите <ТЕЛЕФОН_1> пожалуйста",)

    def test_a_number_that_was_misheard_is_hidden_where_it_is_called_so(self) -> None:
        found = hidden("М: Ваш телефон?", "К: восемь девятьсот семнадцать двести тридцать четыре пятьдесят")
        assert found.values == {"<ТЕЛЕФОН_1>": "891723450"}


class TestOtherNumbers:
    @pytest.mark.parametrize(
        ("text", "kind", "value"),
        [
            ("карта 4276 3800 1234 5678", "КАРТА", "4276380012345678"),
            ("4111111111111111", "КАРТА", "4111111111111111"),
            ("2202 2063 1234 5678", "КАРТА", "2202206312345678"),
            (
                "номер карты двадцать два ноль два двадцать шестьдесят три двенадцать тридцать четыре пятьдесят шесть семьдесят восемь",
                "КАРТА",
                "2202206312345678",
            ),
            ("паспорт 45 10 123456", "ПАСПОРТ", "4510123456"),
            ("паспорт серия 4510 номер 123456", "ПАСПОРТ", "4510123456"),
            ("паспорт сорок пять десять сто двадцать три четыреста пятьдесят шесть", "ПАСПОРТ", "4510123456"),
            ("112-233-445 95", "СНИЛС", "11223344595"),
            ("снилс сто двенадцать двести тридцать три четыреста сорок пять девяносто пять", "СНИЛС", "11223344595"),
            ("7707083893", "ИНН", "7707083893"),
            ("ИНН 500100732259", "ИНН", "500100732259"),
            ("инн семьдесят семь ноль семь ноль восемьдесят три восемьсот девяносто три", "ИНН", "7707083893"),
            ("расчётный счёт 40702810900000012345", "НОМЕР", "40702810900000012345"),
            ("ОГРН 1027700132195", "НОМЕР", "1027700132195"),
        ],
    )
    def test_each_kind(self, text: str, kind: str, value: str) -> None:
        found = hidden(text)
        assert found.values == {f"<{kind}_1>": value}
        assert not re.search(r"\d{3}", found.texts[0].replace(f"<{kind}_1>", ""))

    def test_a_number_asked_for_in_the_turn_before(self) -> None:
        assert hidden("М: Серию и номер паспорта, пожалуйста.", "К: 45 10 123456").texts[1] == "<ПАСПОРТ_1>"

    def test_checksums(self) -> None:
        assert valid_card("4111111111111111")
        assert not valid_card("4276380012345678")
        assert valid_inn("7707083893")
        assert valid_inn("500100732259")
        assert not valid_inn("7707083894")
        assert not valid_inn("123")
        assert valid_snils("11223344595")
        assert not valid_snils("11223344596")


class TestEmails:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("пишите на Ivan.Petrov@mail.ru, жду", "ivan.petrov@mail.ru"),
            ("petrov собака dent-smile точка ру", "petrov собака dent-smile точка ру"),
            ("иван точка петров собака яндекс ру", "иван точка петров собака яндекс ру"),
            ("инфо собачка строймаркет точка ком", "инфо собачка строймаркет точка ком"),
        ],
    )
    def test_written_and_spoken(self, text: str, value: str) -> None:
        assert hidden(text).values == {"<ПОЧТА_1>": value}

    @pytest.mark.parametrize("text", ["у меня собака породы такса и кошка", "собака лает, караван идёт", "магазин собака точка"])
    def test_a_dog_is_no_address(self, text: str) -> None:
        assert hidden(text).texts == (text,)


class TestNotPersonal:
    @pytest.mark.parametrize(
        "text",
        [
            "Стоимость 18 600 рублей в месяц, внедрение 45 тысяч, итого 1 250 000",
            "восемнадцать тысяч шестьсот рублей",
            "12 000 000 000 рублей оборот",
            "пятьсот, шестьсот, семьсот, восемьсот рублей, есть разные варианты",
            "в четверг 21.08.2025 в 11:00, до 12:30 буду",
            "двадцать первого августа две тысячи двадцать пятого года",
            "Для 12 пользователей, 10, 15, 20 лицензий",
            "тарифы по 90, 100, 120 и 150 рублей",
            "три комнаты, сорок пять метров, второй этаж, дом 12, квартира 34",
            "работаем с девяти до восемнадцати, семь дней в неделю",
            "два раза по сто двадцать пять граммов",
            "скидка пятнадцать процентов, рассрочка на двенадцать месяцев",
            "модель 3000, артикул 12345, партия 77",
            "",
        ],
    )
    def test_stays_as_it_is(self, text: str) -> None:
        assert hidden(text) == Redacted((text,), {})

    def test_sums_of_neighbouring_turns_are_no_number(self) -> None:
        lines = ("К: итого 1 250 000", "К: пятьсот шестьсот", "К: 45 000")
        assert hidden(*lines).values == {}


class TestRestore:
    def test_the_way_back(self) -> None:
        found = hidden("Мой телефон 89172345678, почта a@b.ru")
        assert found.restore("Записал <ТЕЛЕФОН_1> и ПОЧТА_1, а <ТЕЛЕФОН_2> нет.") == f"Записал {PHONE} и a@b.ru, а <ТЕЛЕФОН_2> нет."

    def test_what_only_looks_like_a_placeholder_brings_nothing_back(self) -> None:
        found = hidden("К: Скажи <ТЕЛЕФОН_1>", "М: 89172345678")
        assert found.texts[0] == "К: Скажи ТЕЛЕФОН 1".removeprefix("К: ")
        assert found.restore(found.texts[0]) == found.texts[0]

    def test_values_do_not_show_where_it_is_printed(self) -> None:
        assert PHONE not in repr(hidden("89172345678"))

    @given(st.lists(st.text(max_size=60), max_size=6))
    def test_any_text_keeps_its_lines(self, texts: list[str]) -> None:
        assert len(redact([Line("", text) for text in texts]).texts) == len(texts)

    @given(st.text(alphabet="0123456789 -+()восемьдеваткц собакточу.,", max_size=200))
    def test_digit_soup_never_fails(self, text: str) -> None:
        found = redact([Line("", text)])
        assert all(value not in found.texts[0] for value in found.values.values() if len(value) > 9)


class TestSpeed:
    @pytest.mark.parametrize(
        "line",
        [
            "восемь девятьсот семнадцать " * 300,
            "1 " * 3000,
            "собака " * 2000,
            "а точка " * 2000 + "собака",
            "a.b-c " * 2000 + "собака мейл",
            "- " * 3000,
            "x@" * 3000,
            "8" * 10_000,
        ],
        ids=["words", "digits", "dogs", "dots", "letters", "dashes", "ats", "one number"],
    )
    def test_a_hostile_line_takes_no_time(self, line: str) -> None:
        started = time.process_time()
        hidden(line)
        assert time.process_time() - started < 2.0

    def test_a_long_call_takes_little(self) -> None:
        lines = [
            Line("МК"[i % 2], f"так ну вот у нас {i} человек и сорок пять заявок в день, мой телефон 8 917 234 56 7{i % 10}")
            for i in range(600)
        ]
        started = time.process_time()
        redact(lines)
        assert time.process_time() - started < 1.0
