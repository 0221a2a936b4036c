"""Files for other tools: nothing in them runs, nothing is half written, and the manifest always names whole files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import openpyxl
import pytest

from bench import _year
from core.settings import Settings
from warehouse import export, publish
from warehouse.batch import FACTS, Batch
from warehouse.loader import Loader
from warehouse.readers import BadQuery

Make = Callable[..., Batch]
HOSTILE = '=HYPERLINK("http://evil.example","жми")'


def put(house: Settings, batch: Batch) -> None:
    with Loader(house) as loader:
        loader.load(batch)
    if publish.is_due(house.model_copy(update={"publish_share": 1e9})):
        publish.publish(house)


@pytest.fixture
def filled(tmp_path: Path, batch_of: Make) -> Settings:
    settings = Settings(home=tmp_path / "home")
    put(settings, batch_of(list(_year.states(10))))
    return settings


def test_csv_opens_in_excel_and_runs_nothing(filled: Settings, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert (
        export.save(filled, "SELECT ? AS said, -5 AS n, ['а', 'б'] AS items, NULL AS none UNION ALL SELECT '+7', 1, [], 2", path, [HOSTILE])
        == 2
    )
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["said", "n", "items", "none"], ["'" + HOSTILE, "-5", '["а", "б"]', ""], ["'+7", "1", "[]", "2"]]
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")


def test_excel_gets_values_of_their_types_and_no_formula(filled: Settings, tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    sql = "SELECT ? AS said, 1.5 AS n, DATE '2026-01-02' AS day, true AS ok, repeat('я', 40000) AS long, chr(1) || 'x' AS odd"
    assert export.save(filled, sql, path, [HOSTILE]) == 1
    (heading, cells) = openpyxl.load_workbook(path).active.iter_rows()
    assert [cell.value for cell in heading] == ["said", "n", "day", "ok", "long", "odd"]
    assert (cells[0].value, cells[0].data_type) == (HOSTILE, "s")
    assert [cell.value for cell in cells[1:4]] == [1.5, cells[2].value, True]
    assert f"{cells[2].value:%Y-%m-%d}" == "2026-01-02"
    assert len(cells[4].value) == export.EXCEL_TEXT
    assert cells[5].value == "x"


def test_what_fails_leaves_no_file(filled: Settings, tmp_path: Path) -> None:
    with pytest.raises(export.TooManyRows):
        export.save(filled, "SELECT * FROM range(1_048_577)", tmp_path / "big.xlsx")
    with pytest.raises(BadQuery):
        export.save(filled, "COPY fact_call TO 'x'", tmp_path / "a.csv")
    with pytest.raises(export.UnknownFormat):
        export.save(filled, "SELECT 1", tmp_path / "a.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_months_are_written_once(house: Settings, batch_of: Make) -> None:
    january, june = list(_year.states(6)), list(_year.states(6, first=450_000))
    put(house, batch_of(january + june))
    manifest = export.months(house)
    first = files(manifest)
    assert {entry["month"] for entry in first if entry["table"] == "fact_call"} == {"2026-01", "2026-06"}
    stamps = {entry["path"]: (manifest.parent / entry["path"]).stat().st_mtime_ns for entry in first}
    (late,) = _year.states(1, first=100)
    put(house, batch_of([late]))
    second = files(export.months(house))
    kept = {entry["path"] for entry in first} & {entry["path"] for entry in second}
    assert {entry["month"] for entry in second if entry["path"] not in kept} == {"2026-01"}
    for path in kept:
        assert (manifest.parent / path).stat().st_mtime_ns == stamps[path]
    for table in FACTS:
        paths = [str(manifest.parent / entry["path"]) for entry in second if entry["table"] == table]
        (rows,) = duckdb.execute("SELECT count(*) FROM read_parquet(?)", [paths]).fetchone() or (0,)
        assert rows == len(batch_of([*january, *june, late]).rows[table])


def test_files_of_the_manifest_before_stay_one_turn(filled: Settings, batch_of: Make) -> None:
    folder = export.months(filled).parent
    gone = {entry["path"] for entry in files(folder / "manifest.json") if entry["table"] == "fact_call"}
    for number in (50, 60):
        put(filled, batch_of(list(_year.states(1, first=number))))
        assert all((folder / path).exists() for path in gone)
        export.months(filled)
    assert not any((folder / path).exists() for path in gone)


def files(manifest: Path) -> list[dict[str, str]]:
    return json.loads(manifest.read_text(encoding="utf-8"))["files"]
