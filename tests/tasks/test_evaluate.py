"""`rop evaluate`: the shape that tools outside rely on, and folders that are not what they should be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checklists import evaluation
from core.errors import InvalidInput
from core.settings import Settings
from tasks import evaluate
from tasks.engines.analyst.rules import RulesAnalyst
from tests.peers.talks import SALE

CALL = {
    "call_id": "one",
    "title": "Запись в клинику",
    "kind": "clean",
    "utterances": [
        {"id": 10 + i, "speaker": "manager" if line[0] == "М" else "customer", "start": 5.0 * i, "end": 5.0 * i + 4, "text": line[3:]}
        for i, line in enumerate(SALE)
    ],
    "labels": {
        "greeting": {"label": "pass", "quotes": [10]},
        "needs": {"label": "pass", "quotes": [12]},
        "price": {"label": "pass", "quotes": [18]},
        "objection": {"label": "pass", "quotes": [20]},
    },
    "table": {
        "price": "15 000 рублей",
        "phone": "8 917 234-56-78",
        "next_step_date": "четверг, 21 августа, 11:00",
        "email": "",
        "budget": "",
    },
}


@pytest.fixture(scope="module")
def analyst() -> RulesAnalyst:
    return RulesAnalyst(Settings())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.json").write_text(json.dumps(CALL, ensure_ascii=False), encoding="utf-8")
    return tmp_path


def test_the_shape(folder: Path, analyst: RulesAnalyst) -> None:
    result = evaluate.evaluate(folder, analyst)
    figures = {"precision", "recall", "f1", "accuracy", "balanced_accuracy", "right_quote"}
    assert set(result) == {"overall", "stages", "table", "confusions", "confident", "calls"}
    assert set(result["overall"]) == figures
    assert set(result["stages"]) == set(CALL["labels"])
    assert all(figures <= set(row) for row in result["stages"].values())
    assert json.loads(json.dumps(result)) == result


def test_a_right_call_is_right(folder: Path, analyst: RulesAnalyst) -> None:
    result = evaluate.evaluate(folder, analyst)
    assert result["overall"]["recall"] == 1.0
    assert result["overall"]["right_quote"] == 1.0
    assert result["confusions"] == []
    assert {name: row["accuracy"] for name, row in result["table"]["fields"].items() if name in CALL["table"]} == dict.fromkeys(
        CALL["table"], 1.0
    )


def test_the_report_reads_like_a_table(folder: Path, analyst: RulesAnalyst) -> None:
    text = evaluation.report(evaluate.evaluate(folder, analyst))
    assert "всего" in text
    assert "расхождений: 0" in text


def test_an_empty_folder(tmp_path: Path, analyst: RulesAnalyst) -> None:
    with pytest.raises(InvalidInput, match="no"):
        evaluate.evaluate(tmp_path, analyst)


@pytest.mark.parametrize("text", ["", "[]", '{"call_id": "x"}', '{"call_id": "x", "utterances": [{"id": 0}]}'])
def test_a_file_that_is_no_call(text: str, tmp_path: Path, analyst: RulesAnalyst) -> None:
    (tmp_path / "bad.json").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        evaluate.evaluate(tmp_path, analyst)
    assert "bad.json" in caught.value.text()
