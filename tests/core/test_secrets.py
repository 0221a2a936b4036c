"""The server secret: made once, private, the same for every process."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import SecretStr

from core.secrets import keyed_hash, server_secret
from core.settings import Settings


def test_the_file_is_private_and_stays(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    first = server_secret(settings)
    assert len(first) == 32
    assert server_secret(settings) == first
    assert stat.S_IMODE((tmp_path / "home" / "secret").stat().st_mode) == 0o600


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: server_secret(settings), range(64)))
    assert len(found) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["secret"]


def test_a_secret_from_the_settings_needs_no_file(tmp_path: Path) -> None:
    assert server_secret(Settings(home=tmp_path, secret=SecretStr("from the vault"))) == b"from the vault"
    assert list(tmp_path.iterdir()) == []


def test_hashes_of_different_purposes_differ() -> None:
    assert keyed_hash(b"s", "a", "x") != keyed_hash(b"s", "b", "x")
    assert keyed_hash(b"s", "a", "x") != keyed_hash(b"t", "a", "x")
