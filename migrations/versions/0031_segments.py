"""Segments: definitions and their history, members past and present, growth, and who has to be looked at again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import dispatchable, protect

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
TABLES = (
    "segment",
    "segment_version",
    "segment_member",
    "segment_past_member",
    "segment_listed",
    "segment_day",
    "segment_dependency",
    "segment_due",
)
# Members have no foreign key, so that a refresh does not check each one.
DELETED = """
CREATE FUNCTION segment_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM segment_member m USING gone s WHERE m.tenant_id = s.tenant_id AND m.segment_id = s.id;
    DELETE FROM segment_past_member m USING gone s WHERE m.tenant_id = s.tenant_id AND m.segment_id = s.id;
    DELETE FROM segment_listed m USING gone s WHERE m.tenant_id = s.tenant_id AND m.segment_id = s.id;
    RETURN NULL;
END $$
"""


def _id(name: str = "id", *, default: bool = False, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Uuid(), server_default=sa.text("uuid7()") if default else None, nullable=nullable)


def _at(name: str, *, default: bool = False, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=NOW if default else None, nullable=nullable)


def _text(name: str, default: str | None = None, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), server_default=default, nullable=nullable)


def _count(name: str, default: str = "0") -> sa.Column:
    return sa.Column(name, sa.Integer(), server_default=default, nullable=False)


def _of_segment(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "segment_id"],
        ["segment.tenant_id", "segment.id"],
        name=f"fk_{table}_tenant_id_segment_id",
        ondelete="CASCADE",
    )


def upgrade() -> None:
    _definitions()
    _members()
    _upkeep()
    for table in TABLES:
        protect(table)
    dispatchable("segment", ["tenant_id", "refresh_due_at"])
    dispatchable("segment_due", ["tenant_id"])
    op.execute(DELETED)
    op.execute(
        "CREATE TRIGGER segment_deleted AFTER DELETE ON segment REFERENCING OLD TABLE AS gone"
        " FOR EACH STATEMENT EXECUTE FUNCTION segment_deleted()"
    )


def _definitions() -> None:
    op.create_table(
        "segment",
        _id("tenant_id"),
        _id(default=True),
        _text("name"),
        _text("description", ""),
        _id("club_id", nullable=True),
        _text("type"),
        sa.Column("criteria", postgresql.JSONB(none_as_null=True), nullable=True),
        _text("refresh_frequency", "DAILY"),
        _count("version", "1"),
        _count("member_count"),
        _at("refreshed_at", nullable=True),
        _at("refresh_due_at", nullable=True),
        _at("refreshing_since", nullable=True),
        sa.Column("refresh_tells", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("refresh_took_ms", sa.Integer(), nullable=True),
        _text("refresh_error", nullable=True),
        _text("ready_made", nullable=True),
        _id("snapshot_of", nullable=True),
        _at("archived_at", nullable=True),
        _text("created_by"),
        _text("created_by_name", ""),
        _at("created_at", default=True),
        _at("updated_at", default=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_segment_tenant_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "club_id"], ["club.tenant_id", "club.id"], name="fk_segment_tenant_id_club_id"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_segment"),
    )
    for name, columns, unique, where in (
        ("uq_segment_name", ["tenant_id", sa.literal_column("lower(name)")], True, "archived_at IS NULL"),
        ("uq_segment_ready_made", ["tenant_id", "ready_made"], True, "ready_made IS NOT NULL"),
        ("ix_segment_due", ["tenant_id", "refresh_due_at"], False, "refresh_due_at IS NOT NULL"),
    ):
        op.create_index(name, "segment", columns, unique=unique, postgresql_where=sa.text(where))
    op.create_table(
        "segment_version",
        _id("tenant_id"),
        _id(default=True),
        _id("segment_id"),
        sa.Column("number", sa.Integer(), nullable=False),
        _id("club_id", nullable=True),
        sa.Column("criteria", postgresql.JSONB(none_as_null=True), nullable=True),
        _at("changed_at", default=True),
        _text("changed_by"),
        _text("changed_by_name", ""),
        _of_segment("segment_version"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_segment_version"),
        sa.UniqueConstraint("tenant_id", "segment_id", "number", name="uq_segment_version_number"),
    )


def _members() -> None:
    for table, more, key in (
        ("segment_member", [_at("entered_at")], []),
        ("segment_past_member", [_at("entered_at"), _at("left_at")], ["entered_at"]),
        ("segment_listed", [_at("listed_at", default=True), _text("listed_by")], []),
    ):
        op.create_table(
            table,
            _id("tenant_id"),
            _id("segment_id"),
            _id("customer_id"),
            *more,
            sa.PrimaryKeyConstraint("tenant_id", "segment_id", "customer_id", *key, name=f"pk_{table}"),
        )
        op.create_index(f"ix_{table}_customer", table, ["tenant_id", "customer_id"])
    op.create_table(
        "segment_day",
        _id("tenant_id"),
        _id("segment_id"),
        sa.Column("day", sa.Date(), nullable=False),
        _count("entered"),
        _count("left"),
        _count("members"),
        _of_segment("segment_day"),
        sa.PrimaryKeyConstraint("tenant_id", "segment_id", "day", name="pk_segment_day"),
    )


def _upkeep() -> None:
    op.create_table(
        "segment_dependency",
        _id("tenant_id"),
        _text("reads"),
        _id("segment_id"),
        _of_segment("segment_dependency"),
        sa.PrimaryKeyConstraint("tenant_id", "reads", "segment_id", name="pk_segment_dependency"),
    )
    op.create_index("ix_segment_dependency_segment", "segment_dependency", ["tenant_id", "segment_id"])
    op.create_table(
        "segment_due",
        _id("tenant_id"),
        _id(default=True),
        _id("customer_id"),
        _id("segment_id", nullable=True),
        _text("reads", nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_segment_due"),
    )
    # Rows come and go all the time: what they leave behind is cleared away by number, not by share.
    op.execute("ALTER TABLE segment_due SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000)")


def downgrade() -> None:
    op.execute("DROP TRIGGER segment_deleted ON segment")
    op.execute("DROP FUNCTION segment_deleted()")
    for table in reversed(TABLES):
        op.drop_table(table)
