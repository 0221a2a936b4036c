"""Liveness, readiness and metrics."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tests.api.conftest import Api


def metrics(api: Api) -> dict[str, float]:
    answer = api.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))}


def test_a_living_process(api: Api) -> None:
    assert api.client.get("/healthz").json() == {"status": "ok"}


def test_ready_without_prefect(both: Api) -> None:
    answer = both.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "database": "ok", "disk": "ok", "prefect": "unavailable"})


def test_an_old_schema_is_not_ready(api: Api) -> None:
    with api.database.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'old'"))
    answer = api.client.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "schema_outdated")


def test_a_broken_database_is_not_ready(api: Api) -> None:
    with api.database.begin() as session:
        session.execute(text("DROP TABLE leases"))
    assert api.client.get("/readyz").json()["database"] == "unavailable"


def test_metrics_count_routes_and_calls(both: Api) -> None:
    both.upload()
    both.upload()
    both.upload(call_id="call_2")
    both.end("call_2", "done")
    found = metrics(both)
    route = 'method="POST",route="/api/v1/calls/audio-upload"'
    assert found[f'rop_http_requests_total{{{route},status="200"}}'] == 2
    assert found[f'rop_http_requests_total{{{route},status="409"}}'] == 1
    assert found[f"rop_http_seconds_count{{{route}}}"] == 3
    assert found['rop_calls{status="done"}'] == 1
    assert found["rop_queue_age_seconds"] > 0
    assert found["rop_warehouse_backlog"] >= 1


@pytest.mark.parametrize("path", ["/api/v1/calls/secret_number_5", "/secret_number_5"])
def test_metrics_hold_no_path(api: Api, path: str) -> None:
    api.client.get(path, headers={"X-API-Key": api.key})
    assert "secret_number_5" not in api.client.get("/metrics").text
