"""Deliveries from the outbox to real receivers: signed, repeated, never in each other's way."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import time_machine
from pydantic import SecretStr
from structlog.testing import capture_logs

from core import clock
from core.errors import NotFound
from core.http import Deadline, Guarded
from core.secrets import seal
from core.settings import Settings
from db import deliveries, endpoints
from db.deliveries import Logged
from db.engine import Database
from tasks.webhooks import DeliveryReport, deliver_due, send_test, signed_headers
from tests.peers.file_peer import FilePeer, drip, endless, silent, status
from tests.peers.sockets import Listener, canary
from tests.peers.webhook_peer import Reply, WebhookPeer

# Where the database has no say, one of them is enough.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SERVER = (b"server",)
LATE = 15.0  # seconds: far above every limit set here, far below the minute for which the peers would go on
BODY = '{"call_id":"звонок","total_score":1}'.encode()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret": SecretStr(SERVER[0].decode())})


@pytest.fixture
def http(settings: Settings) -> Guarded:
    return Guarded(settings)


def put(database: Database, url: str, owner: str = "sales", count: int = 1, at: datetime | None = None) -> str:
    """Enqueue `count` webhooks to an address; its endpoint id."""
    at = at or clock.now()
    with database.begin() as session:
        endpoint = endpoints.set_url(session, SERVER, "checklist", owner, url, at)
        for revision in range(count):
            identity: dict[str, Any] = {"kind": "checklist", "definition_id": owner, "version": at.isoformat(), "revision": revision}
            deliveries.enqueue(session, call_id=None, event="checklist.completed", endpoint=endpoint, body=BODY, at=at, **identity)
        return endpoint.endpoint_id


def logged(database: Database) -> list[Logged]:
    with database.read() as session:
        return deliveries.log(session, limit=1000)


def secrets_of(database: Database, endpoint_id: str, at: datetime | None = None) -> list[str]:
    with database.read() as session:
        return endpoints.live_secrets(session, SERVER, endpoint_id, at or clock.now())


def make_due(database: Database) -> None:
    """As if the time of every waiting delivery had come."""
    with database.begin() as session:
        for one in deliveries.log(session, status="pending", limit=1000):
            one.delivery.next_attempt_at, one.delivery.locked_until = clock.now(), None


def test_a_receiver_verifies_what_was_enqueued(database: Database, settings: Settings, http: Guarded) -> None:
    with WebhookPeer() as crm:
        endpoint_id = put(database, crm.url())
        assert deliver_due(database, settings, http) == DeliveryReport(delivered=1)
    [received] = crm.received
    [secret] = secrets_of(database, endpoint_id)
    assert received.body == BODY
    assert received.verifies(secret)
    assert not received.verifies("whsec_" + "A" * 44)
    assert received.headers["content-type"] == "application/json"
    [one] = logged(database)
    assert (one.delivery.status, received.id) == ("delivered", one.delivery.delivery_id)
    assert [(a.number, a.status_code, a.response) for a in one.attempts] == [(1, 200, "ok")]
    assert deliver_due(database, settings, http) == DeliveryReport()


def test_a_failed_attempt_is_repeated_with_the_same_id_and_bytes(database: Database, settings: Settings, http: Guarded) -> None:
    with WebhookPeer([Reply(500, body=b"oops\x00"), Reply(200)]) as crm:
        put(database, crm.url())
        assert deliver_due(database, settings, http) == DeliveryReport(postponed=1)
        make_due(database)
        assert deliver_due(database, settings, http) == DeliveryReport(delivered=1)
    first, second = crm.received
    assert (first.id, first.body) == (second.id, second.body)
    [one] = logged(database)
    assert [(a.status_code, a.response) for a in one.attempts] == [(500, "oops"), (200, "ok")]


def test_a_sender_killed_before_it_recorded_sends_the_same_again(database: Database, settings: Settings, http: Guarded) -> None:
    """The receiver has the message, the outbox does not know: at least once, and one message for who drops repeats."""
    with WebhookPeer() as crm:
        put(database, crm.url())
        with database.begin() as session:
            [claimed] = deliveries.claim_due(session, clock.now(), 1, settings.webhook_lease_seconds)
        headers = signed_headers(claimed.delivery_id, claimed.body, secrets_of(database, claimed.endpoint_id), clock.now())
        http.post(crm.url(), claimed.body, headers, Deadline(5))
        assert deliver_due(database, settings, http) == DeliveryReport()
        make_due(database)
        assert deliver_due(database, settings, http) == DeliveryReport(delivered=1)
    assert len(crm.received) == 2
    assert crm.distinct == {claimed.delivery_id: BODY}


def test_during_a_rotation_old_and_new_secret_both_verify(database: Database, settings: Settings, http: Guarded) -> None:
    with WebhookPeer() as crm:
        endpoint_id = put(database, crm.url())
        [old] = secrets_of(database, endpoint_id)
        with database.begin() as session:
            new = endpoints.rotate(session, SERVER, endpoint_id, clock.now(), timedelta(seconds=60))
        deliver_due(database, settings, http)
        with time_machine.travel(clock.now() + timedelta(seconds=61)):  # within the minutes that a signature may be old
            put(database, crm.url())
            deliver_due(database, settings, http)
    during, later = crm.received
    assert during.verifies(old)
    assert during.verifies(new)
    assert later.verifies(new)
    assert not later.verifies(old)


def test_rotation_under_load_loses_no_message(database: Database, settings: Settings, http: Guarded) -> None:
    with WebhookPeer() as crm:
        endpoint_id = put(database, crm.url(), count=60)
        ever = set(secrets_of(database, endpoint_id))
        sending = threading.Thread(target=deliver_due, args=(database, settings, http))
        sending.start()
        with database.begin() as session:
            ever.add(endpoints.rotate(session, SERVER, endpoint_id, clock.now(), timedelta(hours=1)))
        sending.join()
    [old] = ever - set(secrets_of(database, endpoint_id)[:1])
    assert len(crm.distinct) == 60
    assert all(received.verifies(old) for received in crm.received)


@on_sqlite
@pytest.mark.parametrize(("status", "outcome"), [(301, "pending"), (404, "pending"), (500, "pending"), (410, "dead"), (204, "delivered")])
def test_what_a_status_means(database: Database, settings: Settings, http: Guarded, status: int, outcome: str) -> None:
    with canary() as bird, WebhookPeer([Reply(status, {"Location": bird.url} if status == 301 else {}, b"")]) as crm:
        put(database, crm.url())
        deliver_due(database, settings, http)
        assert len(crm.received) == 1
    assert bird.connections == 0
    assert [one.delivery.status for one in logged(database)] == [outcome]


@on_sqlite
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_moves_the_next_attempt(database: Database, settings: Settings, http: Guarded, status: int) -> None:
    with WebhookPeer([Reply(status, {"Retry-After": "120"})]) as crm:
        put(database, crm.url())
        deliver_due(database, settings, http)
    [one] = logged(database)
    assert one.delivery.next_attempt_at is not None
    assert 100 < (one.delivery.next_attempt_at - clock.now()).total_seconds() <= 121


@on_sqlite
@pytest.mark.parametrize(("code", "hours", "told"), [(401, 2, [7200]), (401, -2, [-7200]), (401, 0, []), (500, 2, [])])
def test_clocks_that_differ_are_named_when_a_receiver_refuses(
    database: Database, settings: Settings, http: Guarded, code: int, hours: int, told: list[int]
) -> None:
    date = format_datetime(clock.now() + timedelta(hours=hours))
    with capture_logs() as lines, FilePeer({"/": status(code, Date=date)}) as crm:
        put(database, crm.url())
        deliver_due(database, settings, http)
    named = [line["receiver_ahead_seconds"] for line in lines if line["event"] == "clocks_differ"]
    assert [round(seconds, -1) for seconds in named] == told


@on_sqlite
def test_an_address_that_is_gone_gets_nothing_more(database: Database, settings: Settings, http: Guarded) -> None:
    with WebhookPeer([Reply(410)]) as crm:
        put(database, crm.url())
        deliver_due(database, settings, http)
        put(database, crm.url())
        assert deliver_due(database, settings, http) == DeliveryReport()
    assert len(crm.received) == 1


@on_sqlite
def test_an_address_inside_this_machine_is_a_dead_letter_without_a_connection(
    database: Database, settings: Settings, http: Guarded
) -> None:
    with canary("127.0.0.2") as bird:
        put(database, bird.url)
        assert deliver_due(database, settings, http) == DeliveryReport(dead=1)
    assert bird.connections == 0
    [one] = logged(database)
    assert [a.error_code for a in one.attempts] == ["address_refused"]


@on_sqlite
class TestSlowReceivers:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Short limits, and yet enough for a healthy receiver on a busy machine."""
        return settings.model_copy(update={"webhook_seconds": 1.5, "connect_seconds": 1.0})

    @pytest.mark.parametrize("manner", ["silent", "head", "reset", "nobody"])
    def test_no_answer_in_time_is_a_failed_attempt(self, database: Database, settings: Settings, http: Guarded, manner: str) -> None:
        def head(connection: Any) -> None:
            connection.recv(65536)
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 1000:
                connection.sendall(bytes([byte]))
                if listener.pause(0.05):
                    return

        with Listener(head) as listener, Listener(lambda c: c.close()) as resetting, FilePeer({"/": silent()}) as peer:
            url = {"silent": peer.url(), "head": listener.url, "reset": resetting.url, "nobody": "http://127.0.0.1:1/"}[manner]
            put(database, url)
            begun = time.monotonic()
            assert deliver_due(database, settings, http) == DeliveryReport(postponed=1)
            assert time.monotonic() - begun < LATE
        [one] = logged(database)
        expected = {"silent": "timeout", "head": "timeout", "reset": "broken", "nobody": "connect_failed"}[manner]
        assert [(a.status_code, a.error_code) for a in one.attempts] == [(None, expected)]
        assert one.attempts[0].seconds < LATE

    def test_a_success_with_an_endless_or_dripping_body_is_a_success(self, database: Database, settings: Settings, http: Guarded) -> None:
        with FilePeer({"/big": endless(b"y" * 65536), "/drip": drip(b"z" * 1000, 0.05)}) as peer:
            put(database, peer.url("/big"), "big")
            put(database, peer.url("/drip"), "drip")
            assert deliver_due(database, settings, http) == DeliveryReport(delivered=2)
        kept = {one.attempts[0].response[:1]: len(one.attempts[0].response) for one in logged(database)}
        assert kept["y"] == settings.webhook_keep_bytes
        assert 0 < kept["z"] < 60

    def test_hanging_addresses_never_delay_a_healthy_one(self, database: Database, settings: Settings, http: Guarded) -> None:
        with FilePeer({f"/{n}": silent() for n in range(8)}) as hanging, WebhookPeer() as crm:
            for number in range(8):
                put(database, hanging.url(f"/{number}"), f"hanging{number}", count=6)
            deliver_due(database, settings, http, limit=32)  # now they are known to fail
            put(database, crm.url(), "healthy", count=40)
            sending = threading.Thread(target=deliver_due, args=(database, settings, http))
            sending.start()
            while len(crm.received) < 40 and sending.is_alive():
                time.sleep(0.01)
            tried_meanwhile = len(hanging.requests) - 32
            sending.join()
        assert len(crm.distinct) == 40
        assert len(hanging.requests) == 48
        assert tried_meanwhile <= 8

    def test_a_failing_address_is_tried_with_one_message_at_a_time(self, database: Database, settings: Settings, http: Guarded) -> None:
        with FilePeer({"/": silent()}) as hanging:
            put(database, hanging.url(), count=10)
            deliver_due(database, settings, http, limit=4)
            before = len(hanging.requests)
            deliver_due(database, settings, http, limit=2)
            assert (before, len(hanging.requests)) == (4, 6)


def test_many_to_many_arrive_once_each(database: Database, settings: Settings, http: Guarded) -> None:
    with WebhookPeer() as crm:
        for owner in range(5):
            put(database, crm.url(f"/{owner}"), f"o{owner}", count=20)
        assert deliver_due(database, settings, http) == DeliveryReport(delivered=100)
    assert len(crm.received) == len(crm.distinct) == 100


def test_two_senders_at_once_send_nothing_twice(database: Database, settings: Settings, http: Guarded) -> None:
    with WebhookPeer() as crm:
        for owner in range(5):
            put(database, crm.url(f"/{owner}"), f"o{owner}", count=10)
        senders = [threading.Thread(target=deliver_due, args=(database, settings, http)) for _ in range(3)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        deliver_due(database, settings, http)
    assert len(crm.received) == len(crm.distinct) == 50


@on_sqlite
def test_one_poisoned_row_does_not_stop_the_others(database: Database, settings: Settings, http: Guarded) -> None:
    with WebhookPeer() as crm:
        endpoint_id = put(database, crm.url("/a"), "poisoned")
        with database.begin() as session:
            endpoints._live(session, endpoint_id, clock.now())[0].secret = seal(SERVER, "whsec_!")
        put(database, crm.url("/b"), "fine")
        assert deliver_due(database, settings, http) == DeliveryReport(delivered=1, postponed=1)


@on_sqlite
def test_secrets_sealed_elsewhere_cost_an_attempt_and_nothing_else(database: Database, settings: Settings, http: Guarded) -> None:
    """A host with another server secret sends nothing that its receiver would refuse."""
    stranger = settings.model_copy(update={"secret": SecretStr("another host")})
    with WebhookPeer() as crm:
        put(database, crm.url())
        assert deliver_due(database, stranger, http) == DeliveryReport(postponed=1)
        assert crm.received == []
        make_due(database)
        changed = settings.model_copy(update={"secret": SecretStr("newest, server")})
        assert deliver_due(database, changed, http) == DeliveryReport(delivered=1)
    [one] = logged(database)
    assert [a.error_code for a in one.attempts] == ["secret_unreadable", None]


@on_sqlite
def test_hanging_addresses_do_not_keep_a_run_longer_than_its_time(database: Database, settings: Settings, http: Guarded) -> None:
    hasty = settings.model_copy(update={"webhook_seconds": 0.2, "webhook_run_seconds": 0.5})
    with FilePeer({"/": silent()}) as hanging:
        put(database, hanging.url(), count=50)
        begun = time.monotonic()
        report = deliver_due(database, hasty, http)
        spent = time.monotonic() - begun
    assert len(hanging.requests) <= report.postponed  # one that has just connected may not have been read
    assert 4 <= report.postponed < 50
    assert spent < LATE


@on_sqlite
class TestTestEvent:
    def test_it_is_signed_and_logged(self, database: Database, settings: Settings, http: Guarded) -> None:
        with WebhookPeer() as crm:
            endpoint_id = put(database, crm.url(), count=0)
            tested = send_test(database, settings, http, endpoint_id)
        assert (tested.attempt.status_code, tested.attempt.response) == (200, "ok")
        [received] = crm.received
        assert received.verifies(secrets_of(database, endpoint_id)[0])
        [one] = logged(database)
        assert (one.delivery.delivery_id, one.delivery.event, one.delivery.status) == (tested.delivery_id, "test", "delivered")

    def test_a_failed_one_is_never_repeated(self, database: Database, settings: Settings, http: Guarded) -> None:
        with WebhookPeer([Reply(500)]) as crm:
            endpoint_id = put(database, crm.url(), count=0)
            assert send_test(database, settings, http, endpoint_id).attempt.status_code == 500
            assert deliver_due(database, settings, http) == DeliveryReport()
        assert [one.delivery.status for one in logged(database)] == ["dead"]

    def test_every_test_is_another_message(self, database: Database, settings: Settings, http: Guarded) -> None:
        with WebhookPeer() as crm:
            endpoint_id = put(database, crm.url(), count=0)
            for _ in range(2):
                send_test(database, settings, http, endpoint_id)
        assert len(crm.distinct) == 2

    def test_an_unknown_address_is_not_found(self, database: Database, settings: Settings, http: Guarded) -> None:
        with pytest.raises(NotFound):
            send_test(database, settings, http, "ep_none")
