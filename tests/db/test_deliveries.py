"""The webhook outbox: once a message, fair by address, on a schedule, never lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import NotFound
from core.settings import Settings
from db import calls, deliveries, endpoints, export
from db.deliveries import SCHEDULE, Attempt
from db.engine import Database
from db.models import Delivery

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LEASE = 60.0


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def put(database: Database, owner: str = "sales", call_id: str | None = None, revision: int = 1, body: bytes = b"{}") -> str | None:
    """Enqueue one webhook for the owner's address; its id, or None for a repeat."""
    with database.begin() as session:
        endpoint = endpoints.set_url(session, (b"server",), "checklist", owner, f"https://{owner}.test/", AT)
        row = deliveries.enqueue(
            session,
            call_id=call_id,
            event="checklist.completed",
            endpoint=endpoint,
            kind="checklist",
            definition_id=owner,
            version="v1",
            revision=revision,
            body=body,
            at=AT,
        )
        return row.delivery_id if row else None


def claim(database: Database, at: datetime = AT, limit: int = 100, **options: object) -> list[Delivery]:
    with database.begin() as session:
        return deliveries.claim_due(session, at, limit, LEASE, **options)  # type: ignore[arg-type]


def record(database: Database, delivery: Delivery, settings: Settings, **met: object) -> Delivery:
    attempt = Attempt(**{"at": AT, "seconds": 0.1, **met})  # type: ignore[arg-type]
    with database.begin() as session:
        return deliveries.record(session, delivery, attempt, settings)


def known_call(database: Database, call_id: str) -> None:
    with database.begin() as session:
        new = calls.NewCall(call_id, "m", "d", "s", "https://crm.test/a.mp3", key_id=None)
        calls.accept(session, new, AT)


def test_a_message_is_queued_once_under_one_stable_id(database: Database) -> None:
    first = put(database, body=b"one")
    assert put(database, body=b"two") is None
    assert first is not None
    assert put(database, revision=2) not in {None, first}
    [mine] = [d for d in claim(database) if d.delivery_id == first]
    assert mine.body == b"one"


def test_the_id_is_the_hash_of_what_is_delivered(database: Database) -> None:
    """Receivers drop repeats by it: it must not change between releases."""
    known_call(database, "call-1")
    assert put(database, call_id="call-1") == "msg_cf84e54020c40a79ab363a20a06bfd8d"


def test_a_claim_hides_the_row_until_the_lease_ends(database: Database) -> None:
    put(database)
    [first] = claim(database)
    assert (first.attempts, claim(database)) == (1, [])
    assert claim(database, after(LEASE - 1)) == []
    [again] = claim(database, after(LEASE + 1))
    assert (again.delivery_id, again.body, again.attempts) == (first.delivery_id, first.body, 2)


def test_simultaneous_senders_never_share_a_row(database: Database) -> None:
    for revision in range(40):
        put(database, f"owner{revision % 10}", revision=revision)
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: claim(database, limit=10), range(8)))
    # On PostgreSQL two that look at the same moment may both see a row; one of them goes without it.
    claimed = [d.delivery_id for batch in (*batches, claim(database, limit=40)) for d in batch]
    assert len(claimed) == len(set(claimed)) == 40


def test_addresses_take_turns(database: Database) -> None:
    for revision in range(50):
        put(database, "crowd", revision=revision)
    put(database, "lone")
    assert len({d.endpoint_id for d in claim(database, limit=2)}) == 2


def test_one_address_never_holds_more_than_its_share(database: Database) -> None:
    for revision in range(10):
        put(database, "crowd", revision=revision)
    assert len(claim(database, per_address=4)) == 4
    assert claim(database, per_address=4) == []


def test_a_failing_address_is_tried_one_at_a_time_after_the_healthy_ones(database: Database, settings: Settings) -> None:
    for revision in range(10):
        put(database, "broken", revision=revision)
    record(database, claim(database, limit=1)[0], settings, status_code=500)
    for revision in range(3):
        put(database, "healthy", revision=revision)
    healthy = claim(database, limit=3)
    assert len({d.endpoint_id for d in healthy}) == 1
    assert claim(database, failing_limit=0) == []
    [one] = claim(database)
    assert one.endpoint_id != healthy[0].endpoint_id


def test_claims_of_one_call_leave_the_others(database: Database) -> None:
    for name in ("a", "b"):
        known_call(database, name)
        put(database, call_id=name)
    [mine] = claim(database, call_id="b")
    assert mine.call_id == "b"


def test_a_call_owes_what_is_pending_alone(database: Database, settings: Settings) -> None:
    for call_id in ("call_1", "call_2"):
        known_call(database, call_id)
    put(database, "sales", call_id="call_1")
    with database.read() as session:
        assert (deliveries.owed(session, "call_1"), deliveries.owed(session, "call_2")) == (True, False)
    record(database, claim(database)[0], settings, status_code=204)
    with database.read() as session:
        assert not deliveries.owed(session, "call_1")


def test_the_whole_schedule_ends_in_a_dead_letter(database: Database, settings: Settings) -> None:
    put(database)
    moment, waits = AT, []
    for number in range(1, len(SCHEDULE) + 1):
        [due] = claim(database, moment)
        assert due.attempts == number
        row = record(database, due, settings, at=moment, seconds=0.0, status_code=500)
        if row.next_attempt_at is not None:
            waits.append((row.next_attempt_at - moment).total_seconds())
            assert claim(database, row.next_attempt_at - timedelta(seconds=1)) == []
            moment = row.next_attempt_at
    assert (row.status, row.next_attempt_at) == ("dead", None)
    assert claim(database, moment + timedelta(days=30)) == []
    for wait, planned in zip(waits, SCHEDULE[1:], strict=True):
        assert planned * 0.8 <= wait <= planned * 1.2
    assert waits != list(SCHEDULE[1:])
    with database.read() as session:
        [logged] = deliveries.log(session)
        assert [a.number for a in logged.attempts] == list(range(1, 9))


def test_jitter_spreads_many_deliveries_over_the_whole_range() -> None:
    waits = []
    for number in range(200):
        moment = deliveries.next_attempt_at(f"msg_{number}", 2, AT)
        assert moment is not None
        waits.append((moment - AT).total_seconds())
    assert 240 <= min(waits) < 250
    assert 350 < max(waits) <= 360
    assert len(set(waits)) == 200


def test_success_ends_it_and_clears_the_address(database: Database, settings: Settings) -> None:
    put(database)
    record(database, claim(database)[0], settings, status_code=500)
    row = record(database, claim(database, after(10))[0], settings, status_code=204, at=after(10))
    assert (row.status, row.delivered_at, row.next_attempt_at, row.locked_until) == ("delivered", after(10), None, None)
    with database.read() as session:
        assert endpoints.by_id(session, row.endpoint_id).failing_since is None


def test_anything_but_2xx_is_tried_again(database: Database, settings: Settings) -> None:
    for status in (301, 302, 400, 401, 404, 500, 502):
        put(database, revision=status)
        assert record(database, claim(database)[0], settings, status_code=status).status == "pending"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("status", "wish", "least", "most"),
    [
        (429, 1000.0, 1000, 1000),
        (503, 1000.0, 1000, 1000),
        (429, 1.0, 4, 6),
        (503, None, 4, 6),
        (500, 1000.0, 4, 6),
        (429, 10.0**9, 36000, 36000),
    ],
)
def test_retry_after_is_honoured_from_those_who_may_ask(
    database: Database, settings: Settings, status: int, wish: float | None, least: float, most: float
) -> None:
    put(database)
    row = record(database, claim(database)[0], settings, status_code=status, retry_after=wish, seconds=0.0)
    assert row.next_attempt_at is not None
    assert least <= (row.next_attempt_at - AT).total_seconds() <= most


def test_410_disables_the_address_and_others_wait_for_it(database: Database, settings: Settings) -> None:
    for revision in (1, 2):
        put(database, revision=revision)
    gone, other = claim(database)
    assert record(database, gone, settings, status_code=410).status == "dead"
    assert record(database, other, settings, status_code=500).status == "pending"
    assert claim(database, after(86400)) == []
    with database.begin() as session:
        assert endpoints.by_id(session, gone.endpoint_id).disabled_reason == "gone"
        endpoints.enable(session, gone.endpoint_id)
    assert [d.delivery_id for d in claim(database, after(86400))] == [other.delivery_id]


def test_five_days_of_failures_alone_disable_the_address(database: Database, settings: Settings) -> None:
    for revision in (1, 2, 3):
        put(database, revision=revision)
    first, second, third = claim(database)
    record(database, first, settings, status_code=500)
    row = record(database, second, settings, status_code=500, at=AT + timedelta(days=4, hours=23))
    with database.read() as session:
        assert endpoints.by_id(session, row.endpoint_id).disabled_at is None
    record(database, third, settings, error_code="timeout", at=AT + timedelta(days=5, hours=1))
    with database.read() as session:
        assert endpoints.by_id(session, row.endpoint_id).disabled_reason == "failing"
        assert deliveries.count_by_status(session) == {"pending": 3}


def test_a_hopeless_attempt_is_a_dead_letter_at_once(database: Database, settings: Settings) -> None:
    put(database)
    row = record(database, claim(database)[0], settings, error_code="address_refused", hopeless=True)
    assert (row.status, row.next_attempt_at) == ("dead", None)


def test_a_sender_that_lost_its_claim_decides_nothing_but_success(database: Database, settings: Settings) -> None:
    put(database)
    [slow] = claim(database)
    [quick] = claim(database, after(LEASE + 1))
    row = record(database, slow, settings, status_code=500)
    assert (row.status, row.lock_token) == ("pending", quick.lock_token)
    assert record(database, slow, settings, status_code=200).status == "delivered"
    assert record(database, quick, settings, status_code=500, at=after(70)).status == "delivered"


def test_replay_starts_the_schedule_anew_with_the_same_bytes(database: Database, settings: Settings) -> None:
    put(database, body=b"same")
    dead = record(database, claim(database)[0], settings, error_code="address_refused", hopeless=True)
    with database.begin() as session:
        deliveries.replay(session, dead.delivery_id, after(100))
    [again] = claim(database, after(100))
    assert (again.delivery_id, again.body, again.attempts) == (dead.delivery_id, b"same", 1)
    record(database, again, settings, status_code=200)
    with database.begin() as session:
        assert deliveries.replay(session, dead.delivery_id, after(200)).status == "pending"
        with pytest.raises(NotFound):
            deliveries.replay(session, "msg_none", AT)


def test_replay_since_takes_dead_letters_of_one_address_or_of_all(database: Database, settings: Settings) -> None:
    for owner in ("a", "b"):
        put(database, owner)
    rows = [record(database, one, settings, error_code="x", hopeless=True) for one in claim(database)]
    put(database, "c")
    with database.begin() as session:
        assert deliveries.replay_since(session, None, after(1), after(9)) == 0
        assert deliveries.replay_since(session, rows[0].endpoint_id, AT, after(9)) == 1
        assert deliveries.replay_since(session, None, AT, after(9)) == 1
        assert deliveries.replay_since(session, None, AT, after(9)) == 0
    assert len(claim(database, after(9))) == 3


def test_the_log_is_filtered_and_newest_first(database: Database, settings: Settings) -> None:
    known_call(database, "a")
    mine = put(database, "a", call_id="a")
    put(database, "b")
    record(database, claim(database, call_id="a")[0], settings, status_code=500, response="нет", seconds=1.23456)
    with database.read() as session:
        assert len(deliveries.log(session)) == 2
        assert len(deliveries.log(session, limit=1)) == 1
        assert deliveries.log(session, status="dead") == []
        [logged] = deliveries.log(session, call_id="a")
        [by_address] = deliveries.log(session, endpoint_id=logged.delivery.endpoint_id)
    assert logged.delivery.delivery_id == by_address.delivery.delivery_id == mine
    [attempt] = logged.attempts
    assert (attempt.number, attempt.status_code, attempt.response, attempt.seconds) == (1, 500, "нет", 1.235)


def test_deliveries_go_with_their_call(database: Database) -> None:
    known_call(database, "a")
    put(database, call_id="a")
    with database.begin() as session:
        calls.forget(session, "a", AT, "test")
    assert claim(database) == []


def test_a_call_that_is_deleted_while_its_webhook_is_sent_disturbs_nobody(database: Database, settings: Settings) -> None:
    known_call(database, "a")
    put(database, "a", call_id="a")
    put(database, "b")
    claimed = claim(database)
    with database.begin() as session:
        calls.forget(session, "a", AT, "test")
    with database.begin() as session:
        met = [(one, Attempt(AT, 0.1, 200)) for one in claimed]
        assert deliveries.record_all(session, met, settings) == ["delivered"]


def test_what_became_of_a_delivery_is_news_for_the_warehouse(database: Database, settings: Settings) -> None:
    for call_id in ("call-1", "call-2"):
        known_call(database, call_id)
        put(database, call_id=call_id)
        put(database, call_id=call_id, revision=2)
    put(database, revision=3)
    claimed = claim(database)
    with database.begin() as session:
        deliveries.record_all(session, [(one, Attempt(AT, 0.1, 400, hopeless=True)) for one in claimed], settings)
    assert waiting(database) == ["call-1", "call-2"]
    with database.begin() as session:
        deliveries.replay(session, next(one.delivery_id for one in claimed if one.call_id == "call-2"), AT)
    assert waiting(database) == ["call-2"]


def waiting(database: Database) -> list[str]:
    """Calls that the loader has to look at again; they are loaded by asking."""
    with database.begin() as session:
        pending = export.pending(session, 0, 100)
        export.mark_loaded(session, pending.without(()), AT)
    return sorted(call_id for _, call_id in pending.rows)
