"""What only a lake does: upkeep, taking over an embedded warehouse, and files on S3."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import warehouse
from bench import _year
from core import ids
from core.errors import Unavailable
from core.settings import Settings
from warehouse import lake, publish
from warehouse.batch import FACTS, Batch
from warehouse.embedded import Embedded
from warehouse.loader import Loader

pytestmark = pytest.mark.slow

Make = Callable[..., Batch]


@pytest.fixture
def house(tmp_path: Path, postgres_url: str) -> Settings:
    """Settings of an empty lake that keeps nothing old."""
    return Settings(home=tmp_path, lake_catalog=SecretStr(postgres_url), lake_schema=f"lake_{ids.token(4)}", lake_keep_seconds=0.0)


def contents(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    with warehouse.connect(settings) as connection:
        return {name: connection.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in FACTS}


def parquet(settings: Settings) -> list[Path]:
    return list((settings.warehouse_dir / "lake").rglob("*.parquet"))


def test_upkeep_leaves_fewer_files_and_the_same_content(house: Settings, batch_of: Make) -> None:
    with Loader(house) as loader:
        for at in range(0, 40, 10):
            loader.load(batch_of(list(_year.states(10, first=at))))
        loader.load(batch_of(list(_year.states(20, first=5))))
    before, files = contents(house), parquet(house)
    assert lake.maintain(house) > 0
    assert contents(house) == before
    assert len(parquet(house)) < len(files) / 2


def test_a_lake_takes_over_an_embedded_warehouse(house: Settings, batch_of: Make) -> None:
    embedded = Settings(home=house.home)
    with Loader(embedded) as loader:
        loader.load(batch_of(list(_year.states(30)), seq=30))
    publish.publish(embedded)
    with Loader(house) as loader:
        loader.load(batch_of(list(_year.states(3, first=100))))
    assert lake.adopt(house, Embedded(embedded).private) == 30
    assert contents(house) == contents(embedded)
    assert warehouse.query("SELECT loaded_seq FROM freshness", house)[1] == [(30,)]
    for view in ("manager_ranking", "stage_funnel", "table_deal"):
        assert warehouse.query(f"FROM {view} ORDER BY ALL", house) == warehouse.query(f"FROM {view} ORDER BY ALL", embedded)
    with Loader(house) as loader:
        loader.load(batch_of(list(_year.states(2, first=30))))


def test_one_command_moves_a_warehouse(house: Settings, batch_of: Make) -> None:
    with Loader(Settings(home=house.home)) as loader:
        loader.load(batch_of(list(_year.states(4))))
    assert house.lake_catalog is not None
    where = {"ROP_HOME": str(house.home), "ROP_LAKE_CATALOG": house.lake_catalog.get_secret_value(), "ROP_LAKE_SCHEMA": house.lake_schema}
    done = subprocess.run([sys.executable, "-m", "warehouse.lake"], env={**os.environ, **where}, capture_output=True, text=True, check=True)
    assert done.stdout == "Перенесено звонков: 4.\n"
    assert warehouse.query("SELECT calls FROM freshness", house)[1] == [(4,)]


def test_a_catalog_that_is_down_may_come_back(tmp_path: Path) -> None:
    away = Settings(home=tmp_path, lake_catalog=SecretStr("postgresql://rop:hidden@127.0.0.1:1/rop"))
    for open_one in (lambda: Loader(away), lambda: warehouse.connect(away)):
        with pytest.raises(Unavailable) as error:
            open_one()
        assert "hidden" not in str(error.value)


@pytest.fixture
def bucket() -> Iterator[dict[str, Any]]:
    """An S3 server on loopback with one bucket; the settings that reach it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys).create_bucket(Bucket="rop")
    place = {"lake_data": "s3://rop/lake/", "lake_s3_endpoint": f"{host}:{port}", "lake_s3_tls": False}
    yield place | {"lake_s3_key": SecretStr("key"), "lake_s3_secret": SecretStr("secret")}
    server.stop()


def test_files_may_live_on_s3(house: Settings, bucket: dict[str, Any], batch_of: Make) -> None:
    remote = house.model_copy(update=bucket)
    with Loader(remote) as loader:
        loader.load(batch_of(list(_year.states(10))))
        loader.load(batch_of(list(_year.states(5, first=5))))
    assert warehouse.query("SELECT count(*), sum(n) FROM fact_call, (SELECT sum(n) AS n FROM manager_ranking)", remote)[1][0][0] == 10
    assert lake.maintain(remote) > 0
    assert warehouse.query("SELECT count(*) FROM fact_call", remote)[1] == [(10,)]
