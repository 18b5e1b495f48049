"""Mappings saved for the next file, lines of an import's report, and how a file writes things."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
    now = sa.text("now()")
    op.add_column("import_run", sa.Column("formats", json, server_default=sa.text("'{}'"), nullable=False))
    op.create_table(
        "import_line",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("record", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("detail", json, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["import_run.tenant_id", "import_run.id"],
            name="fk_import_line_tenant_id_run_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "kind", "record", name="pk_import_line"),
    )
    protect("import_line")
    op.create_table(
        "import_mapping",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("preset", sa.Text(), nullable=True),
        sa.Column("columns", json, nullable=False),
        sa.Column("formats", json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_import_mapping_tenant_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_import_mapping"),
    )
    op.create_index(
        "uq_import_mapping_name",
        "import_mapping",
        ["tenant_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    protect("import_mapping")
    # Imports give tags, and so may make one known: undoing takes it back.
    op.execute(
        "CREATE TRIGGER import_journal AFTER INSERT OR UPDATE OR DELETE ON tag FOR EACH ROW"
        " WHEN (coalesce(current_setting('fairway.import_run', true), '') <> '')"
        " EXECUTE FUNCTION import_journal()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER import_journal ON tag")
    op.execute("DELETE FROM import_run WHERE status = 'DRAFT'")
    op.drop_table("import_mapping")
    op.drop_table("import_line")
    op.drop_column("import_run", "formats")
