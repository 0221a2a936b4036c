"""`rop checklist` and `rop table`: what a file would change, before it is applied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench._house import CHECKLIST, STAGES, TABLE, House, build
from checklists import loader
from checklists.definitions import Checklist
from core import clock
from db import marks
from rop.cli import app

SALES, BASE_TABLE = (next(d for d in loader.builtin() if d.id == name) for name in (CHECKLIST, TABLE))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = build(tmp_path)
    house.furnish()
    yield house
    house.database.dispose()


def run(house: House, *arguments: str) -> str:
    answer = CliRunner().invoke(app, [*arguments, "--home", str(house.settings.root)], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def draft(tmp_path: Path) -> Path:
    """The built-in checklist with a stage less and a price that nobody names."""
    assert isinstance(SALES, Checklist)
    content = SALES.content
    content["stages"] = [s for s in content["stages"] if s["id"] != "goodbye"]
    price = next(s for s in content["stages"] if s["id"] == "price")
    price["criteria"][0] |= {"rule": {"any": ["биткойн"]}, "semantic": False}
    path = tmp_path / "draft.yaml"
    path.write_text(loader.dump(Checklist.model_validate(content)), encoding="utf-8")
    return path


def test_a_version_comes_out_as_it_went_in(house: House, tmp_path: Path) -> None:
    path = tmp_path / "out.yaml"
    path.write_text(run(house, "checklist", "export", CHECKLIST), encoding="utf-8")
    assert loader.load_file(path).version == SALES.version
    assert "различий нет" in run(house, "checklist", "diff", str(path))


def test_a_difference_is_shown_and_nothing_is_stored(house: House, tmp_path: Path) -> None:
    shown = run(house, "checklist", "diff", str(draft(tmp_path)))
    assert "-- id: goodbye" in shown
    assert "+      - биткойн" in shown
    assert SALES.version in run(house, "checklist", "list")


def test_a_new_definition_has_nothing_to_differ_from(house: House, tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    path.write_text(loader.dump(SALES.model_copy(update={"id": "другой"})), encoding="utf-8")
    assert "ещё нет" in run(house, "checklist", "diff", str(path))


def test_a_draft_is_tried_on_stored_calls(house: House, tmp_path: Path) -> None:
    for number in range(3):
        house.call(f"call_{number}", manager=f"mgr_00{number + 1}", passed=STAGES if number else STAGES[:4])
    with house.database.begin() as session:
        marks.add(session, "call_2", CHECKLIST, "price", -1, "не о том", "rop", clock.now())
    shown = run(house, "checklist", "test", str(draft(tmp_path)), "--last", "2")
    assert "Проверено звонков: 2 из 2. Среднее: 100.0 → 85.7 %" in shown
    assert "Выше станет 0, ниже 2" in shown
    assert "было 0, станет 1 из 1" in shown
    assert "Озвучивание цены" in shown
    assert "-14.3" in shown
    assert SALES.version in run(house, "checklist", "list")


def test_a_table_is_tried_too(house: House, tmp_path: Path) -> None:
    house.call("call_1")
    path = tmp_path / "table.yaml"
    path.write_text(loader.dump(BASE_TABLE), encoding="utf-8")
    shown = run(house, "table", "test", str(path))
    assert "Проверено звонков: 1 из 1" in shown
    assert "next_step_date" in shown


def test_without_calls_there_is_nothing_to_try_on(house: House, tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["checklist", "test", str(draft(tmp_path)), "--home", str(house.settings.root)])
    assert answer.exit_code != 0
    assert "Проверять не на чем" in answer.exception.text("ru")  # type: ignore[union-attr]
