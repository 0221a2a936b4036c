"""Numbers, money, days, times, contacts and names as people say them and as recognisers write them."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from tasks.engines.analyst.rules import almanac, contacts, dates, money, names
from tasks.engines.analyst.rules.numbers import numbers
from tasks.engines.analyst.rules.text import repair, tokens

MOSCOW = ZoneInfo("Europe/Moscow")
MONDAY = datetime(2025, 8, 18, 12, 0, tzinfo=MOSCOW)


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("полторы тысячи", [1500]),
        ("тысяч пятнадцать", [15_000]),
        ("миллиона полтора", [1_500_000]),
        ("миллион двести", [1_200_000]),
        ("в районе миллиона ста", [1_100_000]),
        ("миллион двести пятьдесят тысяч", [1_250_000]),
        ("два с половиной миллиона", [2_500_000]),
        ("двадцать пять тысяч пятьсот", [25_500]),
        ("тысяча двести", [1200]),
        ("порядка тридцати двух тысяч", [32_000]),
        ("18 600 рублей и 45 тысяч", [18_600, 45_000]),
        ("30к", [30_000]),
        ("1,9 процента", [1.9]),
        ("пять тыщ", [5000]),
        ("с двух до четырех", [2, 4]),
        ("сто двадцать один", [121]),
        ("пятнадцать-двадцать", [15, 20]),
    ],
)
def test_numbers(said: str, values: list[float]) -> None:
    assert [n.value for n in numbers(tokens(repair(said)))] == values


@pytest.mark.parametrize(
    ("said", "sums"),
    [
        ("выходит 18 600 рублей в месяц, внедрение — 45 тысяч разово", [(18_600, None), (45_000, None)]),
        ("годовой сейчас 34 900, дневной — 21 900", [(34_900, None), (21_900, None)]),
        ("порядка тридцати двух тысяч рублей с ндс", [(32_000, None)]),
        ("от восьми до двенадцати миллионов", [(8_000_000, 12_000_000)]),
        ("пять семь тысяч", [(5000, 7000)]),
        ("стоимость двести-двести пятьдесят тысяч", [(200_000, 250_000)]),
        ("выйдет двадцать один пятьсот за комплект", [(21_500, None)]),
        ("три с половиной тысячи евро", [(3500, None)]),
        ("по триста за штуку", [(300, None)]),
        ("две с половиной в час", [(2500, None)]),
        ("полторы за метр", [(1500, None)]),
        ("полтора часа в день", []),
        ("две с половиной тонны", []),
        ("двадцать тысяч операций в месяц", []),
        ("мы на рынке пятнадцать лет", []),
        ("в среднем на тридцать процентов", []),
        ("в 2024 году", []),
        ("частник за двадцать возит", []),
        ("скорость двести мегабит", []),
    ],
)
def test_money(said: str, sums: list[tuple[float, float | None]]) -> None:
    row = tokens(repair(said))
    found = numbers(row)
    taken = [(m.start, m.end) for m in dates.moments(row, found)]
    assert [(m.value, m.high) for m in money.sums(row, found, taken)] == sums


def test_a_bare_number_is_a_sum_only_as_an_answer_to_a_price() -> None:
    row = tokens(repair("двадцать четыре с материалами"))
    assert money.sums(row, numbers(row)) == []
    assert [m.value for m in money.sums(row, numbers(row), asked=True)] == [24]


def test_elliptic_millions_where_the_call_speaks_of_millions() -> None:
    row = tokens(repair("квартира стоит восемь двести"))
    assert [m.value for m in money.sums(row, numbers(row), millions=True)] == [8_200_000]
    assert [m.value for m in money.sums(row, numbers(row))] == [8200]


@pytest.mark.parametrize(
    ("said", "when"),
    [
        ("в четверг, 21 августа, в 11:00", "2025-08-21T11:00:00+03:00"),
        ("завтра с двух до четырех подъедет мастер", "2025-08-19T14:00:00+03:00"),
        ("во вторник на следующей неделе", "2025-08-26"),
        ("на следующей неделе давайте в четверг", "2025-08-28"),
        ("в понедельник утром наберу", "2025-08-25T10:00:00+03:00"),
        ("сегодня до шести отправлю", "2025-08-18T18:00:00+03:00"),
        ("двадцать первого числа в половине третьего", "2025-08-21T14:30:00+03:00"),
        ("двенадцатого в два", "2025-09-12T14:00:00+03:00"),
        ("через полчаса перезвоню", "2025-08-18T12:30:00+03:00"),
        ("через две недели", "2025-09-01"),
        ("во вторник шестнадцать тридцать", "2025-08-19T16:30:00+03:00"),
        ("завтра вечером в восемь", "2025-08-19T20:00:00+03:00"),
        ("завтра в полвосьмого вечера", "2025-08-19T19:30:00+03:00"),
        ("завтра без пятнадцати пять", "2025-08-19T16:45:00+03:00"),
        ("21.08 в 10:30", "2025-08-21T10:30:00+03:00"),
        ("третьего марта", "2026-03-03"),
        ("в субботу в двенадцать ноль ноль", "2025-08-23T12:00:00+03:00"),
        ("послезавтра к трем часам дня", "2025-08-20T15:00:00+03:00"),
        ("послезавтра мимо вас еду заскочу на склад часиков в десять покажу", "2025-08-20T10:00:00+03:00"),
        ("привозите сегодня до восьми", "2025-08-18T20:00:00+03:00"),
        ("ставлю двадцать четвертое, с двух", "2025-08-24T14:00:00+03:00"),
        ("пришлю сегодня. а в воскресенье в двенадцать встретимся", "2025-08-18"),
    ],
)
def test_days_and_times_count_from_the_call(said: str, when: str) -> None:
    row = tokens(repair(said))
    found = almanac.resolve(dates.moments(row, numbers(row))[0], MONDAY)
    assert found is not None
    assert found.isoformat() == when


@pytest.mark.parametrize(
    "said",
    ["в три раза дороже", "до пяти процентов", "в двух словах", "за пятнадцать минут", "в 15 тысяч", "от восьми до двадцати пяти штук"],
)
def test_what_is_no_time(said: str) -> None:
    row = tokens(repair(said))
    assert dates.moments(row, numbers(row)) == []


@pytest.mark.parametrize("said", ["до конца недели", "на следующей неделе", "вчера звонили", "в сентябре"])
def test_what_nobody_can_put_into_a_calendar(said: str) -> None:
    row = tokens(repair(said))
    assert not any(m.concrete for m in dates.moments(row, numbers(row)))


def test_the_end_of_a_month_and_of_a_year() -> None:
    row = tokens(repair("через месяц"))
    found = dates.moments(row, numbers(row))[0]
    assert almanac.resolve(found, datetime(2025, 1, 31, 12, tzinfo=MOSCOW)) == date(2025, 2, 28)
    assert almanac.resolve(found, datetime(2025, 12, 5, 12, tzinfo=MOSCOW)) == date(2026, 1, 5)


@pytest.mark.parametrize(
    "said",
    [
        "мой номер восемь девятьсот семнадцать двести тридцать четыре пятьдесят шесть семьдесят восемь",
        "8 (917) 234-56-78",
        "плюс семь девять один семь два три четыре пять шесть семь восемь",
        "девятьсот семнадцать 234 56 78",
    ],
)
def test_phones(said: str) -> None:
    text = repair(said)
    assert [c.value for c in contacts.phones(tokens(text), text)] == ["+79172345678"]


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("petrov собака dent-smile точка ру.", "petrov@dent-smile.ru"),
        ("info собака stroyinvest ру", "info@stroyinvest.ru"),
        ("на почту иванов точка сергей собака мейл точка ру", "ivanov.sergey@mail.ru"),
        ("пишите ivan.petrov@mail.ru", "ivan.petrov@mail.ru"),
        ("эр пе собака гмейл точка ком", "rp@gmail.com"),
    ],
)
def test_emails(said: str, address: str) -> None:
    text = repair(said)
    assert [c.value for c in contacts.emails(tokens(text), text)] == [address]


@pytest.mark.parametrize(
    ("said", "people"),
    [
        ("Сергей Петрович, расскажите", ["Сергей Петрович"]),
        ("компания логос игорь слушаю", ["Игорь"]),
        ("марину ивановну можно", ["Марина Ивановна"]),
        ("с юлией говорю", ["Юлия"]),
        ("клининг сервис добрый день", []),
    ],
)
def test_names_come_in_the_nominative(said: str, people: list[str]) -> None:
    assert [p.text for p in names.people(tokens(repair(said)))] == people
