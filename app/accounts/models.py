"""Tenants, their clubs, and the people and machines that sign in."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, TenantRow
from app.infra.ids import new_id


class Tenant(Base):
    """An operator of clubs. Everything else belongs to exactly one of them."""

    __tablename__ = "tenant"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    country: Mapped[str] = mapped_column(default="ZA", server_default="ZA")
    locale: Mapped[str] = mapped_column(default="en_ZA", server_default="en_ZA")
    timezone: Mapped[str] = mapped_column(default="Africa/Johannesburg", server_default="Africa/Johannesburg")
    currency: Mapped[str] = mapped_column(default="ZAR", server_default="ZAR")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Club(TenantRow, Base):
    """One club of a tenant; its country reads phone numbers, its time zone and locale write dates and money.

    `working_days` are the days of the week on which it works, closures aside.
    """

    __tablename__ = "club"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        Index("uq_club_name", "tenant_id", func.lower(text("name")), unique=True),
    )

    name: Mapped[str]
    country: Mapped[str]
    timezone: Mapped[str]
    locale: Mapped[str]
    currency: Mapped[str]
    working_days: Mapped[list[str]] = mapped_column(
        server_default=text("'{MON,TUE,WED,THU,FRI}'"), default=lambda: ["MON", "TUE", "WED", "THU", "FRI"]
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ClubClosure(TenantRow, Base):
    """Days on which a club is closed, the first and the last included; `yearly` ones come again every year."""

    __tablename__ = "club_closure"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "club_id"], ["club.tenant_id", "club.id"], ondelete="CASCADE"),
        Index("ix_club_closure_club", "tenant_id", "club_id"),
    )

    club_id: Mapped[UUID]
    name: Mapped[str]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    yearly: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class User(TenantRow, Base):
    """Somebody who signs in. `email_key` is unique over all tenants: an address signs in to one of them."""

    __tablename__ = "users"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("email_key"),
    )

    email: Mapped[str]
    email_key: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str | None]
    role: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="active")
    session_version: Mapped[int] = mapped_column(default=1, server_default="1")
    last_sign_in_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class UserSession(TenantRow, Base):
    """One sign-in of a user: by browser (`kind` web, a secret in the cookie) or API (`kind` api, a rotating token).

    Both are kept as hashes. A row counts while its `session_version` is the user's.
    """

    __tablename__ = "user_session"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
        Index("ix_user_session_user", "tenant_id", "user_id"),
    )

    user_id: Mapped[UUID]
    kind: Mapped[str]
    session_version: Mapped[int]
    secret_hash: Mapped[str | None]
    refresh_hash: Mapped[str | None]
    ip: Mapped[str | None]
    user_agent: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class ApiKey(TenantRow, Base):
    """A machine's key: shown once, kept only as a hash; `scopes` are permission names."""

    __tablename__ = "api_key"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),)

    name: Mapped[str]
    hint: Mapped[str]
    secret_hash: Mapped[str]
    scopes: Mapped[list[str]]
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditEntry(TenantRow, Base):
    """Who did what to which object, when and from where."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        Index("ix_audit_entry_at", "tenant_id", text("at DESC"), text("id DESC")),
        Index("ix_audit_entry_actor", "tenant_id", "actor", text("at DESC"), text("id DESC")),
        Index("ix_audit_entry_action", "tenant_id", "action", text("at DESC"), text("id DESC")),
        Index("ix_audit_entry_object", "tenant_id", "object_type", "object_id", text("at DESC"), text("id DESC")),
    )

    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str]
    user_id: Mapped[UUID | None]
    action: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[str | None]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    ip: Mapped[str | None]


class KeptAnswer(TenantRow, Base):
    """What a request with an Idempotency-Key was answered with, for its repeats; without status while it is at work."""

    __tablename__ = "kept_answer"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "actor", "key", name="uq_kept_answer_key"),
        Index("ix_kept_answer_created", "tenant_id", "created_at"),
    )

    actor: Mapped[str]
    key: Mapped[str]
    fingerprint: Mapped[str]
    status: Mapped[int | None]
    content_type: Mapped[str | None]
    body: Mapped[str | None]
    created_at: Mapped[datetime]
