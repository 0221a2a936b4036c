"""Pictures of every page for the documentation: `python -m tests.pages.screenshots` writes docs/screenshots/."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image

from bench import _house as houses
from bench._browser import browser, visitor
from bench._house import CHECKLIST, STAGES, TABLE, House, served, tone
from checklists.definitions import Checklist
from core import clock
from db import definitions
from tasks.load import load_pending
from warehouse import quality

TARGET = Path(__file__).parents[2] / "docs" / "screenshots"
COLOURS = 96
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 780}, "color_scheme": "light"},
}
PAGES = {
    "summary": "/",
    "calls": "/calls",
    "call": "/calls/call_12345_20250619",
    "receipt": "/calls/call_12345_20250619/receipt",
    "managers": "/managers",
    "manager": "/managers/mgr_001",
    "offices": "/offices",
    "checklist": f"/settings/checklists/{CHECKLIST}",
    "yaml": f"/settings/checklists/{CHECKLIST}/yaml",
    "table": f"/settings/tables/{TABLE}",
    "versions": f"/settings/checklists/{CHECKLIST}/versions",
    "rescoring": "/settings/rescoring?since=2026-01-01",
    "quality": "/settings/quality",
    "connection": "/settings/connection",
    "people": "/settings/people",
}


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        house = houses.build(Path(folder) / "home")
        house.furnish()
        house.webhook()
        _second_version(house)
        house.month()
        good = [stage for stage in STAGES if stage not in ("next_step", "presentation")]
        house.call("call_12345_20250619", passed=good, skipped=["objection"], sound=tone(Path(folder) / "tone.wav", 90))
        house.attempt("call_12345_20250619", 200, "ok")
        house.fail("call_broken", manager="mgr_002")
        house.accept("call_waiting", "mgr_003")
        load_pending(house.database, house.settings)
        quality.check_apart(house.settings)
        with served(house) as base, browser() as chromium:
            for look, options in LOOKS.items():
                with visitor(chromium, base, "admin", **options) as seen:
                    for name, path in PAGES.items():
                        page = seen.open(path)
                        page.wait_for_timeout(300)
                        _save(page.screenshot(), TARGET / f"{name}-{look}.png")


def _second_version(house: House) -> None:
    """The checklist as somebody changed it, for the page that compares versions."""
    with house.database.begin() as session:
        first = definitions.load(session, "checklist", CHECKLIST)
        assert isinstance(first, Checklist)
        stages = [s.model_copy(update={"weight": 2}) if s.id == "price" else s for s in first.stages if s.id != "goodbye"]
        definitions.apply(session, first.model_copy(update={"stages": tuple(stages)}), "head", clock.now())


def _save(picture: bytes, path: Path) -> None:
    """Few colours and no more bytes than a flat page needs."""
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    main()
