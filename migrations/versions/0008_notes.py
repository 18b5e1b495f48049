"""Types of notes, their history, and the colleagues mentioned in them; activities that are one reader's."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("note", sa.Column("type", sa.Text(), server_default="general", nullable=False))
    op.add_column("activity", sa.Column("private_to", sa.Uuid(), nullable=True))
    op.create_table(
        "note_change",
        sa.Column("note_id", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=False),
        sa.Column("changed_by_name", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("private", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("before", postgresql.JSONB(none_as_null=True), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "note_id"],
            ["note.tenant_id", "note.id"],
            name=op.f("fk_note_change_tenant_id_note_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_note_change")),
    )
    op.create_index("ix_note_change_note", "note_change", ["tenant_id", "note_id"])
    op.create_table(
        "note_mention",
        sa.Column("note_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "note_id"],
            ["note.tenant_id", "note.id"],
            name=op.f("fk_note_mention_tenant_id_note_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["users.tenant_id", "users.id"],
            name=op.f("fk_note_mention_tenant_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_note_mention")),
        sa.UniqueConstraint("tenant_id", "note_id", "user_id", name="uq_note_mention_user"),
    )
    op.create_index(
        "ix_note_mention_told",
        "note_mention",
        ["tenant_id", "user_id", sa.literal_column("told_at DESC"), sa.literal_column("id DESC")],
        postgresql_where=sa.text("told_at IS NOT NULL"),
    )
    protect("note_change")
    protect("note_mention")


def downgrade() -> None:
    op.drop_table("note_mention")
    op.drop_table("note_change")
    # The last version would show private notes' lines to everybody.
    _each_tenant("DELETE FROM activity WHERE category = 'NOTE'")
    op.drop_column("activity", "private_to")
    op.drop_column("note", "type")


def _each_tenant(statement: str) -> None:
    op.execute(f"""
        DO $$
        DECLARE one uuid; tenants uuid[];
        BEGIN
            SET LOCAL ROLE fairway_dispatch;
            SELECT array_agg(id) INTO tenants FROM tenant;
            SET LOCAL ROLE fairway_app;
            FOREACH one IN ARRAY coalesce(tenants, '{{}}') LOOP
                PERFORM set_config('fairway.tenant_id', one::text, true);
                {statement};
            END LOOP;
            RESET ROLE;
        END $$
    """)
