"""The notebook of ten questions runs clean on a synthetic year."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from bench import _year
from core.settings import Settings

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "warehouse.ipynb"


@pytest.mark.slow
def test_ten_questions_have_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _year.fill(Settings(home=tmp_path), 3000)
    monkeypatch.setenv("ROP_HOME", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are not committed"
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    asked = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(asked) == 11
    for cell in asked[1:]:
        assert any(output.output_type == "execute_result" for output in cell.outputs)
        assert not any(output.get("name") == "stderr" for output in cell.outputs)
