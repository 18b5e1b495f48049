"""Sending domains with their keys, and the senders letters are from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.tenancy import protect

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def _id(name: str, *, nullable: bool = False, default: bool = False) -> sa.Column:
    return sa.Column(name, sa.Uuid(), server_default=sa.text("uuid7()") if default else None, nullable=nullable)


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _at(name: str, *, now: bool = False) -> sa.Column:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=not now)


def upgrade() -> None:
    op.create_table(
        "sending_domain",
        _id("tenant_id"),
        _id("id", default=True),
        _text("domain"),
        _text("selector"),
        _text("sealed_key"),
        _text("public_key"),
        _at("created_at", now=True),
        _at("proven_at"),
        _at("checked_at"),
        sa.Column("findings", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_sending_domain_tenant_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_sending_domain"),
        sa.UniqueConstraint("tenant_id", "domain", name="uq_sending_domain_domain"),
    )
    op.create_table(
        "mail_sender",
        _id("tenant_id"),
        _id("id", default=True),
        _id("domain_id"),
        _id("club_id", nullable=True),
        _text("name"),
        _text("local_part"),
        _at("created_at", now=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_mail_sender_tenant_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "domain_id"],
            ["sending_domain.tenant_id", "sending_domain.id"],
            name="fk_mail_sender_tenant_id_domain_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "club_id"], ["club.tenant_id", "club.id"], name="fk_mail_sender_tenant_id_club_id"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_mail_sender"),
    )
    op.create_index(
        "uq_mail_sender_club",
        "mail_sender",
        ["tenant_id", "club_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    for table in ("sending_domain", "mail_sender"):
        protect(table)


def downgrade() -> None:
    op.drop_table("mail_sender")
    op.drop_table("sending_domain")
