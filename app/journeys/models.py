"""Journeys: the graph people walk, the versions of it that were published, and where each person stands."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKeyConstraint, Index, Numeric, UniqueConstraint, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, Key, TenantRow


class Journey(TenantRow, Base):
    """A journey: `draft` is the graph being edited, `published_version` names the one people follow.

    `draft_revision` rises with every change of the draft and tells editors apart; `draft_position` is the state of the
    draft's history shown now, which undo and redo move. `key_numbers` are the highest numbers that keys of steps have
    had, by kind, so that none is given again. `trigger_type` and `trigger_config` are copies of the TRIGGER step's
    settings, of the published graph once there is one, by which events find their journeys. `next_run_at` is when one
    with a date or a schedule looks for people next, `run_until` and `run_cursor` how far a run has come;
    what came in its last pause, from `paused_from` to `paused_until`, lets nobody in. `published_revision` rises when
    the published graph is changed where it stands, by the name of a tag.
    `watches`: people may leave it, or come to a GOAL of it, by what happens to them (`app.journeys.leaving`).
    """

    __tablename__ = "journey"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "club_id"], ["club.tenant_id", "club.id"]),
        ForeignKeyConstraint(["tenant_id", "topic_id"], ["topic.tenant_id", "topic.id"], name="fk_journey_topic"),
        UniqueConstraint("tenant_id", "name", name="uq_journey_name"),
        Index("ix_journey_watches", "tenant_id", "id", postgresql_where=text("watches")),
        Index("ix_journey_trigger", "tenant_id", "status", "trigger_type"),
        Index(
            "ix_journey_run",
            "tenant_id",
            "next_run_at",
            postgresql_where=text("status = 'ACTIVE' AND next_run_at IS NOT NULL"),
        ),
    )

    club_id: Mapped[UUID | None]
    name: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="DRAFT", default="DRAFT")
    trigger_type: Mapped[str]
    trigger_config: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    allow_reentry: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    reentry: Mapped[str] = mapped_column(server_default="never", default="never")
    reentry_days: Mapped[int | None]
    reentry_key: Mapped[str | None]
    max_enrollments: Mapped[int | None]
    exit_conditions: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    exit_event: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    exit_on_unsubscribe: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    goal: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    goal_days: Mapped[int | None]
    watches: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    timezone: Mapped[str]
    topic_id: Mapped[UUID | None]
    send_window: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    clock: Mapped[str] = mapped_column(server_default="person", default="person")
    draft: Mapped[dict[str, Any]]
    draft_revision: Mapped[int] = mapped_column(server_default="1", default=1)
    draft_position: Mapped[int] = mapped_column(server_default="1", default=1)
    key_numbers: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    published_version: Mapped[int | None]
    published_revision: Mapped[int] = mapped_column(server_default="0", default=0)
    next_run_at: Mapped[datetime | None]
    run_until: Mapped[datetime | None]
    run_cursor: Mapped[UUID | None]
    total_enrolled: Mapped[int] = mapped_column(server_default="0", default=0)
    total_completed: Mapped[int] = mapped_column(server_default="0", default=0)
    total_exited: Mapped[int] = mapped_column(server_default="0", default=0)
    total_failed: Mapped[int] = mapped_column(server_default="0", default=0)
    activated_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    paused_from: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


def of_journey() -> ForeignKeyConstraint:
    """Return the foreign key to a journey of the same tenant."""
    return ForeignKeyConstraint(["tenant_id", "journey_id"], ["journey.tenant_id", "journey.id"], ondelete="CASCADE")


class JourneyVersion(TenantRow, Base):
    """A published graph; never changed once written, but for the name of a tag (see app.journeys.tagging) and the note.

    `placements`: where people go on who stand at a step that this graph does not have, by its key; null: they leave.
    `once`: steps that people may come to again by what was changed, by key, with the number of the version since when:
    who took one in an earlier version passes by it. `settings` are those of the journey when it was published
    (`app.journeys.setting_changes`), null of those published before they were kept.
    """

    __tablename__ = "journey_version"
    __table_args__ = (
        of_journey(),
        UniqueConstraint("tenant_id", "journey_id", "number", name="uq_journey_version_number"),
    )

    journey_id: Mapped[UUID]
    number: Mapped[int]
    graph: Mapped[dict[str, Any]]
    placements: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    once: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    settings: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    note: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class JourneySettling(Base):
    """A step whose people the engine still has to look at because of what was published, up to the id `after`.

    `rebase`: the step waits otherwise; their wait is counted anew or, with `look`, they are looked at again and keep
    their time. Else the step is gone, and they are placed. With `resumed_at` it is the whole journey, without a step,
    whose people come back on the clock; their waits end later by the pause, if `paused_at` says when that began.
    """

    __tablename__ = "journey_settling"
    __table_args__ = (of_journey(),)

    tenant_id: Mapped[Key]
    journey_id: Mapped[Key]
    step_key: Mapped[str] = mapped_column(primary_key=True)
    rebase: Mapped[bool]
    look: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    after: Mapped[UUID | None]
    paused_at: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]


class JourneyBatch(TenantRow, Base):
    """Some people whom a worker has `begun` to walk on, noted beside its transaction (app.journeys.engine.begun).

    Not `begun`: they are left of a batch whose worker died, and are walked by themselves from `due_at` on. `deaths`: so
    often a worker has died at the step of the one it is about. It has no foreign key: whoever writes it is not to wait
    for anybody.
    """

    __tablename__ = "journey_batch"

    people: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    begun: Mapped[bool]
    deaths: Mapped[int] = mapped_column(server_default="0", default=0)
    due_at: Mapped[datetime | None]
    noted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class JourneyDraftEdit(TenantRow, Base):
    """One state of a draft and the act that led to it, kept so that undo and redo survive a reload."""

    __tablename__ = "journey_draft_edit"
    __table_args__ = (
        of_journey(),
        UniqueConstraint("tenant_id", "journey_id", "position", name="uq_journey_draft_edit"),
    )

    journey_id: Mapped[UUID]
    position: Mapped[int]
    graph: Mapped[dict[str, Any]]
    label: Mapped[str]
    sitting: Mapped[str | None]
    """What settings saved one after the other have in common, so that they are one entry."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class JourneyComment(TenantRow, Base):
    """What an editor wrote to others about a step; the step may be gone since."""

    __tablename__ = "journey_comment"
    __table_args__ = (of_journey(), Index("ix_journey_comment_step", "tenant_id", "journey_id", "step_key"))

    journey_id: Mapped[UUID]
    step_key: Mapped[str]
    body: Mapped[str]
    author_id: Mapped[UUID]
    author_name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    resolved_at: Mapped[datetime | None]
    resolved_by_name: Mapped[str | None]


class JourneyPresence(Base):
    """A user who has a journey's canvas open, as of `seen_at`, and the step whose settings they look at."""

    __tablename__ = "journey_presence"
    __table_args__ = (
        of_journey(),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[Key]
    journey_id: Mapped[Key]
    user_id: Mapped[Key]
    name: Mapped[str]
    step_key: Mapped[str | None]
    seen_at: Mapped[datetime]


class JourneyLetters(Base):
    """What became of a journey's messages, by step, as it was counted last (app.journeys.letters)."""

    __tablename__ = "journey_letters"
    __table_args__ = (of_journey(),)

    tenant_id: Mapped[Key]
    journey_id: Mapped[Key]
    numbers: Mapped[dict[str, Any]]
    counted_at: Mapped[datetime]
    took_ms: Mapped[int] = mapped_column(server_default="0", default=0)


class JourneyEnrollment(TenantRow, Base):
    """One walk of one customer through one journey.

    `entry` is '' where re-entry is not allowed, else the id of what let the customer in, or what each walk is for
    (`reentry.entry_key`): the unique key then refuses a second walk, and a repeat of the same cause, in the database.
    `due_at` is when the engine must look again. While a step that failed is to be tried again, `error` tells why and
    `attempts` how often it has failed. `waits_for` is the type of event that makes them due sooner, `woken_by` the one
    that did (engine/waking.py). `answers` are those of WEBHOOK steps by their keys, `awaited` is the event that a WAIT
    waited for last (its `type` and `payload`). `entered_week` (its Monday, in the journey's zone) and `entered_version`
    are those in which they came in, under which `JourneyCohort` counts them. `converted_at` is when they reached the
    journey's goal, and `converted_amount` in `converted_currency` what the event said that it was worth.
    """

    __tablename__ = "journey_enrollment"
    __table_args__ = (
        of_journey(),
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "customer_id", "journey_id", "entry", name="uq_journey_enrollment_entry"),
        Index(
            "ix_journey_enrollment_turn",
            "tenant_id",
            "journey_id",
            "due_at",
            postgresql_where=text("status = 'ACTIVE' AND due_at IS NOT NULL"),
        ),
        Index("ix_journey_enrollment_status", "tenant_id", "journey_id", "status", "id"),
        Index(
            "ix_journey_enrollment_step",
            "tenant_id",
            "journey_id",
            "current_step_key",
            "id",
            postgresql_where=text("status = 'ACTIVE'"),
        ),
        Index(
            "ix_journey_enrollment_waits",
            "tenant_id",
            "customer_id",
            postgresql_where=text("status = 'ACTIVE' AND waits_for IS NOT NULL"),
        ),
        Index("ix_journey_enrollment_failed", "tenant_id", "id", postgresql_where=text("status = 'FAILED'")),
        Index(
            "ix_journey_enrollment_converted",
            "tenant_id",
            "journey_id",
            "id",
            postgresql_where=text("converted_at IS NOT NULL"),
        ),
    )

    journey_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    entry: Mapped[str] = mapped_column(server_default="", default="")
    status: Mapped[str] = mapped_column(server_default="ACTIVE", default="ACTIVE")
    current_step_key: Mapped[str | None]
    current_step_number: Mapped[int] = mapped_column(server_default="0", default=0)
    waiting_until: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    waits_for: Mapped[str | None]
    woken_by: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    enrolled_at: Mapped[datetime] = mapped_column(server_default=func.now())
    completed_at: Mapped[datetime | None]
    exited_at: Mapped[datetime | None]
    converted_at: Mapped[datetime | None]
    converted_amount: Mapped[Decimal | None] = mapped_column(Numeric(14, 2))
    converted_currency: Mapped[str | None]
    entered_week: Mapped[date | None]
    entered_version: Mapped[int | None]
    exit_reason: Mapped[str | None]
    error: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    trigger_event_id: Mapped[UUID | None]
    trigger_data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    answers: Mapped[dict[str, Any] | None]
    awaited: Mapped[dict[str, Any] | None]


class JourneyEnrollmentStep(Base):
    """One step taken by one enrollment: when, under which version, by which way it was left, and with what result.

    `exit` is None for the way called `next`.
    """

    __tablename__ = "journey_enrollment_step"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "enrollment_id"],
            ["journey_enrollment.tenant_id", "journey_enrollment.id"],
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[Key]
    enrollment_id: Mapped[Key]
    step_number: Mapped[int] = mapped_column(primary_key=True)
    step_key: Mapped[str]
    version: Mapped[int]
    status: Mapped[str]
    entered_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    exit: Mapped[str | None]
    result: Mapped[dict[str, Any] | None]


class JourneyBacktest(TenantRow, Base):
    """A draft walked over what happened from `since` to before `until` (app.journeys.backtest).

    `people` are the customers it is walked with, null until they are chosen from `total`; the first `walked` of them
    are in `sums`, `sample` are some of their walks. Of `broken_off` people the walk took too long. A worker looks at
    it at `due_at`; null: it is over.
    """

    __tablename__ = "journey_backtest"
    __table_args__ = (
        of_journey(),
        Index("ix_journey_backtest_journey", "tenant_id", "journey_id", "id"),
        Index("ix_journey_backtest_due", "tenant_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    journey_id: Mapped[UUID]
    since: Mapped[datetime]
    until: Mapped[datetime]
    graph: Mapped[dict[str, Any]]
    seed: Mapped[int]
    status: Mapped[str] = mapped_column(server_default="RUNNING", default="RUNNING")
    people: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid))
    total: Mapped[int | None]
    walked: Mapped[int] = mapped_column(server_default="0", default=0)
    at_once: Mapped[int] = mapped_column(server_default="0", default=0)
    pace_minutes: Mapped[int] = mapped_column(server_default="0", default=0)
    sums: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    sample: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"), default=list)
    broken_off: Mapped[int] = mapped_column(server_default="0", default=0)
    due_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    error: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class JourneyCheck(TenantRow, Base):
    """A rehearsal kept with what it came to, which a draft has to come to again (app.journeys.checks).

    Who walks is a customer, anybody of a segment, or somebody made up by `facts`.
    """

    __tablename__ = "journey_check"
    __table_args__ = (of_journey(), Index("ix_journey_check_journey", "tenant_id", "journey_id", "id"))

    journey_id: Mapped[UUID]
    name: Mapped[str]
    customer_id: Mapped[UUID | None]
    segment_id: Mapped[UUID | None]
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    starts_at: Mapped[datetime]
    event: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    meanwhile: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"), default=list)
    strictness: Mapped[str]
    expected: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class JourneyStepCount(Base):
    """Running totals of one step, moved by one statement a batch; `active` is how many stand there now.

    `yes` and `no` are no longer moved: `JourneyExitCount` counts every way.
    """

    __tablename__ = "journey_step_count"
    __table_args__ = (of_journey(),)

    tenant_id: Mapped[Key]
    journey_id: Mapped[Key]
    step_key: Mapped[str] = mapped_column(primary_key=True)
    entered: Mapped[int] = mapped_column(server_default="0", default=0)
    active: Mapped[int] = mapped_column(server_default="0", default=0)
    completed: Mapped[int] = mapped_column(server_default="0", default=0)
    failed: Mapped[int] = mapped_column(server_default="0", default=0)
    skipped: Mapped[int] = mapped_column(server_default="0", default=0)
    yes: Mapped[int] = mapped_column(server_default="0", default=0)
    no: Mapped[int] = mapped_column(server_default="0", default=0)


class JourneyExitCount(Base):
    """How many left one step by one way, of those ways that are not called `next`; moved with the step's totals."""

    __tablename__ = "journey_exit_count"
    __table_args__ = (of_journey(),)

    tenant_id: Mapped[Key]
    journey_id: Mapped[Key]
    step_key: Mapped[str] = mapped_column(primary_key=True)
    exit: Mapped[str] = mapped_column(primary_key=True)
    passed: Mapped[int] = mapped_column(server_default="0", default=0)


class JourneyCohort(Base):
    """What became of those who came into a journey in one week (its Monday) and under one version.

    Moved with the totals of the journey, and equal to them together; `converted` is how many reached its goal.
    """

    __tablename__ = "journey_cohort"
    __table_args__ = (of_journey(),)

    tenant_id: Mapped[Key]
    journey_id: Mapped[Key]
    week: Mapped[date] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    entered: Mapped[int] = mapped_column(server_default="0", default=0)
    completed: Mapped[int] = mapped_column(server_default="0", default=0)
    exited: Mapped[int] = mapped_column(server_default="0", default=0)
    failed: Mapped[int] = mapped_column(server_default="0", default=0)
    converted: Mapped[int] = mapped_column(server_default="0", default=0)


class JourneyRevenue(Base):
    """What those of a cohort who reached the goal brought in, in one currency: the sum, and of how many people."""

    __tablename__ = "journey_revenue"
    __table_args__ = (of_journey(),)

    tenant_id: Mapped[Key]
    journey_id: Mapped[Key]
    week: Mapped[date] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    people: Mapped[int] = mapped_column(server_default="0", default=0)
    amount: Mapped[Decimal] = mapped_column(Numeric(16, 2), server_default="0", default=0)


class JourneyWebhook(TenantRow, Base):
    """A call that a WEBHOOK step makes for one enrollment, until the person has gone on; its id is the webhook's.

    QUEUED: it is made at `due_at`, and given up at `gives_up_at`. DONE or FAILED: the engine takes it away.
    """

    __tablename__ = "journey_webhook"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "enrollment_id"],
            ["journey_enrollment.tenant_id", "journey_enrollment.id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint("tenant_id", "enrollment_id", "step_number", name="uq_journey_webhook_step"),
        Index("ix_journey_webhook_due", "tenant_id", "due_at", postgresql_where=text("status = 'QUEUED'")),
        Index("ix_journey_webhook_gives_up", "tenant_id", "gives_up_at"),
        Index("ix_journey_webhook_host", "tenant_id", "host", "due_at", postgresql_where=text("status = 'QUEUED'")),
    )

    enrollment_id: Mapped[UUID]
    step_number: Mapped[int]
    method: Mapped[str]
    url: Mapped[str]
    host: Mapped[str]
    secret: Mapped[str]
    body: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="QUEUED", default="QUEUED")
    due_at: Mapped[datetime | None]
    gives_up_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    code: Mapped[int | None]
    said: Mapped[str | None]
    answer: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))


class JourneyWebhookHost(Base):
    """A host that did not take the last calls; until `open_until` it is left alone."""

    __tablename__ = "journey_webhook_host"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),)

    tenant_id: Mapped[Key]
    host: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    open_until: Mapped[datetime | None]
