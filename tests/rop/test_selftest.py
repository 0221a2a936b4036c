"""`rop selftest` and `rop secret`: what an integrator's first hour and a change of the server secret look like."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

from typer.testing import CliRunner, Result

from checklists.transcript import Transcript
from core import clock
from core.secrets import server_secret
from core.settings import Settings
from db import calls, endpoints, keys, results
from db.engine import Database
from db.models import Call, TranscriptRow
from rop.cli import app
from tests.peers import databases
from tests.peers.webhook_peer import Reply, WebhookPeer


def run(home: Path, *arguments: str, networks: str = "127.0.0.1/32") -> Result:
    environment = {"ROP_ALLOWED_NETWORKS": networks, "ROP_PREFECT_API_URL": "http://127.0.0.1:1/api", "ROP_PREFECT_SECONDS": "0.2"}
    return CliRunner().invoke(app, [*arguments, "--home", str(home)], env=environment)


def furnished(home: Path, url: str) -> Database:
    """An installation with one webhook address."""
    settings = Settings(home=home)
    database = databases.empty(settings.db_url)
    with database.begin() as session:
        endpoints.set_url(session, server_secret(settings), "table", "TBL_1", url, clock.now())
    return database


def work(database: Database, status: str) -> None:
    """What a worker does to the sample once it is there: hear it, and end it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with database.begin() as session:
            call = session.query(Call).filter(Call.manager_id == "selftest").one_or_none()
            if call is not None:
                row = TranscriptRow(call_id=call.call_id, engine="whisper", model="base", content=Transcript().model_dump(mode="json"))
                row.created_at = clock.now()
                results.save_transcript(session, row)
                token = calls.claim(session, call.call_id, "run", clock.now(), 60).token
                calls.finish(session, call.call_id, token, status, clock.now())
                return
        time.sleep(0.05)


def with_worker(home: Path, database: Database, status: str = "done") -> Result:
    worker = threading.Thread(target=work, args=(database, status))
    worker.start()
    answer = run(home, "selftest", "--seconds", "30")
    worker.join()
    return answer


def test_everything_in_order(tmp_path: Path) -> None:
    with WebhookPeer() as crm:
        answer = with_worker(tmp_path, furnished(tmp_path, crm.url("/hook?token=hidden")))
    assert (answer.exit_code, answer.exception) == (0, None), answer.output
    assert len(crm.received) == 1
    for line in ("проверочное событие, table TBL_1 → 127.0.0.1: 200", "✓ расшифровка: реплик: 0", "✓ webhook", "Всё в порядке."):
        assert line in answer.output
    assert "hidden" not in answer.output


def test_an_address_that_refuses_is_told_and_is_an_exit_code(tmp_path: Path) -> None:
    with WebhookPeer([Reply(503)]) as crm:
        answer = with_worker(tmp_path, furnished(tmp_path, crm.url()))
    assert answer.exit_code == 1
    assert "✗ проверочное событие, table TBL_1 → 127.0.0.1: 503" in answer.output
    assert "Всё в порядке" not in answer.output


def test_a_sample_in_which_nothing_was_heard_is_a_failure_at_once(tmp_path: Path) -> None:
    with WebhookPeer() as crm:
        begun = time.monotonic()
        answer = with_worker(tmp_path, furnished(tmp_path, crm.url()), "no_speech")
    assert answer.exit_code == 1
    assert "✗ чек-листы: В образцовой записи не услышана речь." in answer.output
    assert time.monotonic() - begun < 20


def test_without_a_stack_it_says_so_in_time(tmp_path: Path) -> None:
    with WebhookPeer() as crm:
        furnished(tmp_path, crm.url())
        answer = run(tmp_path, "selftest", "--seconds", "0.5")
    assert answer.exit_code == 1
    assert "Запущен ли стек" in answer.output
    assert re.search(r"selftest_[0-9a-f]{12}", answer.output)


def test_an_unknown_key_is_one_sentence(tmp_path: Path) -> None:
    answer = run(tmp_path, "selftest", "--key", "key_none")
    assert answer.exit_code == 1
    assert str(answer.exception) == "No such key."


def test_the_server_secret_changes_and_nothing_is_lost(tmp_path: Path) -> None:
    database, settings = furnished(tmp_path, "http://127.0.0.1:1/"), Settings(home=tmp_path)
    with database.begin() as session:
        key = keys.create(session, server_secret(settings), "CRM", clock.now())
        endpoint_id = endpoints.every(session)[0].endpoint_id
        before = endpoints.live_secrets(session, server_secret(settings), endpoint_id, clock.now())
    assert "вместе с прежними (1)" in run(tmp_path, "secret", "rotate").output
    assert "заново: 1." in run(tmp_path, "secret", "reseal").output
    newest = server_secret(settings)[:1]
    with database.read() as session:
        assert endpoints.live_secrets(session, newest, endpoint_id, clock.now()) == before
        assert keys.find(session, server_secret(settings), key.plain, clock.now()) is not None


def test_a_secret_of_the_environment_is_changed_there(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["secret", "rotate", "--home", str(tmp_path)], env={"ROP_SECRET": "from the vault"})
    assert answer.exit_code == 1
    assert "ROP_SECRET" in str(answer.exception)
    assert not (tmp_path / "secret").exists()
