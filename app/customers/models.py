"""Customers: who they are, how they are reached, what they agreed to, and all that ever happened."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Computed,
    FetchedValue,
    ForeignKeyConstraint,
    Index,
    Numeric,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, Key, TenantRow

ACTIVE, MERGED = "ACTIVE", "MERGED"


def of_customer(column: str = "customer_id") -> ForeignKeyConstraint:
    """Return the foreign key from `(tenant_id, column)` to a customer of the same tenant."""
    return ForeignKeyConstraint(["tenant_id", column], ["customer.tenant_id", "customer.id"], ondelete="CASCADE")


class Customer(TenantRow, Base):
    """One person. `facts_at` holds, by field, when the source last spoke of it: late events never undo newer ones."""

    __tablename__ = "customer"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "club_id"], ["club.tenant_id", "club.id"]),
        # The list, and the list under each of its filters: a page is read off the index, however many there are.
        Index("ix_customer_name", "tenant_id", "sort_name", "id"),
        Index("ix_customer_club", "tenant_id", "club_id", "sort_name", "id"),
        Index("ix_customer_stage", "tenant_id", "lifecycle_stage", "sort_name", "id"),
        Index(
            "ix_customer_tier_name",
            "tenant_id",
            "membership_tier",
            "sort_name",
            "id",
            postgresql_where=text("membership_tier IS NOT NULL"),
        ),
        Index("ix_customer_merged", "tenant_id", "merged_into_id", postgresql_where=text("merged_into_id IS NOT NULL")),
        # Who looks like somebody: the same last name and birth date, or the same name.
        Index(
            "ix_customer_born",
            "tenant_id",
            "date_of_birth",
            "sort_name",
            postgresql_ops={"sort_name": "text_pattern_ops"},
        ),
        Index("ix_customer_called", "tenant_id", "sort_name", postgresql_ops={"sort_name": "text_pattern_ops"}),
        # Room on each page for the frequent updates of last_activity_at and the like, which touch no index: they
        # stay heap-only.
        {"postgresql_with": {"fillfactor": 80}},
    )

    status: Mapped[str] = mapped_column(server_default=ACTIVE, default=ACTIVE)
    merged_into_id: Mapped[UUID | None]
    title: Mapped[str | None]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    # Those without a name come last, in every collation.
    sort_name: Mapped[str] = mapped_column(
        Computed(
            "CASE WHEN coalesce(last_name, first_name) IS NULL THEN '2' ELSE '1' END || "
            "lower(coalesce(last_name, '') || ' ' || coalesce(first_name, '') || ' ' || coalesce(email, ''))",
            persisted=True,
        )
    )
    date_of_birth: Mapped[date | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    club_id: Mapped[UUID | None]
    membership_tier: Mapped[str | None]
    membership_status: Mapped[str | None]
    joined_on: Mapped[date | None]
    handicap_index: Mapped[Decimal | None] = mapped_column(Numeric(4, 1))
    lifecycle_stage: Mapped[str] = mapped_column(server_default="SUBSCRIBER", default="SUBSCRIBER")
    timezone: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(server_default=text("'{}'"), default=list)
    email_opt_in: Mapped[bool | None]
    email_opt_in_at: Mapped[datetime | None]
    sms_opt_in: Mapped[bool | None]
    sms_opt_in_at: Mapped[datetime | None]
    push_opt_in: Mapped[bool | None]
    push_opt_in_at: Mapped[datetime | None]
    whatsapp_opt_in: Mapped[bool | None]
    whatsapp_opt_in_at: Mapped[datetime | None]
    last_activity_at: Mapped[datetime | None]
    last_activity_type: Mapped[str | None]
    last_email_sent_at: Mapped[datetime | None]
    last_email_open_at: Mapped[datetime | None]
    last_email_click_at: Mapped[datetime | None]
    custom: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"), default=dict)
    facts_at: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    # What the version before searched. Nobody writes it any more, and the next version drops it.
    search: Mapped[Any | None] = mapped_column(TSVECTOR, FetchedValue(for_update=True), deferred=True)
    search_extra: Mapped[str | None]
    # All words to find the customer by, last name first, each after a space: a trigger makes them (see CustomerWord).
    words: Mapped[str | None] = mapped_column(FetchedValue(for_update=True), deferred=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CustomerWord(Base):
    """A word a customer is found by: of their name, address, number or ids, as `customer_words` in Postgres parts them.

    Triggers on customer keep these rows and those of CustomerTag; nobody else writes them (docs/adr/0008). They are
    here because row-level security lets a search use btree indexes only. `words` are the customer's, as far as 200
    letters, where the word is one of a name: the primary key has them by last name and first, and tells who has two
    words. It is '' for words with digits.
    """

    __tablename__ = "customer_word"

    tenant_id: Mapped[Key]
    word: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    words: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    customer_id: Mapped[Key]


class CustomerTag(Base):
    """One of a customer's tags, kept by triggers from `Customer.tags`, which is the truth."""

    __tablename__ = "customer_tag"

    tenant_id: Mapped[Key]
    tag: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    sort_name: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[Key]


class ContactPoint(TenantRow, Base):
    """An address, number or token a customer is reached at. People may share one: it is unique per customer only.

    `verified_how`: the customer confirmed it (`confirmed`), or staff made sure. `preferred_at` decides among the
    customer's of a kind that is no field of the profile.
    """

    __tablename__ = "contact_point"
    __table_args__ = (
        of_customer(),
        UniqueConstraint("tenant_id", "kind", "key", "customer_id", name="uq_contact_point_key"),
        Index("ix_contact_point_customer", "tenant_id", "customer_id"),
    )

    customer_id: Mapped[UUID]
    kind: Mapped[str]
    key: Mapped[str]
    value: Mapped[str]
    source: Mapped[str | None]
    verified_at: Mapped[datetime | None]
    verified_how: Mapped[str | None]
    preferred_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ExternalId(TenantRow, Base):
    """A customer's id in another system: `kind` is scl_member_id, teetime_player_id or any name a system brings."""

    __tablename__ = "external_id"
    __table_args__ = (
        of_customer(),
        UniqueConstraint("tenant_id", "kind", "value", name="uq_external_id_value"),
        Index("ix_external_id_customer", "tenant_id", "customer_id"),
    )

    customer_id: Mapped[UUID]
    kind: Mapped[str]
    value: Mapped[str]
    source: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CustomerMerge(TenantRow, Base):
    """The journal of merges: which profile went into which, why, and what both were before and after.

    `detail` holds the rows of `loser`, `winner_before` and `winner_after`, and the ids and contact points each had
    (`winner_hints`, `loser_hints`); what moved is in CustomerMergePart.
    """

    __tablename__ = "customer_merge"
    __table_args__ = (
        of_customer("winner_id"),
        of_customer("loser_id"),
        Index("ix_customer_merge_loser", "tenant_id", "loser_id"),
        Index("ix_customer_merge_winner", "tenant_id", "winner_id"),
    )

    winner_id: Mapped[UUID]
    loser_id: Mapped[UUID]
    reason: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    merged_by: Mapped[str]
    merged_at: Mapped[datetime] = mapped_column(server_default=func.now())
    undone_by: Mapped[str | None]
    undone_at: Mapped[datetime | None]


class CustomerMergePart(Base):
    """What one merge did in one table: `moved` are the rows that changed hands, `images` those changed otherwise."""

    __tablename__ = "customer_merge_part"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "merge_id"], ["customer_merge.tenant_id", "customer_merge.id"], ondelete="CASCADE"
        ),
    )

    tenant_id: Mapped[Key]
    merge_id: Mapped[Key]
    part: Mapped[str] = mapped_column(primary_key=True)
    moved: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"), default=list)
    images: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"), default=list)


class MergeSuggestion(TenantRow, Base):
    """Two profiles that may be one person, `one_id` the smaller id: what speaks for and against it, what was decided.

    A pair that is `dismissed` are two people: nothing but a person's hand makes one of them (see app.capture).
    """

    __tablename__ = "merge_suggestion"
    __table_args__ = (
        of_customer("one_id"),
        of_customer("other_id"),
        CheckConstraint("one_id <= other_id", name="ordered"),
        UniqueConstraint("tenant_id", "one_id", "other_id", name="uq_merge_suggestion_pair"),
        Index("ix_merge_suggestion_other", "tenant_id", "other_id"),
        Index("ix_merge_suggestion_queue", "tenant_id", "status", text("score DESC"), "id"),
    )

    one_id: Mapped[UUID]
    other_id: Mapped[UUID]
    score: Mapped[int]
    reasons: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    status: Mapped[str] = mapped_column(server_default="open", default="open")
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class ErasedHint(Base):
    """A keyed hash of an id or address of somebody who was erased, and when (see app.customers.erased)."""

    __tablename__ = "erased_hint"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        Index("ix_erased_hint_at", "tenant_id", "erased_at"),
    )

    tenant_id: Mapped[Key]
    hash: Mapped[str] = mapped_column(primary_key=True)
    erased_at: Mapped[datetime]


class Topic(TenantRow, Base):
    """A subject people may want or not want to hear about. `key` names it to other systems and never changes.

    `opt_in_only`: a yes to the channel is no yes to this topic. `double_opt_in`: a yes that somebody else records is
    pending until it was confirmed from the mailbox. Every tenant is born with three (see the migration).
    """

    __tablename__ = "topic"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "key", name="uq_topic_key"),
        Index("uq_topic_name", "tenant_id", text("lower(name)"), unique=True),
    )

    key: Mapped[str]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="", default="")
    opt_in_only: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    double_opt_in: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Consent(TenantRow, Base):
    """What a customer last said about a topic on a channel (see app.customers.consents for how it is read).

    Without a topic it is the global stop (channel ALL) or a yes to a channel that is still to be confirmed; the
    answer to a channel as a whole stands on the customer.
    """

    __tablename__ = "consent"
    __table_args__ = (
        of_customer(),
        ForeignKeyConstraint(["tenant_id", "topic_id"], ["topic.tenant_id", "topic.id"], ondelete="CASCADE"),
        UniqueConstraint(
            "tenant_id",
            "customer_id",
            "channel",
            "topic_id",
            name="uq_consent_subject",
            postgresql_nulls_not_distinct=True,
        ),
    )

    customer_id: Mapped[UUID]
    channel: Mapped[str]
    topic_id: Mapped[UUID | None]
    state: Mapped[str]
    said_at: Mapped[datetime]
    address: Mapped[str | None]


class ConsentChange(TenantRow, Base):
    """Proof of one change of consent: who said what about which channel and topic, when, how, by which words."""

    __tablename__ = "consent_change"
    __table_args__ = (
        of_customer(),
        ForeignKeyConstraint(["tenant_id", "topic_id"], ["topic.tenant_id", "topic.id"], ondelete="CASCADE"),
        Index("ix_consent_change_customer", "tenant_id", "customer_id"),
    )

    customer_id: Mapped[UUID]
    channel: Mapped[str]
    topic_id: Mapped[UUID | None]
    opted_in: Mapped[bool]
    # Empty where only yes or no was ever meant: `opted_in` says it.
    state: Mapped[str | None]
    changed_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    source: Mapped[str]
    how: Mapped[str]
    actor: Mapped[str | None]
    wording: Mapped[str | None]
    address: Mapped[str | None]
    evidence: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)


class CustomField(TenantRow, Base):
    """A field of a tenant's own. Values are in `customer.custom`, by its key; `kind` names how they are read."""

    __tablename__ = "custom_field"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "key", name="uq_custom_field_key"),
    )

    key: Mapped[str]
    label: Mapped[str]
    kind: Mapped[str]
    heading: Mapped[str]
    choices: Mapped[list[str]] = mapped_column(server_default=text("'{}'"), default=list)
    currency: Mapped[str | None]
    position: Mapped[int]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Tag(TenantRow, Base):
    """A tag's look and count; who has it is said by `customer.tags` alone.

    `customers` is how many had it at `counted_at`. A deleted tag stays with those it was `taken_from`, so that deleting
    can be undone.
    """

    __tablename__ = "tag"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        Index("uq_tag_name", "tenant_id", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
    )

    name: Mapped[str]
    colour: Mapped[str] = mapped_column(server_default="grey", default="grey")
    customers: Mapped[int] = mapped_column(server_default="0", default=0)
    counted_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    taken_from: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Activity(TenantRow, Base):
    """One thing that happened, as the timeline shows it."""

    __tablename__ = "activity"
    __table_args__ = (
        of_customer(),
        # One index for the timeline, each of its filters and the count of the last days: what they ask of is in it, so
        # that they look at no row they don't show. An index for each filter would cost every event a write.
        Index(
            "ix_activity_story",
            "tenant_id",
            "customer_id",
            text("occurred_at DESC"),
            text("id DESC"),
            postgresql_include=["category", "type", "club_id", "private_to"],
        ),
        # What many people did of one kind in a stretch of time: segments and their previews read no row for it but
        # those, and none at all where only amounts of the payload matter. It costs an event about 4 µs.
        Index(
            "ix_activity_done",
            "tenant_id",
            "type",
            "occurred_at",
            postgresql_include=["customer_id", "amount", "currency"],
            postgresql_where=text("private_to IS NULL"),
        ),
    )

    customer_id: Mapped[UUID]
    type: Mapped[str]
    category: Mapped[str]
    title: Mapped[str]
    occurred_at: Mapped[datetime]
    source: Mapped[str]
    object_type: Mapped[str | None]
    object_id: Mapped[UUID | None]
    club_id: Mapped[UUID | None]
    # Of a private note: its author. Nobody sees it but them, and those who may read private notes.
    private_to: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    # What the payload says of money: a trigger writes both, and nobody else (migration 0055).
    amount: Mapped[Decimal | None]
    currency: Mapped[str | None]


class Note(TenantRow, Base):
    """What staff wrote about a customer. A private note is seen by its author and the owner only."""

    __tablename__ = "note"
    __table_args__ = (of_customer(), Index("ix_note_customer", "tenant_id", "customer_id"))

    customer_id: Mapped[UUID]
    author_id: Mapped[UUID]
    author_name: Mapped[str]
    type: Mapped[str] = mapped_column(server_default="general", default="general")
    body: Mapped[str]
    pinned: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    private: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class NoteChange(TenantRow, Base):
    """One change of a note: who did it and when, and in `before` the fields as they were."""

    __tablename__ = "note_change"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "note_id"], ["note.tenant_id", "note.id"], ondelete="CASCADE"),
        Index("ix_note_change_note", "tenant_id", "note_id"),
    )

    note_id: Mapped[UUID]
    changed_at: Mapped[datetime]
    changed_by: Mapped[UUID]
    changed_by_name: Mapped[str]
    act: Mapped[str]
    # What was written in private stays so, even if the note is for everybody afterwards.
    private: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    before: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)


class NoteMention(TenantRow, Base):
    """A colleague named in a note with @. `told_at`: when they got a notice; none while they may not read the note."""

    __tablename__ = "note_mention"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "note_id"], ["note.tenant_id", "note.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "note_id", "user_id", name="uq_note_mention_user"),
        Index(
            "ix_note_mention_told",
            "tenant_id",
            "user_id",
            text("told_at DESC"),
            text("id DESC"),
            postgresql_where=text("told_at IS NOT NULL"),
        ),
    )

    note_id: Mapped[UUID]
    user_id: Mapped[UUID]
    handle: Mapped[str]
    told_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]


class Notice(TenantRow, Base):
    """What a user is told about a customer, by `told_by`. `key` names what is told, to each user once.

    Of `more` people they are told by one notice without a customer, as many as came since it was last read.
    """

    __tablename__ = "notice"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "key", "user_id", name="uq_notice_key"),
        Index("ix_notice_customer", "tenant_id", "customer_id"),
        Index("ix_notice_told", "tenant_id", "user_id", text("told_at DESC"), text("id DESC")),
        Index("ix_notice_unread", "tenant_id", "user_id", postgresql_where=text("read_at IS NULL")),
    )

    key: Mapped[str]
    user_id: Mapped[UUID]
    customer_id: Mapped[UUID | None]
    told_by: Mapped[str]
    body: Mapped[str]
    more: Mapped[int] = mapped_column(server_default="0")
    told_at: Mapped[datetime]
    read_at: Mapped[datetime | None]


class Task(TenantRow, Base):
    """Something to do about a customer, for a user or whoever has a role. `key` names what asked for it, once."""

    __tablename__ = "task"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="SET NULL (user_id)"),
        UniqueConstraint("tenant_id", "key", name="uq_task_key"),
        Index("ix_task_customer", "tenant_id", "customer_id"),
        Index("ix_task_user_id", "tenant_id", "user_id", "due_at", "id", postgresql_where=text("done_at IS NULL")),
        Index("ix_task_role", "tenant_id", "role", "due_at", "id", postgresql_where=text("done_at IS NULL")),
        Index("ix_task_done_by", "tenant_id", "done_by", "done_at", postgresql_where=text("done_at IS NOT NULL")),
    )

    key: Mapped[str]
    customer_id: Mapped[UUID]
    title: Mapped[str]
    details: Mapped[str | None]
    user_id: Mapped[UUID | None]
    role: Mapped[str | None]
    due_at: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    done_at: Mapped[datetime | None]
    done_by: Mapped[str | None]
    done_by_name: Mapped[str | None]
