"""Households: people who live together, each in one at most, and addresses whose people may be one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKeyConstraint, Index, UniqueConstraint, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.customers.models import of_customer
from app.infra.db import Base, TenantRow


class Household(TenantRow, Base):
    """People who live together. Without a name or greeting of its own it goes by the rule (app.customers.greetings).

    A dissolved one has nobody in it; `members_then` says who was, so that dissolving can be undone.
    """

    __tablename__ = "household"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        Index("ix_household_name", "tenant_id", "id", postgresql_where=text("name IS NOT NULL")),
        Index("ix_household_dissolved", "tenant_id", "id", postgresql_where=text("dissolved_at IS NOT NULL")),
    )

    name: Mapped[str | None]
    greeting: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    dissolved_by: Mapped[str | None]
    dissolved_at: Mapped[datetime | None]
    members_then: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"), default=list)


class HouseholdMember(TenantRow, Base):
    """Who is in a household: as what, put there by whom and why. `source` is "hand" or "address"."""

    __tablename__ = "household_member"
    __table_args__ = (
        of_customer(),
        ForeignKeyConstraint(
            ["tenant_id", "household_id"], ["household.tenant_id", "household.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("tenant_id", "customer_id", name="uq_household_member_customer"),
        Index("ix_household_member_household", "tenant_id", "household_id"),
    )

    household_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    role: Mapped[str] = mapped_column(server_default="member", default="member")
    source: Mapped[str]
    reason: Mapped[str]
    added_by: Mapped[str]
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


class HouseholdSuggestion(TenantRow, Base):
    """An address (`kind`, `key` of a contact point) whose people may be a household, and what was decided of it.

    `people` are those who shared it when it was found or decided on. `dismissed`: never asked again. `accepted`: asked
    again only when somebody else comes to share the address.
    """

    __tablename__ = "household_suggestion"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "kind", "key", name="uq_household_suggestion_address"),
        Index("ix_household_suggestion_queue", "tenant_id", "status", text("score DESC"), "id"),
    )

    kind: Mapped[str]
    key: Mapped[str]
    people: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"), default=list)
    score: Mapped[int] = mapped_column(server_default="0", default=0)
    reasons: Mapped[list[str]] = mapped_column(server_default=text("'{}'"), default=list)
    status: Mapped[str] = mapped_column(server_default="open", default="open")
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
