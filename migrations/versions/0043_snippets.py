"""Snippets: words that many templates share, for all clubs or for one, and what they said before."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def _id(name: str, *, nullable: bool = False, default: bool = False) -> sa.Column:
    return sa.Column(name, sa.Uuid(), server_default=sa.text("uuid7()") if default else None, nullable=nullable)


def _text(name: str, default: str | None = None, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), server_default=default, nullable=nullable)


def _at(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "snippet",
        _id("tenant_id"),
        _id("id", default=True),
        _text("key"),
        _id("club_id", nullable=True),
        _text("name"),
        _text("html"),
        _text("text", nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        _at("created_at"),
        _at("updated_at"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_snippet_tenant_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "club_id"], ["club.tenant_id", "club.id"], name="fk_snippet_tenant_id_club_id"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_snippet"),
    )
    op.create_index(
        "uq_snippet_key",
        "snippet",
        ["tenant_id", "key", "club_id"],
        unique=True,
        postgresql_where=sa.text("archived_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "snippet_version",
        _id("tenant_id"),
        _id("id", default=True),
        _id("snippet_id"),
        sa.Column("number", sa.Integer(), nullable=False),
        _text("name"),
        _text("html"),
        _text("text", nullable=True),
        sa.Column("restored_from", sa.Integer(), nullable=True),
        _at("changed_at"),
        _text("changed_by", ""),
        _text("changed_by_name", ""),
        sa.ForeignKeyConstraint(
            ["tenant_id", "snippet_id"],
            ["snippet.tenant_id", "snippet.id"],
            name="fk_snippet_version_tenant_id_snippet_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_snippet_version"),
        sa.UniqueConstraint("tenant_id", "snippet_id", "number", name="uq_snippet_version_number"),
    )
    for table in ("snippet", "snippet_version"):
        protect(table)


def downgrade() -> None:
    op.drop_table("snippet_version")
    op.drop_table("snippet")
