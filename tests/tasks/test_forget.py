"""Deleting a call: nothing of it is left anywhere, whoever is working on it and whatever is down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import func, select, text

from checklists import loader
from core import clock, ids
from core.errors import LeaseLost, NotFound
from core.secrets import server_secret
from core.settings import Settings
from db import calls, definitions, deliveries, endpoints, results, search, trials
from db.calls import NewCall
from db.engine import Database
from db.models import Audit, Base, LoadOutbox, Recording, Removal, TranscriptRow, Trial
from tasks import lease as leases
from tasks import step_results
from tasks.download import fetch
from tasks.forget import LOG_SECONDS, finish, forget
from tasks.prefect_api import PrefectApi
from tasks.retention import apply_retention
from tasks.runtime import Runtime
from tests.peers.file_peer import FilePeer, serve
from tests.peers.prefect_runs import RunsPeer
from tests.peers.sounds import noise, write
from tests.peers.waiting import eventually

ID = 'call "№1"'
KEEPS = {
    "audit",
    "load_outbox",
    "removals",
    "definitions",
    "definition_versions",
    "endpoints",
    "endpoint_secrets",
    "trials",
    "alembic_version",
}


@pytest.fixture
def prefect() -> Iterator[RunsPeer]:
    with RunsPeer() as peer:
        yield peer


@pytest.fixture
def runtime(database: Database, tmp_path: Path, prefect: RunsPeer) -> Iterator[Runtime]:
    settings = Settings(home=tmp_path / "home", database_url=database.url, prefect_api_url=prefect.url, allowed_networks="127.0.0.1/32")
    made = Runtime(settings)
    yield made
    made.database.dispose()


def accept(runtime: Runtime, call_id: str = ID, url: str = "http://crm.invalid/a.mp3") -> None:
    with runtime.database.begin() as session:
        calls.accept(session, NewCall(call_id, "m", "d", "s", url, None), clock.now())


def recording_of(call_id: str = ID) -> str:
    return f"{ids.stable_id('rec', call_id)}.ogg"


def work(runtime: Runtime, call_id: str = ID) -> None:
    """Everything that a call leaves behind, in every place."""
    accept(runtime, call_id)
    at = clock.now()
    part = runtime.storage.part("x")
    part.write_bytes(b"ogg")
    runtime.storage.put(part, recording_of(call_id))
    with runtime.database.begin() as session:
        token = calls.claim(session, call_id, "run-1", at, 60).token
        sound = {"format": "ogg", "codec": "vorbis", "channels": 2, "sample_rate": 8000, "duration": 9.5}
        session.add(Recording(call_id=call_id, path=recording_of(call_id), bytes=3, sha256="0", created_at=at, **sound))
        words = {"utterances": [{"id": 0, "start": 0, "end": 1, "speaker": "customer", "text": "Ферапонт"}]}
        session.add(TranscriptRow(call_id=call_id, engine="w", model="b", content=words, text="Ферапонт", peaks=[], created_at=at))
        results.save(session, call_id, "table", "t", "v1", {"fields": [{"name": "n", "value": "Ферапонт"}]}, at)
        endpoint = endpoints.set_url(session, server_secret(runtime.settings), "table", "t", "https://crm.example/hook", at)
        message = {"event": "table.completed", "kind": "table", "definition_id": "t", "version": "v1", "revision": 1, "at": at}
        deliveries.enqueue(session, call_id=call_id, endpoint=endpoint, body="Ферапонт".encode(), **message)  # type: ignore[arg-type]
        calls.finish(session, call_id, token, "done", at)
        definition = loader.builtin()[0]
        definitions.apply(session, definition, "test", at)
        trial = trials.create(session, definition, [call_id, "other"], "head", at)
        said = {"changes": [{"after": "Ферапонт"}]}
        for outcome in ({"call_id": call_id} | said, {"call_id": "other", "changes": []}):
            trials.add(session, trial.trial_id, outcome)


def delete(runtime: Runtime, call_id: str = ID) -> None:
    with closing(PrefectApi(runtime.settings)) as api:
        forget(runtime.database, runtime.settings, api, call_id, "admin")


def later(runtime: Runtime, seconds: float = 0.0) -> int:
    with time_machine.travel(clock.now() + timedelta(seconds=seconds), tick=True), closing(PrefectApi(runtime.settings)) as api:
        return finish(runtime.database, runtime.settings, api)


def files(runtime: Runtime) -> list[Path]:
    return [path for path in Path(runtime.settings.audio_url).rglob("*") if path.is_file()]


def count(runtime: Runtime, model: type[Base]) -> int:
    with runtime.database.read() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_nothing_is_left_but_one_line_of_the_audit(runtime: Runtime, prefect: RunsPeer) -> None:
    work(runtime)
    steps = [Path(step_results.url(runtime.settings)) / f"{step_results.beginning(call_id)}_abc" for call_id in (ID, "another")]
    steps[0].parent.mkdir(parents=True)
    for step in steps:
        step.touch()
    prefect.run("run-1", ID, clock.now().isoformat())
    prefect.run("run-2", "another", clock.now().isoformat())
    delete(runtime)
    with runtime.database.read() as session:
        full = {table.name for table in Base.metadata.sorted_tables if session.scalar(select(func.count()).select_from(table))}
        (line,) = session.scalars(select(Audit).where(Audit.action == "call.deleted"))
        rows = " ".join(str(tuple(row)) for table in Base.metadata.sorted_tables for row in session.execute(select(table)))
        (trial,) = trials.recent(session, *definition_of_trial(session), 5)
        heard = search.matches(session.get_bind().dialect.name, "Ферапонт")
        assert heard is not None
        assert session.execute(heard).all() == []
        assert session.scalars(select(LoadOutbox.call_id)).all()[-1] == ID
    assert full <= KEEPS - {"removals"}
    assert (line.actor, line.subject, line.detail) == ("admin", ID, {})
    assert "Ферапонт" not in rows
    assert (trial.call_ids, trial.outcomes) == (["other"], [{"call_id": "other", "changes": []}])
    assert (list(prefect.runs), list(prefect.artifacts), list(prefect.tasks)) == (["run-2"], ["artifact-run-2"], ["task-run-2"])
    assert [step.exists() for step in steps] == [False, True]
    assert files(runtime) == []


def definition_of_trial(session: object) -> tuple[str, str]:
    kind, name = session.execute(text("SELECT kind, definition_id FROM trials")).one()  # type: ignore[attr-defined]
    return kind, name


def test_an_unknown_call_is_not_found(runtime: Runtime) -> None:
    with pytest.raises(NotFound):
        delete(runtime)
    assert count(runtime, Audit) == 0


@pytest.mark.parametrize("way", ["finish", "retention"])
def test_prefect_is_cleaned_when_it_is_back(runtime: Runtime, prefect: RunsPeer, way: str) -> None:
    work(runtime)
    prefect.run("run-1", ID, clock.now().isoformat())
    prefect.down = True
    delete(runtime)
    assert (files(runtime), count(runtime, Removal), later(runtime)) == ([], 1, 0)
    prefect.down = False
    assert (later(runtime) if way == "finish" else apply_retention(runtime).finished) == 1
    assert (prefect.runs, count(runtime, Removal)) == ({}, 0)


def test_a_run_that_is_going_on_is_waited_for_and_not_for_ever(runtime: Runtime, prefect: RunsPeer) -> None:
    work(runtime)
    prefect.run("run-1", ID, clock.now().isoformat(), "RUNNING")
    delete(runtime)
    assert (later(runtime), list(prefect.runs)) == (0, ["run-1"])
    assert (later(runtime, runtime.settings.lease_seconds + 1), prefect.runs) == (1, {})


def test_the_last_log_lines_of_a_run_are_waited_for(runtime: Runtime, prefect: RunsPeer) -> None:
    """They come in batches after its end, and with the run already gone they would stay for ever; the card goes at once."""
    work(runtime)
    prefect.run("run-1", ID, clock.now().isoformat(), since=clock.now().isoformat())
    delete(runtime)
    assert (later(runtime), list(prefect.runs), prefect.artifacts) == (0, ["run-1"], {})
    assert (later(runtime, LOG_SECONDS + 1), prefect.runs) == (1, {})


def test_a_call_that_came_again_keeps_what_is_its_own(runtime: Runtime, prefect: RunsPeer) -> None:
    work(runtime)
    prefect.run("run-1", ID, clock.now().isoformat())
    prefect.down = True
    delete(runtime)
    prefect.down = False
    work(runtime)
    prefect.run("run-2", ID, (clock.now() + timedelta(seconds=1)).isoformat())
    assert later(runtime) == 1
    assert list(prefect.runs) == ["run-2"]
    assert [file.name for file in files(runtime)] == [recording_of()]


def test_whoever_works_on_the_call_is_stopped(runtime: Runtime) -> None:
    accept(runtime)
    with leases.claim(runtime.database, runtime.settings, ID, "run-1") as lease:
        delete(runtime)
        with pytest.raises(LeaseLost):
            lease.enter("transcribing")
        with runtime.database.begin() as session, pytest.raises(LeaseLost):
            calls.fence(session, ID, lease.token)
    with runtime.database.begin() as session, pytest.raises(NotFound):
        calls.claim(session, ID, "run-1", clock.now(), 60)


def test_a_download_under_way_ends_and_leaves_no_file(runtime: Runtime, tmp_path: Path) -> None:
    sound = write(tmp_path / "a.wav", noise(10, 0.2), "pcm_s16le").read_bytes()
    with FilePeer({"/a": serve(sound)}) as peer:
        accept(runtime, url=peer.url("/a"))
        with leases.claim(runtime.database, runtime.settings, ID, "run-1") as lease:

            def tick(_: int) -> None:
                if lease.stop_reason is None:
                    delete(runtime)
                    eventually(lambda: lease.stop_reason)
                lease.check()

            with pytest.raises(LeaseLost):
                fetch(ID, peer.url("/a"), runtime.settings, runtime.storage, runtime.http, tick)
    later(runtime)
    assert files(runtime) == []


def test_a_file_that_arrives_after_the_deletion_goes_when_its_worker_is_surely_gone(runtime: Runtime) -> None:
    accept(runtime)
    until = leases.claim(runtime.database, runtime.settings, ID, "run-1").call.lease_until
    assert until is not None
    delete(runtime)
    part = runtime.storage.part("x")
    part.write_bytes(b"ogg")
    runtime.storage.put(part, recording_of())
    assert (later(runtime), count(runtime, Removal)) == (0, 1)
    assert (later(runtime, (until - clock.now()).total_seconds() + 1), count(runtime, Removal)) == (1, 0)
    assert files(runtime) == []


def test_a_run_made_while_the_call_was_deleted_goes_too(runtime: Runtime, prefect: RunsPeer) -> None:
    accept(runtime)
    prefect.down = True
    delete(runtime)
    prefect.down = False
    prefect.run("run-1", ID, datetime(2999, 1, 1).astimezone().isoformat(), "SCHEDULED")
    assert (later(runtime), prefect.runs) == (1, {})


def test_a_trial_under_way_brings_back_nothing_of_a_deleted_call(runtime: Runtime) -> None:
    work(runtime)
    delete(runtime)
    with runtime.database.begin() as session:
        [trial_id] = session.scalars(select(Trial.trial_id))
        trials.add(session, trial_id, {"call_id": ID, "changes": [{"after": "Ферапонт"}]})
        assert [one["call_id"] for one in trials.get(session, trial_id).outcomes] == ["other"]
