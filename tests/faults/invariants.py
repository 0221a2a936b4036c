"""What must hold whatever was killed, read from outside: the database, the receiver's log, the warehouse, the files and the logs.

I1  every accepted call has ended, or a run of it is still to come
I2  a call is published once; one result a definition for every time it was judged
I3  every result, and every end without one, has its webhook and its row for the warehouse
I4  what the receiver took and what the outbox calls delivered is the same, but for calls that were deleted; equal ids, equal bytes
I5  the warehouse shows what the database holds, row for row
I6  no half-written file of a call that ended; no key, secret or address token in a log or in Prefect

    python -m tests.faults.invariants HOME [RECEIVER_LOG]
"""

from __future__ import annotations

import base64
import json
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import httpx
from sqlalchemy import func, select

from core import ids
from core import settings as settings_module
from core.settings import Settings
from db import export, keys
from db.calls import FINISHED, TERMINAL
from db.engine import Database
from db.models import Audit, Call, CallEvent, Delivery, Endpoint, LoadOutbox, Result
from warehouse import dimensions, loader, scores
from warehouse.batch import FACTS, Batch
from warehouse.embedded import Embedded
from warehouse.facts import Flattener

SECRETS = re.compile(rb"rop_[0-9A-Za-z]{30,}|whsec_[0-9A-Za-z+/]{30,}|token=sesame[^\x00\s\"']*")
LOOK_SECONDS = 90.0
JUDGED = ("done", "rescored")
TOLD = ("failed", "no_speech")  # ends that have a webhook of their own; a result has one by itself
Violations = dict[str, list[str]]


def check_invariants(
    settings: Settings, receiver: Path | None = None, accepted: Collection[str] = (), *, settled: bool = True
) -> Violations:
    """What is wrong, by invariant; empty lists mean that all hold.

    `accepted` are the calls that the CRM was told were taken. A house that is `settled` has nothing left to do; otherwise work that is
    still waiting is no violation.
    """
    database = Database(settings.db_url)
    try:
        return {
            "I1": [*_lost(database, accepted), *_unended(database, settled=settled)],
            "I2": list(_repeated(database)),
            "I3": list(_unannounced(database)),
            "I4": [] if receiver is None else list(_undelivered(database, receiver, settled=settled)),
            "I5": list(_different(database, settings, settled=settled)),
            "I6": [*_torn(database, settings), *_leaked(settings)],
        }
    finally:
        database.dispose()


def zombies(settings: Settings) -> list[str]:
    """Calls that have ended while Prefect shows a run of them as going on, and goes on so: a restarted worker needs a moment to look."""
    deadline = time.monotonic() + LOOK_SECONDS
    while (found := _going(settings)) and time.monotonic() < deadline:
        time.sleep(1)
    return found


def _going(settings: Settings) -> list[str]:
    database = Database(settings.db_url)
    with database.read() as session:
        ended = dict(session.execute(select(Call.flow_run_id, Call.call_id).where(Call.status.in_(TERMINAL))).tuples().all())
    database.dispose()
    wanted = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}, "limit": 200}
    answer = httpx.post(f"{settings.prefect_api_url}/flow_runs/filter", json=wanted, trust_env=False, timeout=30)
    going = answer.raise_for_status().json()
    return [f"{ended[run['id']]} {run['state']['type']}" for run in going if run["id"] in ended]


def _lost(database: Database, accepted: Collection[str]) -> Iterator[str]:
    with database.read() as session:
        known = set(session.scalars(select(Call.call_id)))
    yield from (f"{call_id} was accepted and is not there" for call_id in accepted if call_id not in known)


def _unended(database: Database, *, settled: bool) -> Iterator[str]:
    with database.read() as session:
        for call in session.scalars(select(Call).where(Call.status.not_in(TERMINAL))):
            if settled or not _has_future(call):
                yield f"{call.call_id} is {call.status}, run {call.runs}, triggered {call.triggered_at}, lease until {call.lease_until}"
        for call in session.scalars(select(Call).where(Call.status.in_(TERMINAL))):
            if call.finished_at is None or (call.status == "failed") != (call.reason_code is not None):
                yield f"{call.call_id} is {call.status} with the reason {call.reason_code}, finished {call.finished_at}"


def _has_future(call: Call) -> bool:
    """Reconciliation finds it: not triggered yet, waiting in Prefect, or held under a lease that will run out."""
    if call.status == "received":
        return call.triggered_at is None
    return call.flow_run_id is not None if call.status == "queued" else call.lease_until is not None


def _repeated(database: Database) -> Iterator[str]:
    with database.read() as session:
        judged = Counter(session.scalars(select(CallEvent.call_id).where(CallEvent.name.in_(JUDGED))))
        ends = Counter(session.scalars(select(CallEvent.call_id).where(CallEvent.name.in_(FINISHED))))
        statuses = dict(session.execute(select(Call.call_id, Call.status)).tuples().all())
        same = (Result.call_id, Result.kind, Result.definition_id)
        counted = select(*same, func.count(), func.count().filter(Result.superseded_at.is_(None))).group_by(*same)
        rows = session.execute(counted).tuples().all()
    for call_id, kind, definition_id, revisions, current in rows:
        if revisions > judged[call_id] or current != 1:
            yield f"{call_id} {kind} {definition_id}: {revisions} revisions, {current} current, judged {judged[call_id]} times"
    yield from (f"{call_id} was published {count} times" for call_id, count in ends.items() if count > 1)
    judged_calls = {row[0] for row in rows}
    yield from (
        f"{call_id} is done without a result" for call_id, status in statuses.items() if status == "done" and call_id not in judged_calls
    )


def _unannounced(database: Database) -> Iterator[str]:
    with database.read() as session:
        known = set(session.scalars(select(Delivery.delivery_id)))
        since = {(e.owner_kind, e.owner_id): e.created_at for e in session.scalars(select(Endpoint).where(Endpoint.url != ""))}
        to_load = set(session.scalars(select(LoadOutbox.call_id)))
        for row in session.scalars(select(Result).where(Result.status == "ok")):
            name = ids.stable_id("msg", row.call_id, row.kind, row.definition_id, row.version, row.revision)
            if _is_before(since.get((row.kind, row.definition_id)), row.created_at) and name not in known:
                yield f"{row.call_id} {row.kind} {row.definition_id} revision {row.revision} has no webhook"
        for call in session.scalars(select(Call).where(Call.status.in_(TERMINAL))):
            if call.call_id not in to_load:
                yield f"{call.call_id} has no row for the warehouse"
            name = ids.stable_id("msg", call.call_id, "event", f"call.{call.status}", str(call.attempt), call.runs)
            address_since = since.get(("key", keys.integration(call.key_id or "")))
            if call.status in TOLD and _is_before(address_since, call.finished_at) and name not in known:
                yield f"{call.call_id} is {call.status} and has no webhook that says so"


def _is_before(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one <= other


def _undelivered(database: Database, receiver: Path, *, settled: bool) -> Iterator[str]:
    bodies: dict[str, set[bytes]] = defaultdict(set)
    taken: set[str] = set()
    for line in receiver.read_text(encoding="utf-8").splitlines() if receiver.exists() else ():
        seen = json.loads(line)
        bodies[seen["id"]].add(base64.b64decode(seen["body"]))
        if not seen["verified"]:
            yield f"{seen['id']} came with a wrong signature"
        if 200 <= seen["status"] < 300:
            taken.add(seen["id"])
    with database.read() as session:
        rows = {row.delivery_id: row for row in session.scalars(select(Delivery))}
        deleted = set(session.scalars(select(Audit.subject).where(Audit.action == "call.deleted")))
    kept = {one for one, sent in bodies.items() if not any(json.loads(body).get("call_id") in deleted for body in sent)}
    yield from (f"{one} was received and is not in the outbox" for one in kept - rows.keys())
    written = {one: row.body for one, row in rows.items() if row.body}  # retention empties what was sent
    yield from (f"{one} came with other bytes" for one in bodies.keys() & written.keys() if bodies[one] != {written[one]})
    delivered = {one for one, row in rows.items() if row.status == "delivered"}
    yield from (f"{one} is delivered by the outbox alone" for one in delivered - taken)
    if settled:
        yield from (f"{one} was taken and is {rows[one].status}" for one in (taken & rows.keys()) - delivered)
        yield from (f"{one} is still pending" for one, row in rows.items() if row.status == "pending")


def _different(database: Database, settings: Settings, *, settled: bool) -> Iterator[str]:
    """Compare the published warehouse with one that is made anew from the database, fact by fact."""
    with tempfile.TemporaryDirectory(prefix="rop-i5-") as folder:
        anew = settings_module.load(Path(folder), time_zone=settings.time_zone)
        loader.rebuild(anew, _everything(database, settings))
        published, fresh = Embedded(settings).published, Embedded(anew).private
        if not published.exists():
            with database.read() as session:
                yield from (f"{call_id} and all others are not published" for call_id in export.reportable_ids(session, "", 1))
            return
        waiting = _waiting(database)
        if settled:
            yield from (f"{call_id} waits for the loader" for call_id in waiting)
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH '{published}' AS shown (READ_ONLY); ATTACH '{fresh}' AS anew (READ_ONLY)")
            for table in FACTS:
                yield from _rows_apart(connection, table, waiting)


def _rows_apart(connection: duckdb.DuckDBPyConnection, table: str, waiting: Collection[str]) -> Iterator[str]:
    for one, other, word in (("shown", "anew", "too many"), ("anew", "shown", "missing")):
        apart = f"SELECT call_id, count(*) FROM (FROM {one}.{table} EXCEPT ALL FROM {other}.{table}) GROUP BY call_id ORDER BY call_id"
        rows = connection.execute(apart).fetchall()
        yield from (f"{table}: {count} rows of {call_id} {word}" for call_id, count in rows if call_id not in waiting)


def _everything(database: Database, settings: Settings) -> Iterator[Batch]:
    after = ""
    while True:
        with export.snapshot(database) as session:
            known = dimensions.build(export.dimensions(session))
            call_ids = export.reportable_ids(session, after, 500)
            states = export.states(session, call_ids)
        batch, _ = Flattener(settings.time_zone, scores.places(known.rows["dim_stage"])).batch(states, [], 0, known)
        yield batch
        if not call_ids:
            return
        after = call_ids[-1]


def _waiting(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(LoadOutbox.call_id).where(LoadOutbox.loaded_at.is_(None))))


def _torn(database: Database, settings: Settings) -> Iterator[str]:
    """Parts are kept for calls that may go on downloading: those that have not ended, and those that failed for want of an answer."""
    with database.read() as session:
        status = {ids.stable_id("rec", call_id): status for call_id, status in session.execute(select(Call.call_id, Call.status)).tuples()}
    audio = Path(settings.audio_url)
    for path in (*audio.glob(".parts/*"), *audio.glob(".*.part")):
        if status.get(path.name.lstrip(".").partition(".")[0]) in FINISHED:
            yield f"{path.name} is left in {path.parent.name}"
    yield from (f"{path.name} is stored for no call" for path in audio.glob("rec_*") if path.name.partition(".")[0] not in status)


def _leaked(settings: Settings) -> Iterator[str]:
    """Logs as text, Prefect's database as bytes: parameters, states, logs, artifacts and events are all in it."""
    files = [*settings.root.glob("logs/*"), *settings.root.glob("prefect/*.db*"), *settings.root.glob("prefect/storage/**/*")]
    for path in files:
        found = SECRETS.search(path.read_bytes()) if path.is_file() else None
        if found:
            yield f"{path.name} holds {found[0][:12].decode()}…"


def report(found: Violations) -> str:
    """One line an invariant, and what is wrong below it."""
    lines = []
    for name, wrong in found.items():
        lines.append(f"{name} {'held' if not wrong else f'BROKEN ({len(wrong)})'}")
        lines += [f"   {one}" for one in wrong[:20]]
    return "\n".join(lines)


def main(home: Path, receiver: Path | None) -> int:
    """Check a home folder as it is, also while its stack runs."""
    found = check_invariants(settings_module.load(home), receiver, settled=False)
    sys.stdout.write(report(found) + "\n")
    return int(any(found.values()))


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
