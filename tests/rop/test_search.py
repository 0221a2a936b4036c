"""`rop search` on a real warehouse."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from bench import _year
from core.settings import Settings
from rop.cli import app


def run(home: Path, *words: str) -> str:
    answer = CliRunner().invoke(app, ["search", *words, "--home", str(home)], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_words_in_any_form_show_where_they_were_said(tmp_path: Path) -> None:
    _year.fill(Settings(home=tmp_path), 20)
    found = json.loads(run(tmp_path, "условием", "доставка", "--json", "--limit", "3"))
    assert 0 < len(found) <= 3
    assert {hit["text"] for hit in found} == {"Здравствуйте, хотел узнать про условия доставки."}
    shown = run(tmp_path, "условиями", "--since", "2026-01-01")
    assert found[0]["call_id"] in shown
    assert "клиент" in shown
    assert "Ничего не нашлось." in run(tmp_path, "условия", "--until", "2025-12-31")
