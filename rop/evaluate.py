"""`rop evaluate`: how right an engine is on labelled calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from core import settings as settings_module
from rop.context import Home


def evaluate(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of labelled calls, one JSON file each.")],
    home: Home = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
    engine: Annotated[str | None, typer.Option(help="rules or openai; default: the one of the settings.")] = None,
) -> None:
    """Judge labelled calls with the built-in checklist and table, and print precision, recall and right quotes by stage."""
    from checklists import evaluation
    from tasks import evaluate as harness
    from tasks.engines import analyst

    settings = settings_module.load(home)
    figures = harness.evaluate(folder, analyst.build(settings, engine or settings.analyst_engine))
    if json_out:
        json_out.write_text(json.dumps(figures, ensure_ascii=False, indent=1), encoding="utf-8")
    print(evaluation.report(figures))
