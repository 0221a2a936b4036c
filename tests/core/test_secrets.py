"""The server secret: made once, private, the same for every process, and changed without losing what was made before."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.secrets import Unreadable, keyed_hash, rotate, seal, server_secret, unseal
from core.settings import Settings


def test_the_file_is_private_and_stays(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    [first] = server_secret(settings)
    assert len(first) == 32
    assert server_secret(settings) == (first,)
    assert mode(tmp_path / "home" / "secret") == 0o600


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: server_secret(settings), range(64)))
    assert len(found) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["secret"]


def test_secrets_from_the_settings_need_no_file(tmp_path: Path) -> None:
    assert server_secret(Settings(home=tmp_path, secret=SecretStr("from the vault"))) == (b"from the vault",)
    assert server_secret(Settings(home=tmp_path, secret=SecretStr("new, old,"))) == (b"new", b"old")
    assert list(tmp_path.iterdir()) == []


def test_what_the_file_made_is_known_when_its_lines_move_to_the_settings(tmp_path: Path) -> None:
    alone = Settings(home=tmp_path)
    rotate(alone)
    moved = Settings(home=tmp_path / "other", secret=SecretStr((tmp_path / "secret").read_text().replace("\n", ",")))
    assert set(server_secret(alone)) <= set(server_secret(moved))
    assert unseal(server_secret(moved), seal(server_secret(alone), "whsec")) == "whsec"


def test_a_change_keeps_the_former_secrets_behind_the_new_one(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    [first] = server_secret(settings)
    [second, *_] = rotate(settings)
    assert rotate(settings)[1:] == (second, first)
    assert len(set(server_secret(settings))) == 3
    assert mode(tmp_path / "secret") == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["secret"]


def test_hashes_of_different_purposes_differ() -> None:
    assert keyed_hash(b"s", "a", "x") != keyed_hash(b"s", "b", "x")
    assert keyed_hash(b"s", "a", "x") != keyed_hash(b"t", "a", "x")


def test_what_is_sealed_opens_with_any_secret_that_is_known() -> None:
    sealed = seal((b"old",), "whsec_секрет")
    assert "whsec" not in sealed
    assert sealed != seal((b"old",), "whsec_секрет")
    assert unseal((b"new", b"old"), sealed) == "whsec_секрет"
    assert unseal((b"new",), seal((b"new", b"old"), "x")) == "x"


@pytest.mark.parametrize(
    "sealed",
    ["", "whsec_plain", "gAAAAA", seal((b"another",), "x"), seal((b"new",), "x")[:-2] + "AA"],
    ids=["nothing", "plain", "short", "another secret", "changed"],
)
def test_everything_else_is_unreadable(sealed: str) -> None:
    with pytest.raises(Unreadable):
        unseal((b"new", b"old"), sealed)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
