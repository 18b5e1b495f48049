"""The outbox: every message meant for a person, and what became of it."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, Key, TenantRow


class MessageRun(TenantRow, Base):
    """Messages that go out together: `status` lets them out, keeps them or ends them, without a write to any of them.

    While it is `filling`, people are still put into it. Not more than `per_hour` of them go out in an hour; the next
    one does at `ready_at`. `senders` says whom those of a variant ('' for none) are from, where that is not the sender
    of the reader's club, and `subjects` what its letters are called, where that is not what their template says.
    """

    __tablename__ = "message_run"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        Index("ix_message_run_going", "tenant_id", "id", postgresql_where=text("status IN ('open', 'filling')")),
    )

    status: Mapped[str]
    per_hour: Mapped[int | None]
    ready_at: Mapped[datetime | None]
    senders: Mapped[dict[str, Any] | None]
    subjects: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Message(TenantRow, Base):
    """One intended message: `dedupe_key` makes the intention unique, `status` tells how far it came, `reason` why.

    `instead_of` is the reader's preferred address, where mail can't reach them, if `to_address` is another. It says
    what version `template_version` of its template says, or without one what the template says when it is sent. Those
    of a run go out as the run allows. At `expires_at` it is no longer worth sending. What came back later is told by
    its moment: the first of each, and of `bounced_at` in `bounce_kind` (feedback.Bounce). Of those
    with `one_copy` an address gets one, whoever shares it. `saw` is what the gate saw when it held or skipped it: `at`,
    and what it went by.
    """

    __tablename__ = "message"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "template_id"], ["template.tenant_id", "template.id"]),
        ForeignKeyConstraint(["tenant_id", "topic_id"], ["topic.tenant_id", "topic.id"]),
        ForeignKeyConstraint(["tenant_id", "run_id"], ["message_run.tenant_id", "message_run.id"]),
        UniqueConstraint("tenant_id", "dedupe_key", name="uq_message_dedupe"),
        Index(
            "ix_message_single_due",
            "tenant_id",
            "due_at",
            postgresql_where=text("status IN ('queued', 'held') AND run_id IS NULL"),
        ),
        Index(
            "ix_message_run_due",
            "tenant_id",
            "run_id",
            "due_at",
            postgresql_where=text("status IN ('queued', 'held') AND run_id IS NOT NULL"),
        ),
        Index(
            "ix_message_run_fate",
            "tenant_id",
            "run_id",
            "status",
            "reason",
            "id",
            postgresql_where=text("run_id IS NOT NULL"),
        ),
        Index("ix_message_held", "tenant_id", "reason", "customer_id", postgresql_where=text("status = 'held'")),
        Index("ix_message_sending", "tenant_id", "sending_at", postgresql_where=text("status = 'sending'")),
        Index("ix_message_failed", "tenant_id", "id", postgresql_where=text("status IN ('failed', 'unknown')")),
        Index("ix_message_customer", "tenant_id", "customer_id", text("id DESC")),
        Index(
            "ix_message_by_journey",
            "tenant_id",
            "journey_id",
            text("id DESC"),
            postgresql_where=text("journey_id IS NOT NULL"),
        ),
        Index(
            "ix_message_step",
            "tenant_id",
            "journey_id",
            "step_key",
            "status",
            postgresql_where=text("journey_id IS NOT NULL"),
        ),
    )

    channel: Mapped[str]
    purpose: Mapped[str]
    customer_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    to_address: Mapped[str | None]
    instead_of: Mapped[str | None]
    template_id: Mapped[UUID | None]
    template_version: Mapped[int | None]
    topic_id: Mapped[UUID | None]
    builtin: Mapped[str | None]
    context: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    journey_id: Mapped[UUID | None]
    enrollment_id: Mapped[UUID | None]
    step_key: Mapped[str | None]
    campaign_id: Mapped[UUID | None]
    run_id: Mapped[UUID | None]
    variant: Mapped[str | None]
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="0", default=0)
    expires_at: Mapped[datetime | None]
    one_copy: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    dedupe_key: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="queued", default="queued")
    reason: Mapped[str | None]
    saw: Mapped[dict[str, Any] | None]
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    attempt_id: Mapped[UUID | None]
    sending_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    response: Mapped[str | None]
    subject: Mapped[str | None]
    first_open_at: Mapped[datetime | None]
    first_click_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    bounced_at: Mapped[datetime | None]
    bounce_kind: Mapped[str | None]
    complained_at: Mapped[datetime | None]
    replied_at: Mapped[datetime | None]
    unsubscribed_at: Mapped[datetime | None]


class MessageTally(TenantRow, Base):
    """So many messages of a run more, or fewer, are in a state for a reason, or had something done with them.

    `what` is a status or a response; `hour` is that in which they were sent, or had it done. See app.messaging.tally.
    """

    __tablename__ = "message_tally"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        Index("ix_message_tally_run", "tenant_id", "run_id"),
    )

    run_id: Mapped[UUID]
    variant: Mapped[str] = mapped_column(server_default="", default="")
    what: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="", default="")
    hour: Mapped[datetime | None]
    number: Mapped[int] = mapped_column(BigInteger)


class MessageResponse(Base):
    """That something was done with a message of a run or a journey, and when first: opened, clicked and so on."""

    __tablename__ = "message_response"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"], ondelete="CASCADE"),
        Index("ix_message_response_run", "tenant_id", "run_id", "kind", "message_id"),
        Index(
            "ix_message_response_journey",
            "tenant_id",
            "journey_id",
            "step_key",
            "kind",
            postgresql_where=text("journey_id IS NOT NULL"),
        ),
    )

    tenant_id: Mapped[Key]
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[UUID | None]
    variant: Mapped[str | None]
    journey_id: Mapped[UUID | None]
    step_key: Mapped[str | None]
    at: Mapped[datetime]


class MessageClick(Base):
    """That a link of a message of a run was followed, so many `times`; `url_key` is the MD5 of where it leads."""

    __tablename__ = "message_click"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"], ondelete="CASCADE"),
        Index("ix_message_click_run", "tenant_id", "run_id", "url_key", "message_id"),
    )

    tenant_id: Mapped[Key]
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    url_key: Mapped[str] = mapped_column(primary_key=True)
    by_machine: Mapped[bool] = mapped_column(primary_key=True)
    run_id: Mapped[UUID]
    variant: Mapped[str | None]
    url: Mapped[str]
    at: Mapped[datetime]
    times: Mapped[int]


class SendingPolicy(TenantRow, Base):
    """What an organisation says of all its sending: how much of it a person gets, and when none (app.messaging.policy).

    What goes to more than `approval_above` people needs a second person's yes. A tenant that has not said anything has
    no row.
    """

    __tablename__ = "sending_policy"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", name="uq_sending_policy_tenant_id"),
    )

    caps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"), default=list)
    quiet: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    approval_above: Mapped[int | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SendingRate(TenantRow, Base):
    """At most so many messages of a channel, or to one of its domains, in so many seconds (app.messaging.rates).

    At `ready_at` the next one may go out. The place behind what is held already is at `journey_at` for a journey's, at
    `queue_at` for a campaign's.
    """

    __tablename__ = "sending_rate"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        Index("uq_sending_rate", "tenant_id", "channel", "domain", unique=True, postgresql_nulls_not_distinct=True),
    )

    channel: Mapped[str]
    domain: Mapped[str | None]
    most: Mapped[int]
    seconds: Mapped[int]
    ready_at: Mapped[datetime] = mapped_column(server_default=func.now())
    journey_at: Mapped[datetime] = mapped_column(server_default=func.now())
    queue_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Suppression(TenantRow, Base):
    """An address that must not be written to on one channel, apart from what anybody consented to.

    One that was lifted stays, with the reason, and stops nothing. Of somebody who was erased `address_key` is a keyed
    hash (app.infra.crypto).
    """

    __tablename__ = "suppression"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "channel", "address_key", name="uq_suppression_address"),
        Index("ix_suppression_search", "tenant_id", "address_key", postgresql_ops={"address_key": "text_pattern_ops"}),
    )

    channel: Mapped[str]
    address_key: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str | None]
    added_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]
    lift_reason: Mapped[str | None]


class InboundMailCount(Base):
    """How many mails of a day were taken for what. Forged ones are nobody's, so this is no tenant's table."""

    __tablename__ = "inbound_mail_count"

    day: Mapped[date] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class ChannelAccount(TenantRow, Base):
    """By whom a channel's messages are carried. `secret` is sealed (app.infra.crypto)."""

    __tablename__ = "channel_account"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "channel", name="uq_channel_account_channel"),
    )

    channel: Mapped[str]
    carrier: Mapped[str]
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    secret: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ProviderWord(TenantRow, Base):
    """Something a provider told, by its own name for it: told again it counts for nothing."""

    __tablename__ = "provider_word"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "channel", "provider_id", name="uq_provider_word_id"),
    )

    channel: Mapped[str]
    provider_id: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ShortLink(TenantRow, Base):
    """A link of a message by a `code` that is short enough to stand in a text; it leads to `url`."""

    __tablename__ = "short_link"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "code", name="uq_short_link_code"),
        Index("ix_short_link_code", "code"),
        UniqueConstraint("tenant_id", "message_id", "url", name="uq_short_link_url"),
    )

    message_id: Mapped[UUID]
    url: Mapped[str]
    code: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SendingDomain(TenantRow, Base):
    """A domain letters may be from: its key, sealed (app.infra.crypto), and what was found of its DNS records.

    `proven_at`: when its key was first found in the DNS, which only who owns the domain can put there.
    """

    __tablename__ = "sending_domain"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "domain", name="uq_sending_domain_domain"),
    )

    domain: Mapped[str]
    selector: Mapped[str]
    sealed_key: Mapped[str]
    public_key: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    proven_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    findings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"), default=list)


class MailSender(TenantRow, Base):
    """Whom letters are from: to the customers of one club, or without a club to all whose club has none of its own."""

    __tablename__ = "mail_sender"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "domain_id"], ["sending_domain.tenant_id", "sending_domain.id"]),
        ForeignKeyConstraint(["tenant_id", "club_id"], ["club.tenant_id", "club.id"]),
        Index("uq_mail_sender_club", "tenant_id", "club_id", unique=True, postgresql_nulls_not_distinct=True),
    )

    domain_id: Mapped[UUID]
    club_id: Mapped[UUID | None]
    name: Mapped[str]
    local_part: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Slowing(TenantRow, Base):
    """Somebody who takes messages of a channel and asks for less: nothing goes there before `until`, then `room` at
    once (app.messaging.slowing)."""

    __tablename__ = "slowing"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "channel", "taker", name="uq_slowing_taker"),
    )

    channel: Mapped[str]
    taker: Mapped[str]
    strikes: Mapped[int]
    since: Mapped[datetime]
    said: Mapped[str]
    until: Mapped[datetime]
    room: Mapped[int]


class ChannelBreaker(TenantRow, Base):
    """A channel whose last batches nobody took; nothing of it is claimed before `open_until`."""

    __tablename__ = "channel_breaker"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "channel", name="uq_channel_breaker_channel"),
    )

    channel: Mapped[str]
    failures: Mapped[int]
    since: Mapped[datetime]
    said: Mapped[str]
    open_until: Mapped[datetime | None]
