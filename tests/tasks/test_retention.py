"""Retention: what is old goes, what is young or still worked on stays, and whatever interrupts it is made up for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ColumnElement, func, select

from bench import _year
from checklists.blank import DELETED, blank
from checklists.results import ChecklistResult, TableResult
from core import clock, ids
from core.errors import BadAudio, Unavailable
from core.settings import Settings
from db import calls, deliveries, results, search
from db.calls import NewCall
from db.engine import Database
from db.models import Audit, Call, Delivery, DeliveryAttempt, LoadOutbox, Override, Recording, Removal, Result, TranscriptRow
from tasks import retention
from tasks.load import load_pending
from tasks.retention import Report, apply_retention
from tasks.runtime import Runtime
from warehouse import query

OLD, YOUNG = timedelta(days=40), timedelta(days=5)
KEPT: dict[str, Any] = {"keep_audio_days": 10, "keep_text_days": 30}


@pytest.fixture
def runtime(database: Database, tmp_path: Path) -> Iterator[Runtime]:
    """A home on each database with the directory of the synthetic company; nobody answers at Prefect's address."""
    settings = Settings(home=tmp_path / "home", database_url=database.url, prefect_api_url="http://127.0.0.1:1/api", **KEPT)
    with database.begin() as session:
        _year.store_directory(session)
    made = Runtime(settings)
    yield made
    made.database.dispose()


def store(runtime: Runtime, count: int, age: timedelta, first: int = 0) -> list[str]:
    """Judged calls of that age, each with its recording."""
    states = _year.states(count, seed=1, first=first)
    with runtime.database.begin() as session:
        made = _year.store(session, states)
        for call_id in made:
            session.get_one(Call, call_id).received_at = clock.now() - age
            if row := session.get(Recording, call_id):
                row.path = f"{ids.stable_id('rec', call_id)}.ogg"
                save(runtime, row.path)
    return made


def save(runtime: Runtime, name: str, age: timedelta = timedelta(0)) -> Path:
    """A file of the storage that was written so long ago."""
    part = runtime.storage.part("x")
    part.write_bytes(b"ogg")
    runtime.storage.put(part, name)
    return aged(Path(runtime.settings.audio_url) / name, age)


def aged(file: Path, age: timedelta) -> Path:
    moment = (clock.now() - age).timestamp()
    os.utime(file, (moment, moment))
    return file


def files(runtime: Runtime) -> set[str]:
    return {path.name for path in Path(runtime.settings.audio_url).rglob("*") if path.is_file()}


def count(runtime: Runtime, model: type, *where: ColumnElement[bool]) -> int:
    with runtime.database.read() as session:
        return session.scalar(select(func.count()).select_from(model).where(*where)) or 0


def test_old_recordings_and_texts_go_and_young_ones_stay(runtime: Runtime) -> None:
    old, young = store(runtime, 5, OLD), store(runtime, 3, YOUNG, first=50)
    report = apply_retention(runtime)
    assert (report.recordings, report.texts) == (5, 5)
    assert files(runtime) == {f"{ids.stable_id('rec', call_id)}.ogg" for call_id in young}
    assert count(runtime, Recording, Recording.deleted_at.is_not(None)) == 5
    assert count(runtime, TranscriptRow, TranscriptRow.call_id.in_(old)) == 0
    assert count(runtime, TranscriptRow, TranscriptRow.call_id.in_(young)) == 3
    assert apply_retention(runtime) == Report()


def test_nothing_goes_without_a_limit(runtime: Runtime) -> None:
    store(runtime, 3, timedelta(days=4000))
    kept = Runtime(runtime.settings.model_copy(update={"keep_audio_days": 0, "keep_text_days": 0}))
    assert apply_retention(kept) == Report()
    kept.database.dispose()


def test_scores_stay_and_what_was_said_is_gone_from_every_table(runtime: Runtime) -> None:
    (call_id,) = store(runtime, 1, OLD)
    with runtime.database.begin() as session:
        session.add(
            Override(
                call_id=call_id, checklist_id="sales", stage_id="x", score=1, reason="позвонил Ферапонт", author="h", created_at=clock.now()
            )
        )
        before = {row.result_id: row.content for row in session.scalars(select(Result))}
        said = session.get_one(TranscriptRow, call_id).content["utterances"]
    apply_retention(runtime)
    with runtime.database.read() as session:
        rows = list(session.scalars(select(Result)))
        for row in rows:
            was = before[row.result_id]
            same = ("total_score", "max_score", "completion_percentage", "usage")
            assert {n: row.content.get(n) for n in same} == {n: was.get(n) for n in same}
            assert [s["score"] for s in row.content.get("stages", ())] == [s["score"] for s in was.get("stages", ())]
            assert all(field["value"] is None for field in row.content.get("fields", ()))
        everything = str([row.content for row in rows]) + str([o.reason for o in session.scalars(select(Override))])
        assert calls.get(session, call_id).audio_url == ""
        heard = search.matches(session.get_bind().dialect.name, said[0]["text"].split()[0])
        assert heard is not None
        assert not session.execute(heard).all()
    assert not any(u["text"] in everything for u in said)
    assert "Ферапонт" not in everything
    assert DELETED in everything


def test_a_blanked_result_is_still_a_result(runtime: Runtime) -> None:
    stage = {
        "stage_id": "a",
        "stage_name": "А",
        "score": 1,
        "percentage": 100.0,
        "status": "completed",
        "comment": "да",
        "quote": "Добрый день",
    }
    usage = {"engine": "rules"}
    common = {"call_id": "c", "usage": usage, "timestamp": clock.now().isoformat()}
    card = common | {"checklist_id": "k", "checklist_name": "К", "checklist_version": "1", "total_score": 1, "max_score": 1}
    blanked = blank(card | {"completion_percentage": 100.0, "stages": [stage]})
    assert ChecklistResult.model_validate(blanked).stages[0].quote == DELETED
    table = common | {"table_id": "t", "table_name": "Т", "table_version": "1", "processing_time": 0.1}
    blanked = blank(table | {"fields": [{"name": "phone", "value": "+7", "evidence": [3]}]})
    assert TableResult.model_validate(blanked).extracted_data == {"phone": None}


def test_what_was_sent_is_emptied_and_what_waits_is_not_sent_any_more(runtime: Runtime) -> None:
    (call_id,) = store(runtime, 1, OLD)
    with runtime.database.begin() as session:
        session.scalars(select(Delivery)).one().status = "pending"
    apply_retention(runtime)
    with runtime.database.begin() as session:
        (sent,) = deliveries.log(session, call_id=call_id)
        assert (sent.delivery.body, sent.delivery.status) == (b"", "dead")
        assert [attempt.response for attempt in sent.attempts] == [""]
        assert deliveries.replay_since(session, None, clock.now() - timedelta(days=4000), clock.now()) == 0
    assert count(runtime, DeliveryAttempt) == 1


def test_analysts_keep_the_scores_and_lose_the_words(runtime: Runtime) -> None:
    store(runtime, 4, OLD)
    load_pending(runtime.database, runtime.settings)
    parts = ("sum(final_completion) FROM fact_checklist", "count(*) FROM fact_utterance", "count(*) FROM fact_stage")
    ask = "SELECT " + ", ".join(f"(SELECT {part})" for part in parts)
    ((completion, utterances, stages),) = query(ask, runtime.settings)[1]
    assert utterances > 0
    apply_retention(runtime)
    assert count(runtime, LoadOutbox, LoadOutbox.loaded_at.is_(None)) == 4
    unhurried = runtime.settings.model_copy(update={"publish_share": 1e9})
    load_pending(runtime.database, unhurried)
    assert query(ask, runtime.settings)[1] == [(completion, 0, stages)]
    quotes = "SELECT DISTINCT quote FROM fact_stage UNION SELECT DISTINCT quote FROM fact_table_value ORDER BY 1"
    assert query(quotes, runtime.settings)[1] == [("",), (DELETED,)]


def test_a_call_that_is_worked_on_is_left_alone_however_old(runtime: Runtime) -> None:
    with runtime.database.begin() as session:
        calls.accept(session, NewCall("c1", "m", "d", "s", "http://crm.invalid/a.mp3", None), clock.now() - OLD)
        calls.claim(session, "c1", "run-1", clock.now(), 60)
        results.save_recording(session, recording("c1"))
    save(runtime, recording("c1").path)
    assert apply_retention(runtime) == Report()


def test_a_failed_call_that_came_again_is_young_again(runtime: Runtime) -> None:
    new = NewCall("c1", "m", "d", "s", "http://crm.invalid/a.mp3", None)
    with runtime.database.begin() as session:
        calls.accept(session, new, clock.now() - OLD)
        token = calls.claim(session, "c1", "run-1", clock.now(), 60).token
        calls.finish(session, "c1", token, "failed", clock.now(), BadAudio())
    assert apply_retention(runtime).texts == 1
    with runtime.database.begin() as session:
        again = calls.accept(session, new, clock.now())
        assert (again.audio_url, again.text_deleted_at) == (new.audio_url, None)


def test_a_storage_that_fails_stops_the_run_and_the_next_one_goes_on(runtime: Runtime) -> None:
    store(runtime, 3, OLD)
    audio = Path(runtime.settings.audio_url)
    first = min(audio.glob("*.ogg"))
    away = first.rename(first.with_suffix(".away"))
    first.mkdir()
    (first / "in the way").touch()
    with pytest.raises(Unavailable):
        apply_retention(runtime)
    assert count(runtime, Recording, Recording.deleted_at.is_(None)) >= 1
    (first / "in the way").unlink()
    first.rmdir()
    away.rename(first)
    apply_retention(runtime)
    assert files(runtime) == set()


def test_files_of_no_call_go_after_the_grace(runtime: Runtime) -> None:
    (known,) = store(runtime, 1, YOUNG)
    day = timedelta(days=2)
    own = f"{ids.stable_id('rec', known)}.ogg"
    aged(Path(runtime.settings.audio_url) / own, day)
    save(runtime, f"{ids.stable_id('rec', 'gone')}.mp3", day)
    save(runtime, f"{ids.stable_id('rec', 'fresh')}.mp3")
    save(runtime, "somebody-elses.mp3", day)
    draft = Path(runtime.settings.audio_url) / f".{ids.stable_id('rec', 'killed')}.ogg.part"
    draft.touch()
    aged(draft, day)
    for name, age in (("stale", day), ("under-way", timedelta(0))):
        part = runtime.storage.part(ids.stable_id("rec", name))
        part.touch()
        part.with_suffix(".json").touch()
        aged(part, age)
    assert apply_retention(runtime).leftovers == 3
    under_way = ids.stable_id("rec", "under-way")
    fresh = f"{ids.stable_id('rec', 'fresh')}.mp3"
    assert files(runtime) == {own, fresh, "somebody-elses.mp3", f"{under_way}.part", f"{under_way}.json"}


def test_the_storage_of_another_database_is_not_swept(runtime: Runtime) -> None:
    for number in range(retention.STRANGE_FILES + 1):
        save(runtime, f"{ids.stable_id('rec', number)}.ogg", timedelta(days=2))
    report = apply_retention(runtime)
    assert (report.leftovers, report.refused) == (0, retention.STRANGE_FILES + 1)
    assert len(files(runtime)) == retention.STRANGE_FILES + 1


def test_a_run_leaves_one_audit_line_without_personal_data(runtime: Runtime) -> None:
    made = store(runtime, 3, OLD)
    apply_retention(runtime)
    apply_retention(runtime)
    with runtime.database.read() as session:
        (line,) = session.scalars(select(Audit))
    assert (line.actor, line.action, line.detail["texts"], line.detail["recordings"]) == ("retention", "retention.applied", 3, 3)
    assert not any(call_id in str(line.detail) for call_id in made)
    assert count(runtime, Removal) == 3


def recording(call_id: str) -> Recording:
    """A recording as the download stores it."""
    row = Recording(call_id=call_id, path=f"{ids.stable_id('rec', call_id)}.ogg", bytes=3, sha256="0", created_at=clock.now())
    row.format, row.codec, row.channels, row.sample_rate, row.duration = "ogg", "vorbis", 2, 8000, 9.5
    return row
