"""The tables. Times are aware and in UTC; JSON columns hold the domain's own serialised values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Computed,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, stored in UTC on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite only numbers a column that is declared exactly INTEGER.
Identity = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """Base of every table."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(),
        list[Any]: JSON(),
        str: String(),
        bytes: LargeBinary(),
    }


class ApiKey(Base):
    """A key of the CRM; only its keyed hash is stored. `defaults` are the upload fields of C16."""

    __tablename__ = "api_keys"
    key_id: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str]
    hint: Mapped[str]
    key_hash: Mapped[str] = mapped_column(unique=True)
    defaults: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class Office(Base):
    """An office of the customer's company."""

    __tablename__ = "offices"
    office_id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    updated_at: Mapped[datetime]


class Manager(Base):
    """A manager; a stub (`synced` false) until the CRM sends the name."""

    __tablename__ = "managers"
    manager_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")
    surname: Mapped[str] = mapped_column(default="")
    middlename: Mapped[str] = mapped_column(default="")
    synced: Mapped[bool] = mapped_column(default=False)
    active: Mapped[bool] = mapped_column(default=True)
    updated_at: Mapped[datetime]


class Membership(Base):
    """Who worked (or led) where and when; an open membership has no `valid_to`."""

    __tablename__ = "memberships"
    membership_id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    office_id: Mapped[str] = mapped_column(ForeignKey("offices.office_id"), index=True)
    manager_id: Mapped[str] = mapped_column(ForeignKey("managers.manager_id"), index=True)
    role: Mapped[str]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]


class DefinitionRow(Base):
    """A checklist or a table (`kind`) with its active version and its routing."""

    __tablename__ = "definitions"
    kind: Mapped[str] = mapped_column(primary_key=True)
    definition_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    route: Mapped[dict[str, Any]] = mapped_column(default=dict)
    updated_at: Mapped[datetime]


class DefinitionVersion(Base):
    """One immutable version of a definition, named by the hash of its content."""

    __tablename__ = "definition_versions"
    kind: Mapped[str] = mapped_column(primary_key=True)
    definition_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]
    name: Mapped[str]
    content: Mapped[dict[str, Any]]
    author: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]


class Call(Base):
    """One call of the CRM and where it is on its way. `lease_token` fences a worker that lost the call.

    `at` is when it took place, as far as that is known: what people sort and filter by.
    """

    __tablename__ = "calls"
    call_id: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[str | None] = mapped_column(ForeignKey("api_keys.key_id"))
    manager_id: Mapped[str]
    deal_id: Mapped[str]
    deal_stage_id: Mapped[str]
    audio_url: Mapped[str] = mapped_column(Text)
    duration_hint: Mapped[float | None]
    manager_channel: Mapped[str | None]
    direction: Mapped[str | None]
    language: Mapped[str | None]
    started_at: Mapped[datetime | None]
    received_at: Mapped[datetime] = mapped_column(index=True)
    at: Mapped[datetime] = mapped_column(Computed("coalesce(started_at, received_at)", persisted=True))
    priority: Mapped[str] = mapped_column(default="live")
    attempt: Mapped[int] = mapped_column(default=1)
    status: Mapped[str]
    reason_code: Mapped[str | None]
    reason: Mapped[dict[str, Any] | None]
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    progress: Mapped[float] = mapped_column(default=0.0)
    runs: Mapped[int] = mapped_column(default=0)
    flow_run_id: Mapped[str | None]
    triggered_at: Mapped[datetime | None]
    lease_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    text_deleted_at: Mapped[datetime | None]
    __table_args__ = (
        Index("calls_by_status", "status", "received_at"),
        Index("calls_by_time", "at", "call_id", "status", "deal_stage_id", "manager_id"),
        Index("calls_by_manager", "manager_id", "at", "call_id"),
        Index("calls_by_stage", "deal_stage_id", "at", "call_id"),
        Index("calls_by_state", "status", "at", "call_id"),
        Index("calls_by_deal", "deal_id", "at"),
    )


class CallEvent(Base):
    """One step of a call's timeline."""

    __tablename__ = "call_events"
    event_id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.call_id", ondelete="CASCADE"), index=True)
    attempt: Mapped[int]
    at: Mapped[datetime]
    name: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Recording(Base):
    """The stored audio of a call; `path` is relative to the storage root."""

    __tablename__ = "recordings"
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.call_id", ondelete="CASCADE"), primary_key=True)
    path: Mapped[str]
    bytes: Mapped[int]
    sha256: Mapped[str]
    format: Mapped[str]
    codec: Mapped[str]
    channels: Mapped[int]
    sample_rate: Mapped[int]
    duration: Mapped[float]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class TranscriptRow(Base):
    """The transcript of a call as `checklists.transcript.Transcript`, with waveform peaks for the player."""

    __tablename__ = "transcripts"
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.call_id", ondelete="CASCADE"), primary_key=True)
    engine: Mapped[str]
    model: Mapped[str]
    content: Mapped[dict[str, Any]]
    peaks: Mapped[list[Any]] = mapped_column(default=list)
    text: Mapped[str] = mapped_column(Text, default="")
    swapped: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Result(Base):
    """One result of a checklist or a table (`kind`); a newer revision supersedes, never erases."""

    __tablename__ = "results"
    result_id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.call_id", ondelete="CASCADE"))
    kind: Mapped[str]
    definition_id: Mapped[str]
    version: Mapped[str]
    revision: Mapped[int]
    status: Mapped[str] = mapped_column(default="ok")
    content: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    superseded_at: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("call_id", "kind", "definition_id", "revision", name="one_result_a_revision"),)


class Override(Base):
    """A person's mark beside the machine's; both are kept. `score` 1, -1 or 0 for not applicable."""

    __tablename__ = "overrides"
    override_id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.call_id", ondelete="CASCADE"), index=True)
    checklist_id: Mapped[str]
    stage_id: Mapped[str]
    score: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)
    author: Mapped[str]
    created_at: Mapped[datetime]
    superseded_at: Mapped[datetime | None]


class CallScore(Base):
    """What the pages filter calls by: completion of a checklist in percent with people's marks; `at` is the call's."""

    __tablename__ = "call_scores"
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.call_id", ondelete="CASCADE"), primary_key=True)
    checklist_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    completion: Mapped[float]
    __table_args__ = (
        Index("scores_by_time", "at", "call_id", "completion"),
        Index("scores_by_checklist", "checklist_id", "at", "call_id", "completion"),
    )


class Appeal(Base):
    """A manager's objection to the mark of one stage, and the answer; `accepted` is empty while it waits."""

    __tablename__ = "appeals"
    appeal_id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.call_id", ondelete="CASCADE"), index=True)
    checklist_id: Mapped[str]
    stage_id: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    author: Mapped[str]
    created_at: Mapped[datetime]
    accepted: Mapped[bool | None]
    answer: Mapped[str] = mapped_column(Text, default="")
    answered_by: Mapped[str | None]
    answered_at: Mapped[datetime | None]


class Trial(Base):
    """A definition that is tried on stored calls before anything is judged by it; `outcomes` hold one entry a call."""

    __tablename__ = "trials"
    trial_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    definition_id: Mapped[str]
    content: Mapped[dict[str, Any]]
    call_ids: Mapped[list[Any]]
    status: Mapped[str]
    outcomes: Mapped[list[Any]] = mapped_column(default=list)
    problem: Mapped[str | None]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
    finished_at: Mapped[datetime | None]


class Removal(Base):
    """What a deleted call, or its expired text, left outside of this database and has to go, too.

    Concerns traces from before `at`; until `until` a worker may still write some. `recording` says whether the audio goes.
    """

    __tablename__ = "removals"
    removal_id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    call_id: Mapped[str]
    at: Mapped[datetime]
    until: Mapped[datetime]
    recording: Mapped[bool]


class LoadOutbox(Base):
    """A call whose warehouse rows are out of date; drained by the one loader."""

    __tablename__ = "load_outbox"
    seq: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    call_id: Mapped[str]
    created_at: Mapped[datetime]
    loaded_at: Mapped[datetime | None] = mapped_column(index=True)


class Endpoint(Base):
    """An address that receives webhooks: of a checklist or a table (`owner_kind`, `owner_id`), or of a key's events."""

    __tablename__ = "endpoints"
    endpoint_id: Mapped[str] = mapped_column(primary_key=True)
    owner_kind: Mapped[str]
    owner_id: Mapped[str]
    url: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("owner_kind", "owner_id", name="one_endpoint_an_owner"),)


class EndpointSecret(Base):
    """A signing secret (`whsec_…`), sealed under the server secret; two may be live during a rotation."""

    __tablename__ = "endpoint_secrets"
    secret_id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("endpoints.endpoint_id", ondelete="CASCADE"), index=True)
    secret: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class Delivery(Base):
    """One webhook to send: `delivery_id` is the `webhook-id`, `body` the exact bytes of every attempt."""

    __tablename__ = "deliveries"
    delivery_id: Mapped[str] = mapped_column(primary_key=True)
    call_id: Mapped[str | None] = mapped_column(ForeignKey("calls.call_id", ondelete="CASCADE"), index=True)
    event: Mapped[str]
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("endpoints.endpoint_id", ondelete="CASCADE"))
    body: Mapped[bytes]
    status: Mapped[str] = mapped_column(default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    lock_token: Mapped[str | None]
    locked_until: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    __table_args__ = (
        Index("deliveries_due", "endpoint_id", "status", "next_attempt_at"),
        Index("deliveries_in_flight", "locked_until"),
        Index("deliveries_by_time", "created_at"),
        Index("deliveries_by_status", "status", "created_at"),
    )


class DeliveryAttempt(Base):
    """What one attempt met: the answer's status and first bytes, or the error; `seconds` is its whole duration."""

    __tablename__ = "delivery_attempts"
    attempt_id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.delivery_id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    at: Mapped[datetime]
    seconds: Mapped[float]
    status_code: Mapped[int | None]
    error_code: Mapped[str | None]
    response: Mapped[str] = mapped_column(Text, default="")


class Lease(Base):
    """A named lease that one process holds, such as the warehouse loader's."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[str]
    until: Mapped[datetime]


class RateHit(Base):
    """One admitted request of a rate-limit bucket; old ones are swept."""

    __tablename__ = "rate_hits"
    hit_id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    bucket: Mapped[str]
    at: Mapped[float]
    __table_args__ = (Index("rate_hits_by_bucket", "bucket", "at"),)


class User(Base):
    """A person who may sign in to the pages."""

    __tablename__ = "users"
    user_id: Mapped[str] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(default="")
    role: Mapped[str]
    manager_id: Mapped[str | None]
    password_hash: Mapped[str | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class LoginSession(Base):
    """A signed-in browser; only the hash of its cookie is stored. `purpose` is `session` or `invite`."""

    __tablename__ = "sessions"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(default="session")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Audit(Base):
    """Who changed what, when; kept when the thing itself is deleted."""

    __tablename__ = "audit"
    audit_id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
