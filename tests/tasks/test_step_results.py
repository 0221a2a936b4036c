"""Results of finished steps do not outlive their use, wherever they lie."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import cast

import fsspec
import pytest
from prefect.filesystems import WritableFileSystem
from prefect.results import ResultStore, resolve_result_storage

from core import clock
from core.settings import Settings
from flows.resident import result_storage
from tasks import step_results
from tasks.step_results import StepResults


@pytest.fixture(params=["home", "shared folder", "file URL", "object store"])
def house(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Settings:
    """A house of one host, and those whose hosts share what lies at `storage_url`."""
    shared = {
        "shared folder": str(tmp_path / "shared"),
        "file URL": f"file://{tmp_path}/shared",
        "object store": f"memory://{tmp_path.name}",
    }
    return settings.model_copy(update={"storage_url": shared.get(request.param)})


def put(settings: Settings, name: str) -> str:
    files, root = fsspec.core.url_to_fs(step_results.url(settings))
    path = f"{root}/{name}"
    files.makedirs(path.rpartition("/")[0], exist_ok=True)
    files.pipe_file(path, b"quote")
    return path


def names(settings: Settings) -> list[str]:
    files, root = fsspec.core.url_to_fs(step_results.url(settings))
    return sorted(path.rpartition("/")[2] for path in files.ls(root, detail=False))


def test_old_results_go_and_young_ones_stay(house: Settings) -> None:
    StepResults(house).expire(clock.now())  # nothing was ever finished: there is no folder
    put(house, "old")
    time.sleep(0.1)
    between = clock.now()
    time.sleep(0.1)
    put(house, "young")
    put(house, "below/older")
    StepResults(house).expire(between)
    assert names(house) == ["below", "young"]


def test_what_is_days_old_goes(settings: Settings) -> None:
    os.utime(put(settings, "old"), (0, 0))
    StepResults(settings).expire(clock.now() - timedelta(days=1))
    assert names(settings) == []


def test_results_of_one_call_are_found_by_their_names(house: Settings) -> None:
    StepResults(house).forget("c1")
    before, after = (f"{step_results.beginning('c1')}_{number}" for number in range(2))
    other = f"{step_results.beginning('c10')}_0"
    put(house, before)
    put(house, other)
    time.sleep(0.1)
    between = clock.now()
    time.sleep(0.1)
    put(house, after)
    StepResults(house).forget("c1", between)
    assert names(house) == sorted([after, other])
    StepResults(house).forget("c1")
    assert names(house) == [other]


def resolved(house: Settings) -> WritableFileSystem:
    return cast("WritableFileSystem", resolve_result_storage(result_storage(house), _sync=True))  # type: ignore[call-arg]


def test_a_rerun_on_another_host_finds_what_was_finished(house: Settings, tmp_path: Path) -> None:
    one, other = (house.model_copy(update={"home": tmp_path / host}) for host in ("one", "other"))
    ResultStore(result_storage=resolved(one)).write("answer", key="key")
    assert names(one) == ["key"]
    there = ResultStore(result_storage=resolved(other))
    assert there.exists("key") is (house.storage_url is not None)
