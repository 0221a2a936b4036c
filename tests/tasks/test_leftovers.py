"""A worker sweeps what was left in its own home, and nothing that somebody still works on."""

from __future__ import annotations

import asyncio
import fcntl
import os
from datetime import timedelta
from pathlib import Path

import fsspec
import pytest

from core import clock
from core.settings import Settings
from core.storage import Storage
from flows.resident import ResidentWorker
from tasks import leftovers, step_results

TWO_DAYS, TWO_HOURS = timedelta(days=2), timedelta(hours=2)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A worker whose recordings are elsewhere."""
    return Settings(home=tmp_path / "home", storage_url=f"memory://{tmp_path.name}")


def aged(path: Path, age: timedelta) -> Path:
    moment = (clock.now() - age).timestamp()
    os.utime(path, (moment, moment))
    return path


def part(settings: Settings, name: str, age: timedelta) -> Path:
    """The part of a download with its note."""
    made = Storage(settings).part(name)
    made.touch()
    made.with_suffix(".json").touch()
    return aged(made, age)


def copy(settings: Settings, name: str, age: timedelta) -> Path:
    """What a killed worker was reading."""
    folder = settings.root / "audio" / ".copies" / name
    folder.mkdir(parents=True)
    (folder / "rec_1.mp3").touch()
    return aged(folder, age)


def test_a_home_without_leftovers_is_left_as_it_is(settings: Settings) -> None:
    leftovers.tidy(settings)
    assert not settings.root.exists()


def test_old_parts_go_and_those_stay_that_are_young_or_being_written(settings: Settings) -> None:
    old, young, written = (part(settings, name, age) for name, age in (("old", TWO_DAYS), ("young", TWO_HOURS), ("written", TWO_DAYS)))
    with written.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        leftovers.tidy(settings)
    kept = {f"{one.stem}{suffix}" for one in (young, written) for suffix in (".part", ".json")}
    assert {file.name for file in old.parent.iterdir()} == kept


def test_copies_go_that_no_transcription_can_be_reading(settings: Settings) -> None:
    old, young = copy(settings, "old", TWO_DAYS), copy(settings, "young", TWO_HOURS)
    leftovers.tidy(settings)
    assert [old.exists(), young.exists()] == [False, True]


def test_a_short_life_of_leftovers_takes_no_copy_from_a_long_transcription(settings: Settings) -> None:
    made = copy(settings, "one", TWO_HOURS)
    leftovers.tidy(settings.model_copy(update={"leftover_seconds": 60.0}))
    assert made.exists()


def test_the_worker_sweeps_its_home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROP_HOME", str(settings.root))
    monkeypatch.setenv("ROP_STORAGE_URL", settings.audio_url)
    left = [part(settings, "old", TWO_DAYS), copy(settings, "old", TWO_DAYS)]
    monkeypatch.setenv("ROP_RESULT_KEEP_SECONDS", "0.001")
    steps, root = fsspec.core.url_to_fs(step_results.url(settings))
    steps.pipe_file(f"{root}/old", b"quote")
    worker = ResidentWorker(settings.house_pool)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(worker._tidy(), 2))
    assert not any(one.exists() for one in left)
    assert not steps.exists(f"{root}/old")


def test_a_storage_that_is_away_does_not_keep_the_worker_from_its_own_home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROP_HOME", str(settings.root))
    monkeypatch.setenv("ROP_STORAGE_URL", "s3://recordings")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    left = part(settings, "old", TWO_DAYS)
    worker = ResidentWorker(settings.house_pool)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(worker._tidy(), 2))
    assert not left.exists()
