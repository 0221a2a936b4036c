"""Recordings in a folder and in a bucket: there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core import clock
from core.errors import NotFound, Unavailable
from core.settings import Settings
from core.storage import Storage, storage_errors


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """URL of a bucket on a real S3 server on loopback."""
    server_module = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().makedirs("recordings", exist_ok=True)
    yield f"s3://recordings/{tmp_path.name}"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """A bucket whose server refuses connections, and is asked but once."""
    s3fs = pytest.importorskip("s3fs")
    config = tmp_path / "aws"
    config.write_text("[default]\nmax_attempts = 1\n")
    told = {"CONFIG_FILE": str(config), "ENDPOINT_URL": "http://127.0.0.1:9", "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}
    for name, value in told.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()
    yield Storage(Settings(home=tmp_path / "home", storage_url="s3://recordings/away"))
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(params=["folder", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """The same contract in a local folder and at fsspec URLs."""
    url = (
        request.getfixturevalue("bucket")
        if request.param == "s3"
        else {"folder": None, "memory": f"memory://{tmp_path.name}"}[request.param]
    )
    return Storage(Settings(home=tmp_path / "home", storage_url=url))


def put(storage: Storage, path: str, content: bytes) -> None:
    part = storage.part("rec_1")
    part.write_bytes(content)
    storage.put(part, path)
    assert not part.exists()


def test_what_was_put_is_read_back_and_deleted(storage: Storage) -> None:
    put(storage, "rec_1.mp3", b"sound")
    assert storage.size("rec_1.mp3") == 5
    with storage.open("rec_1.mp3") as file:
        assert file.seek(2) == 2
        assert file.read() == b"und"
    with storage.local("rec_1.mp3") as path:
        assert path.read_bytes() == b"sound"
        assert path.suffix == ".mp3"
    storage.delete("rec_1.mp3")
    storage.delete("rec_1.mp3")
    with pytest.raises(NotFound), storage.open("rec_1.mp3"):
        pass


def test_a_second_put_replaces_the_first(storage: Storage) -> None:
    for content in (b"first", b"second"):
        put(storage, "a/rec_1.wav", content)
    with storage.local("a/rec_1.wav") as path:
        assert path.read_bytes() == b"second"


def test_a_local_copy_lies_in_the_home_while_it_is_read(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", storage_url=f"memory://{tmp_path.name}")
    storage = Storage(settings)
    put(storage, "rec_1.mp3", b"sound")
    with storage.local("rec_1.mp3") as path:
        assert path.is_relative_to(settings.root / "audio" / ".copies")
    assert not path.parent.exists()


def test_what_is_not_there_is_not_found(storage: Storage) -> None:
    with pytest.raises(NotFound), storage.local("rec_0.ogg"):
        pass
    with pytest.raises(NotFound):
        storage.size("rec_0.ogg")


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret", "a/../../b", "", ".parts", "a/.hidden"])
def test_paths_that_leave_the_root_are_refused(tmp_path: Path, path: str) -> None:
    storage = Storage(Settings(home=tmp_path))
    with pytest.raises(ValueError, match="not a path"), storage.open(path):
        pass
    with pytest.raises(ValueError, match="not a path"):
        storage.delete(path)


def test_nothing_is_left_beside_the_recording(tmp_path: Path) -> None:
    storage = Storage(Settings(home=tmp_path))
    put(storage, "rec_1.mp3", b"sound")
    assert [p.relative_to(tmp_path) for p in sorted(tmp_path.rglob("*")) if p.is_file()] == [Path("audio/rec_1.mp3")]


def test_a_place_that_cannot_be_written_may_recover(tmp_path: Path) -> None:
    storage = Storage(Settings(home=tmp_path))
    part = storage.part("rec_1")
    part.write_bytes(b"sound")
    (tmp_path / "audio" / "sub").write_bytes(b"in the way")
    with pytest.raises(Unavailable) as caught:
        storage.put(part, "sub/rec_1.mp3")
    assert caught.value.reason == "storage_unavailable"
    assert part.read_bytes() == b"sound"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_may_recover() -> None:
    with pytest.raises(Unavailable), storage_errors():
        Path("/dev/full").write_bytes(b"x")


def test_every_file_is_listed_with_its_age_and_can_be_dropped(storage: Storage) -> None:
    assert list(storage.entries()) == []
    put(storage, "rec_1.mp3", b"sound")
    put(storage, "rec_2.ogg", b"more sound")
    found = {entry.name: entry for entry in storage.entries()}
    assert {name: entry.bytes for name, entry in found.items()} == {"rec_1.mp3": 5, "rec_2.ogg": 10}
    assert all(abs((clock.now() - entry.modified).total_seconds()) < 60 for entry in found.values())
    storage.drop(found["rec_1.mp3"])
    storage.drop(found["rec_1.mp3"])
    assert [entry.name for entry in storage.entries()] == ["rec_2.ogg"]


def test_a_bucket_that_is_away_is_an_outage(away: Storage) -> None:
    part = away.part("rec_1")
    part.write_bytes(b"sound")
    for ask in (lambda: away.put(part, "rec_1.mp3"), lambda: away.size("rec_1.mp3"), lambda: list(away.entries())):
        with pytest.raises(Unavailable) as caught:
            ask()
        assert caught.value.reason == "storage_unavailable"
    with pytest.raises(Unavailable), away.local("rec_1.mp3"):
        pass
    assert part.exists()


def test_what_a_reader_of_the_bytes_meets_is_its_own_affair(storage: Storage) -> None:
    put(storage, "rec_1.mp3", b"sound")
    with pytest.raises(ValueError, match="mine"), storage.open("rec_1.mp3"):
        raise ValueError("mine")
