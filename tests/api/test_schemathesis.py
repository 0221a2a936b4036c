"""The whole document against the real server, with every check the tool has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from checklists.definitions import Checklist, Table
from core import clock
from db import calls, definitions, results
from db.calls import NewCall
from db.models import TranscriptRow
from tests.api.test_calls import HEARD, RESULT
from tests.peers.api_server import Server, serve
from tests.peers.prefect_peer import PrefectPeer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
HERE = Path(__file__).parent
KNOWN = "known_call"
STAGE = {"id": "greeting", "name": "Приветствие", "criteria": [{"id": "hello", "ask": "Поздоровался?"}]}
SECONDS = 800


def furnish(server: Server) -> None:
    """A finished call and definitions, so that requests reach more than a 404."""
    at = clock.now()
    row = TranscriptRow(call_id=KNOWN, engine="whisper", model="base", content=HEARD.model_dump(mode="json"), created_at=at)
    result = RESULT.model_copy(update={"call_id": KNOWN}).model_dump(mode="json")
    with server.database.begin() as session:
        definitions.apply(session, Checklist.model_validate({"id": "sales", "name": "Продажи", "stages": [STAGE]}), "test", at)
        definitions.apply(session, Table.model_validate({"id": "TBL_1", "name": "Сделка", "fields": [{"name": "city"}]}), "test", at)
        calls.accept(session, NewCall(KNOWN, "m", "d", "s", "http://crm.invalid/a.mp3", None), at)
        token = calls.claim(session, KNOWN, "run", at, 60).token
        results.save_transcript(session, row)
        results.save(session, KNOWN, "checklist", "sales", "v1", result, at)
        calls.finish(session, KNOWN, token, "done", at)


def test_the_document_holds(tmp_path: Path) -> None:
    quiet = {"probe": "off", "log_level": "WARNING"}
    with PrefectPeer() as prefect, serve(tmp_path, 1, prefect_api_url=prefect.url, rate_limit="1000000", **quiet) as server:
        furnish(server)
        command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml"), "--no-color"]
        command += ["run", f"{server.url}/openapi.json", "-H", f"X-API-Key: {server.key}", "-n", "20", "--continue-on-failure"]
        environment = os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)}
        done = subprocess.run(command, check=False, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, done.stdout[-8000:]
        assert "unexpected_error" not in server.log.read_text()
