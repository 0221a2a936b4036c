"""The pages say what the database says, and their examples run."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from warehouse import catalog, docs

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_pages_match_the_comments(language: str) -> None:
    text = (DOCS / language / "warehouse.md").read_text(encoding="utf-8")
    assert docs.page(text, language) == text, "run python -m warehouse.docs"


def test_everything_is_documented_in_both_languages() -> None:
    with duckdb.connect() as connection:
        catalog.create(connection)
        assert docs.undocumented(connection) == []


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_examples_run(language: str) -> None:
    text = (DOCS / language / "warehouse.md").read_text(encoding="utf-8")
    (examples,) = [block for block in re.findall(r"```sql\n(.*?)```", text, flags=re.DOTALL) if "SELECT" in block]
    with duckdb.connect() as connection:
        catalog.create(connection)
        assert len(connection.extract_statements(examples)) == 3
        connection.execute(examples)
