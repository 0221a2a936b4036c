"""Writes docs/openapi.json from the application: `python -m scripts.make_openapi`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from api.app import create_app
from api.openapi import dump
from core.settings import Settings

TARGET = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        TARGET.write_text(dump(create_app(Settings(home=Path(home)))))


if __name__ == "__main__":
    main()
