"""Sending webhooks: claim, sign, post, record. Sent and not recorded means sent again, with the same id and the same bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from standardwebhooks import Webhook

from core import clock, ids
from core.errors import PermanentError, RopError
from core.failpoints import failpoint
from core.http import Answer, Deadline, Guarded, Lines, clock_ahead, retry_after
from core.secrets import Secrets, server_secret
from core.settings import Settings
from db import deliveries, endpoints
from db.deliveries import Attempt
from db.endpoints import Address
from db.engine import Database
from db.models import Delivery
from tasks import payloads

log = structlog.get_logger(__name__)
REFUSED, SERVER_ERROR = 400, 500
TOLERATED_SECONDS = 300.0  # the tolerance of the Standard Webhooks libraries
TOGETHER_SECONDS = 0.01  # answers that come within this long are recorded in one transaction: it costs more than the posts themselves


@dataclass(frozen=True)
class DeliveryReport:
    """How many deliveries were taken by their receivers, put off, and given up."""

    delivered: int = 0
    postponed: int = 0
    dead: int = 0


@dataclass(frozen=True)
class Tested:
    """What a test webhook met."""

    delivery_id: str
    attempt: Attempt


@dataclass(frozen=True)
class _Letter:
    """A claimed delivery and where it goes."""

    delivery: Delivery
    to: Address


def deliver_due(database: Database, settings: Settings, http: Guarded, call_id: str | None = None, limit: int = 200) -> DeliveryReport:
    """Try up to `limit` due deliveries, of one call or of all, many addresses at once; returns when nothing is due or in flight.

    Nothing new is taken after `webhook_run_seconds`.
    """
    outcomes: Counter[str] = Counter()
    server, closing = server_secret(settings), Deadline(settings.webhook_run_seconds)
    with Lines() as lines, ThreadPoolExecutor(settings.webhook_threads, thread_name_prefix="webhook") as pool:
        flying: dict[Future[Attempt], _Letter] = {}
        met: list[tuple[Delivery, Attempt]] = []
        while True:
            letters, ended = _turn(database, settings, met, list(flying.values()), call_id, limit if closing.left() else 0)
            if ended:
                failpoint("deliver.after_record")
            outcomes.update(ended)
            limit -= len(letters)
            flying.update({pool.submit(_attempt, letter, server, settings, http, lines): letter for letter in letters})
            if not flying:
                return DeliveryReport(outcomes["delivered"], outcomes["pending"], outcomes["dead"])
            wait(flying, return_when=FIRST_COMPLETED)
            done, _ = wait(flying, TOGETHER_SECONDS)
            met = [(flying.pop(future).delivery, future.result()) for future in done]


def send_test(database: Database, settings: Settings, http: Guarded, endpoint_id: str) -> Tested:
    """Send a signed `test` event to an address now, once; it appears in the log. Raises `NotFound`."""
    at = clock.now()
    with database.begin() as session:
        endpoint = endpoints.by_id(session, endpoint_id)
        body = payloads.event_body("test", None, settings, at)
        delivery = deliveries.enqueue(
            session,
            call_id=None,
            event="test",
            endpoint=endpoint,
            kind="test",
            definition_id=endpoint_id,
            version=ids.token(),
            revision=1,
            body=body,
            at=at,
        )
        assert delivery is not None  # noqa: S101  for the type checker: the version is random
        deliveries.hold(session, delivery, at, settings.webhook_lease_seconds)
        letter = _Letter(delivery, endpoints.addresses(session, [endpoint_id], at)[endpoint_id])
    attempt = _attempt(letter, server_secret(settings), settings, http)
    with database.begin() as session:
        deliveries.record(session, delivery, replace(attempt, hopeless=True), settings)
    return Tested(delivery.delivery_id, attempt)


def signed_headers(delivery_id: str, body: bytes, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """The headers of the Standard Webhooks specification, one signature for every live secret."""
    signatures = (Webhook(secret).sign(delivery_id, at, body.decode()) for secret in secrets)
    return {
        "content-type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _turn(
    database: Database, settings: Settings, met: list[tuple[Delivery, Attempt]], flying: list[_Letter], call_id: str | None, limit: int
) -> tuple[list[_Letter], list[str]]:
    """Record what was met and claim what there is room for, in one transaction: a commit costs more than a post."""
    at = clock.now()
    room = min(settings.webhook_threads - len(flying), limit)
    # Half of the threads are kept for healthy addresses, however many others hang.
    failing_room = settings.webhook_threads // 2 - sum(letter.to.failing for letter in flying)
    with database.begin() as session:
        ended = deliveries.record_all(session, met, settings)
        if room <= 0:
            return [], ended
        claimed = deliveries.claim_due(
            session,
            at,
            room,
            settings.webhook_lease_seconds,
            call_id,
            per_address=settings.webhook_per_address,
            failing_limit=max(failing_room, 0),
        )
        known = endpoints.addresses(session, {delivery.endpoint_id for delivery in claimed}, at)
        return [_Letter(delivery, known[delivery.endpoint_id]) for delivery in claimed], ended


def _attempt(letter: _Letter, server: Secrets, settings: Settings, http: Guarded, lines: Lines | None = None) -> Attempt:
    at, started = clock.now(), clock.monotonic()
    try:
        headers = signed_headers(letter.delivery.delivery_id, letter.delivery.body, letter.to.secrets(server), at)
        failpoint("deliver.after_claim")
        answer = http.post(letter.to.url, letter.delivery.body, headers, Deadline(settings.webhook_seconds), lines)
        failpoint("deliver.after_send")
    except RopError as error:
        seconds, hopeless = clock.monotonic() - started, isinstance(error, PermanentError)
        return Attempt(at, seconds, error_code=error.reason, response=error.text(), hopeless=hopeless)
    except Exception as error:  # noqa: BLE001  one poisoned row must not stop the deliveries of others
        return Attempt(at, clock.monotonic() - started, error_code="internal", response=type(error).__name__)
    _look_at_clocks(letter, answer)
    kept = answer.body_head[: settings.webhook_keep_bytes]
    return Attempt(at, answer.seconds, answer.status, response=_text(kept), retry_after=retry_after(answer.headers))


def _look_at_clocks(letter: _Letter, answer: Answer) -> None:
    """Name the cause that a refusal does not: receivers take no signature from more than some minutes before or after their own time."""
    ahead = clock_ahead(answer.headers)
    if REFUSED <= answer.status < SERVER_ERROR and ahead is not None and abs(ahead) > TOLERATED_SECONDS:
        hint = "the receiver may take no signature while its clock and ours differ: set both by NTP"
        log.warning("clocks_differ", endpoint_id=letter.delivery.endpoint_id, receiver_ahead_seconds=round(ahead), hint=hint)


def _text(body: bytes) -> str:
    # PostgreSQL stores no NUL.
    return body.decode("utf-8", "replace").replace("\x00", "")
