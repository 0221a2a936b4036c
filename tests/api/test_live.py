"""The API in several real processes, spoken to by strangers' clients."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from db.engine import Database
from db.models import Call
from tests.api.conftest import UPLOAD
from tests.peers.api_server import Server, serve
from tests.peers.prefect_peer import PrefectPeer
from tests.peers.waiting import eventually

pytestmark = pytest.mark.slow
# The customer's own examples, to the letter.
BASE, KEY = "http://10.28.32.81", "YOUR_API_KEY"
UPLOAD_EXAMPLE = r"""curl --location --request POST 'http://10.28.32.81/api/v1/calls/audio-upload?apiKey=YOUR_API_KEY' \
--form 'manager_id="mgr_001"' \
--form 'call_id="call_12345_20250619"' \
--form 'deal_id="deal_5678"' \
--form 'deal_stage_id="stage_qualification"' \
--form 'audio_url="https://crm.company.com/files/audio/call_12345.mp3"'
"""
READY_EXAMPLE = 'curl -X GET "http://10.28.32.81/api/v1/tables/call-ready?tab=test&call=1"'
INCOMPLETE_EXAMPLE = r"""curl --location --request POST 'http://10.28.32.81/api/v1/calls/audio-upload?apiKey=YOUR_API_KEY' \
--form 'manager_id="test_manager"' \
--form 'call_id="test_call_001"' \
--form 'audio_url="https://example.com/test.mp3"'
"""
OFFICES_EXAMPLE = """{
  "offices": [
    {
      "office_title": "Офис продаж Центр",
      "office_id": "office_001",
      "leader_ids": ["leader_123", "leader_456"],
      "managers_ids": ["manager_789", "manager_012"]
    }
  ]
}"""


@pytest.fixture(scope="module")
def prefect() -> Iterator[PrefectPeer]:
    with PrefectPeer() as peer:
        yield peer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, prefect: PrefectPeer) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("live")
    with serve(home, workers=3, prefect_api_url=prefect.url, rate_limit="500", probe="off") as running:
        yield running


def curl(server: Server, command: str, *more: str) -> tuple[int, dict[str, Any]]:
    """Run a documented command with the real curl; the status and the body."""
    assert shutil.which("curl")
    arguments = shlex.split(command.replace("\\\n", " ").replace(BASE, server.url).replace(KEY, server.key))
    done = subprocess.run([*arguments, *more, "-s", "-w", "\n%{http_code}"], capture_output=True, text=True, check=True, timeout=30)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_the_customer_s_upload_example(server: Server) -> None:
    assert curl(server, UPLOAD_EXAMPLE) == (200, {"status": "queued", "call_id": "call_12345_20250619"})
    status, body = curl(server, UPLOAD_EXAMPLE)
    assert (status, body["code"], body["status"]) == (409, "call_exists", "queued")


def test_the_customer_s_incomplete_example_is_told_what_is_missing(server: Server) -> None:
    status, body = curl(server, INCOMPLETE_EXAMPLE)
    assert (status, list(body["fields"])) == (400, ["deal_id", "deal_stage_id"])


def test_the_customer_s_readiness_example(server: Server) -> None:
    assert curl(server, READY_EXAMPLE) == (200, {"ready": False})


def test_the_customer_s_offices_example_by_any_client(server: Server) -> None:
    url = f"curl '{BASE}/api/v1/settings/offices-update?apiKey={KEY}'"
    assert curl(server, url, "-d", OFFICES_EXAMPLE) == (200, {"status": "ok", "created": 1, "updated": 0, "unchanged": 0})
    as_json = ("-H", "Content-Type: application/json", "--data-binary", OFFICES_EXAMPLE)
    assert curl(server, url, *as_json)[1]["unchanged"] == 1
    assert curl(server, url, "--form", f"offices={json.dumps(json.loads(OFFICES_EXAMPLE)['offices'])}")[1]["unchanged"] == 1


def test_of_fifty_identical_posts_one_is_accepted_and_one_run_made(server: Server, prefect: PrefectPeer) -> None:
    def post(_: int) -> int:
        return httpx.post(
            f"{server.url}/api/v1/calls/audio-upload",
            params={"apiKey": server.key},
            data=UPLOAD | {"call_id": "fifty"},
            trust_env=False,
            timeout=60,
        ).status_code

    with ThreadPoolExecutor(50) as pool:
        assert sorted(pool.map(post, range(50))) == [200] + [409] * 49
    runs = eventually(lambda: [body for body in prefect.bodies if body["parameters"]["call_id"] == "fifty"])
    assert len(runs) == 1
    assert runs[0]["parameters"] == {"call_id": "fifty"}
    with server.database.read() as session:
        assert session.scalar(select(func.count()).where(Call.call_id == "fifty")) == 1


@pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
def test_the_limit_is_exact_over_all_processes(tmp_path: Path, database: Database) -> None:
    more = {"rate_limit": "60", "prefect_api_url": "http://127.0.0.1:1/api"}
    url = database.engine.url.render_as_string(hide_password=False)
    with serve(tmp_path, workers=2, database_url=url, **more) as server:

        def ask(_: int) -> httpx.Response:
            return httpx.get(f"{server.url}/api/v1/deliveries", params={"apiKey": server.key}, trust_env=False, timeout=60)

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, range(150)))
        polls = httpx.get(f"{server.url}/api/v1/tables/call-ready?tab=t&call=c&apiKey={server.key}", trust_env=False)
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(200), statuses.count(429)) == (60, 90)
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in answers if answer.status_code == 429)
    assert polls.status_code == 404, "polling has a bucket of its own"
