"""Every setting says what it means; a limit says its unit."""

from __future__ import annotations

import pytest

from core.settings import Settings


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_described(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description is not None
    assert description.endswith((".", "(C4)."))


@pytest.mark.parametrize("name", [n for n in Settings.model_fields if n.endswith("_seconds")])
def test_a_duration_is_a_positive_number_of_seconds(name: str) -> None:
    assert Settings.model_fields[name].default > 0
