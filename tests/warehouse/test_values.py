"""One JSON value, the columns of its type."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from warehouse import values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {}),
        (True, {"value_bool": True, "value_text": "true"}),
        (0, {"value_number": 0.0, "value_text": "0"}),
        (2.5, {"value_number": 2.5, "value_text": "2.5"}),
        ("", {"value_text": ""}),
        ("завтра", {"value_text": "завтра"}),
        ("2026-02-30", {"value_text": "2026-02-30"}),
        ("2026-02-28", {"value_text": "2026-02-28", "value_date": date(2026, 2, 28)}),
        ("7701234567", {"value_text": "7701234567"}),
        ([], {"value_list": [], "value_text": ""}),
        (["а", 1], {"value_list": ["а", "1"], "value_text": "а, 1"}),
        ({"x": None}, {"value_text": '{"x": null}'}),
    ],
)
def test_columns(value: Any, expected: dict[str, Any]) -> None:
    assert values.columns(value) == expected


def test_a_moment_keeps_the_clock_that_was_named() -> None:
    found = values.columns("2026-03-01T15:00:00+03:00")
    assert found["value_time"] == datetime.fromisoformat("2026-03-01T15:00")
    assert found["value_date"] == date(2026, 3, 1)
