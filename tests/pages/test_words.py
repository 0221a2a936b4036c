"""The surface: every text has its English, every class its style, vendored files are what the manifest says."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.pages import export, shape, view, wave, words
from api.pages.assets import Assets
from api.pages.charts import heat, spark
from api.pages.shape import Shape
from checklists.transcript import Utterance

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "api" / "pages"
UNITS = ("с", "мин", "ч", "дн", "Б", "КиБ", "МиБ", "ГиБ")
VENDOR = (ROOT / "api" / "static" / "vendor", Path(__file__).parent / "vendor")


def said() -> set[str]:
    """Every Russian text that a page may show."""
    found = {*shape.MONTHS, *UNITS, *export.COLUMNS}
    for template in view.TEMPLATES.glob("*.html"):
        text = template.read_text(encoding="utf-8")
        found |= {a or b for a, b in re.findall(r"""\bt\(\s*(?:"([^"]+)"|'([^']+)')""", text)}
        found |= set(re.findall(r"""["']([а-яё]+(?:\|[а-яё]+){2})["']""", text))
    for module in PAGES.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "t" and node.args:
                found |= {str(node.args[0].value)} if isinstance(node.args[0], ast.Constant) else set()
    for name, value in vars(words).items():
        if name.isupper() and isinstance(value, dict) and name != "CATALOGUE":
            found |= set(value.values())
    return found


def test_every_text_has_its_english_and_none_is_left_over() -> None:
    assert said() == set(words.CATALOGUE)


def test_translations_keep_their_placeholders() -> None:
    for russian, english in words.CATALOGUE.items():
        assert set(re.findall(r"\{(\w+)\}", russian)) == set(re.findall(r"\{(\w+)\}", english)), russian


def test_nothing_on_the_pages_comes_from_elsewhere() -> None:
    for path in [*view.TEMPLATES.glob("*.html"), *(ROOT / "api" / "static" / "app").glob("*")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'(?:src|href)="(?:https?:)?//', text), path.name
        assert not re.search(r"@import|url\(", text), path.name


@pytest.mark.parametrize("folder", VENDOR, ids=lambda folder: folder.parent.name)
def test_vendored_files_match_their_hashes(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"manifest.json"}
    assert files == set(manifest)
    for name, expected in manifest.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected


def test_assets_are_named_by_their_content() -> None:
    assets = Assets()
    asset = assets.get("app.css")
    assert assets.url("app.css") == f"/assets/app.css?v={asset.mark}"
    assert gzip.decompress(asset.packed) == asset.plain


def test_numbers_times_and_words_are_those_of_the_reader() -> None:
    russian, english = Shape("Europe/Moscow", "ru"), Shape("Europe/Moscow", "en")
    at = datetime(2025, 6, 19, 21, 30, tzinfo=UTC)
    assert russian.moment(at) == "20.06.2025 00:30"
    assert russian.number(12345.6, 1) == "12\u00a0345,6"
    assert english.number(12345.6, 1) == "12,345.6"
    assert [russian.plural(n, "звонок|звонка|звонков") for n in (1, 2, 5, 11, 21, 112)] == [
        f"{n}\u00a0{word}" for n, word in ((1, "звонок"), (2, "звонка"), (5, "звонков"), (11, "звонков"), (21, "звонок"), (112, "звонков"))
    ]
    assert english.plural(1, "звонок|звонка|звонков") == "1\u00a0call"
    assert [russian.duration(s) for s in (None, 0, 65, 3723)] == ["—", "0:00", "1:05", "1:02:03"]
    assert [russian.span(s) for s in (40, 300, 7200, 200000)] == ["40\u00a0с", "5\u00a0мин", "2\u00a0ч", "2\u00a0дн"]
    assert [russian.signed(v) for v in (None, 3.4, -2, 0)] == ["", "+3,4", "−2,0", "±0,0"]
    assert russian.size(100 * 1024**2) == "100,0\u00a0МиБ"


def test_the_wave_shows_who_speaks_above_and_below_the_line() -> None:
    says = [Utterance(id=0, start=0, end=4.9, speaker="manager", text="a"), Utterance(id=1, start=5, end=10, speaker="customer", text="b")]
    drawn = wave.draw([0.5] * 10, says, 10.0)
    assert drawn.columns == 10
    assert re.findall(r"M(\d+) 50v-46", drawn.manager) == ["0", "1", "2", "3", "4"]
    assert re.findall(r"M(\d+) 50v46", drawn.customer) == ["5", "6", "7", "8", "9"]
    assert wave.draw([], says, 10.0).columns == 0
    assert wave.draw([0.0] * 5000, (), 0.0).columns == wave.COLUMNS


def test_small_charts_have_no_surprises() -> None:
    assert spark([]) == spark([50.0]) == ""
    assert spark([0.0, 100.0]) == "M2.0 24.0L110.0 2.0"
    assert [heat(rate) for rate in (None, 0.0, 19.9, 50.0, 89.0, 90.0, 100.0)] == ["hn", "h0", "h0", "h2", "h4", "h5", "h5"]
