"""Great Expectations on real files, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench import _year
from core.settings import Settings
from warehouse import publish, quality
from warehouse.batch import DIMENSIONS, FACTS, Batch
from warehouse.embedded import Embedded
from warehouse.loader import Loader
from warehouse.quality import QualityFailed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def recent(count: int) -> Iterator[_year.State]:
    """Calls of yesterday."""
    made = list(_year.states(count))
    shift = datetime.now(UTC) - timedelta(days=1) - made[-1]["call"]["started_at"]
    for state in made:
        moved = [state["call"], *state["results"], *state["deliveries"], *(a for d in state["deliveries"] for a in d["attempts_made"])]
        for row in moved:
            row |= {key: value + shift for key, value in row.items() if isinstance(value, datetime)}
        yield state


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, batch_of: Callable[..., Batch]) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("quality"))
    with Loader(settings) as loader:
        loader.load(batch_of(list(recent(60))))
    publish.publish(settings)
    return settings


def test_every_table_has_a_suite_and_sound_data_pass(filled: Settings) -> None:
    assert quality.last(filled) is None
    report = quality.check_apart(filled)
    assert (report.broken, report.is_sound) == ([], True)
    assert quality.last(filled) == report
    assert report.checks == sum(1 + len(quality.expectations(table)) for table in (*DIMENSIONS, *FACTS))
    pages = Path(report.pages)
    assert "fact_stage" in pages.read_text(encoding="utf-8")


DEFECTS = (
    "UPDATE fact_checklist SET total_score = total_score + 1 WHERE call_id = (SELECT min(call_id) FROM fact_checklist)",
    "UPDATE fact_stage SET quote = 'этого никто не говорил' WHERE quote <> ''",
    "INSERT INTO fact_call SELECT * FROM fact_call LIMIT 1",
    "UPDATE fact_delivery SET last_status_code = 500",
    "DELETE FROM dim_office WHERE office_id = 'office_001'",
    "ALTER TABLE fact_utterance ADD COLUMN mood VARCHAR",
)


def test_defects_are_named_with_examples(filled: Settings) -> None:
    """The second run on this folder, half a minute each."""
    with Embedded(filled).writer() as connection:
        for defect in DEFECTS:
            connection.execute(defect)
    publish.publish(filled)
    report = quality.check_apart(filled)
    assert not report.is_sound
    found: dict[tuple[str, str], Any] = {(one.table, one.about): one for one in report.broken}
    assert set(found) >= {
        ("fact_checklist", "Балл равен сумме по этапам."),
        ("fact_stage", "Цитата дословно есть в разговоре."),
        ("fact_call", "Звонок встречается один раз."),
        ("fact_delivery", "Доставленное уведомление получило ответ 2xx."),
        ("dim_membership", "Офис есть в справочнике."),
        ("fact_utterance", "Колонки таблицы те, что описаны."),
    }
    assert found["fact_stage", "Цитата дословно есть в разговоре."].severity == "warning"
    totals = found["fact_checklist", "Балл равен сумме по этапам."]
    assert (totals.severity, totals.count) == ("critical", 1)
    assert totals.examples[0]["call_id"]


def test_checks_that_cannot_run_say_so(tmp_path: Path) -> None:
    with pytest.raises(QualityFailed, match="warehouse"):
        quality.check_apart(Settings(home=tmp_path))
