"""Imports, and the journal of what they change."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import dispatchable, protect

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# All that hangs on a customer, and may so change hands when an import shows two profiles to be one person.
JOURNALED = (
    "customer",
    "contact_point",
    "external_id",
    "customer_merge",
    "merge_suggestion",
    "consent",
    "consent_change",
    "activity",
    "note",
    "inbound_event",
    "message",
    "journey_enrollment",
    "journey_enrollment_step",
)
# What Postgres works out itself can't be written back, and would only swell the journal.
GENERATED = "{search,sort_name}"


def upgrade() -> None:
    json = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
    counts = ("rows", "created", "updated", "unchanged", "refused", "suggested", "undo_left")
    op.create_table(
        "import_run",
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("delimiter", sa.Text(), nullable=False),
        sa.Column("header", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("preset", sa.Text(), nullable=True),
        sa.Column("mapping", json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("on_match", sa.Text(), nullable=False),
        sa.Column("write_consent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("start_journeys", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("task", sa.Text(), server_default="import", nullable=False),
        sa.Column("status", sa.Text(), server_default="PENDING", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("record", sa.Integer(), server_default="1", nullable=False),
        *(sa.Column(name, sa.Integer(), server_default="0", nullable=False) for name in counts),
        sa.Column("report", json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_import_run_tenant_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_import_run"),
    )
    op.create_index(
        "ix_import_run_due",
        "import_run",
        ["tenant_id", "id"],
        postgresql_where=sa.text("status IN ('PENDING', 'RUNNING')"),
    )
    protect("import_run")
    dispatchable("import_run", ["tenant_id", "id", "status"])
    _of_run("import_chunk", [("number", sa.Integer(), False, True), ("data", sa.LargeBinary(), False, False)])
    _of_run(
        "import_refusal",
        [
            ("record", sa.Integer(), False, True),
            ("reason", sa.Text(), False, False),
            ("cells", sa.ARRAY(sa.Text()), False, False),
        ],
    )
    _of_run(
        "import_change",
        [
            ("table_name", sa.Text(), False, True),
            ("row_id", sa.Uuid(), False, True),
            ("before", json, True, False),
            ("after", json, True, False),
        ],
    )
    _journal()


def _of_run(table: str, columns: list[tuple[str, sa.types.TypeEngine, bool, bool]]) -> None:
    op.create_table(
        table,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, kind, nullable=nullable) for name, kind, nullable, _ in columns),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["import_run.tenant_id", "import_run.id"],
            name=f"fk_{table}_tenant_id_run_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", *(name for name, *_, key in columns if key), name=f"pk_{table}"),
    )
    protect(table)


def _journal() -> None:
    # The first image of a row is kept, and the last one: what is put back on undo, and what tells whether somebody
    # else has changed it since. Rows that a run made need neither.
    op.execute(f"""
        CREATE FUNCTION import_journal() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE run uuid := current_setting('fairway.import_run');
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO import_change (tenant_id, run_id, table_name, row_id)
                VALUES (NEW.tenant_id, run, TG_TABLE_NAME, NEW.id) ON CONFLICT DO NOTHING;
            ELSIF TG_OP = 'UPDATE' THEN
                INSERT INTO import_change (tenant_id, run_id, table_name, row_id, before, after)
                VALUES (OLD.tenant_id, run, TG_TABLE_NAME, OLD.id, to_jsonb(OLD) - '{GENERATED}'::text[],
                    to_jsonb(NEW) - '{GENERATED}'::text[])
                ON CONFLICT (tenant_id, run_id, table_name, row_id) DO UPDATE SET after = excluded.after
                    WHERE import_change.before IS NOT NULL;
            ELSE
                INSERT INTO import_change (tenant_id, run_id, table_name, row_id, before)
                VALUES (OLD.tenant_id, run, TG_TABLE_NAME, OLD.id, to_jsonb(OLD) - '{GENERATED}'::text[])
                ON CONFLICT (tenant_id, run_id, table_name, row_id) DO UPDATE SET after = NULL
                    WHERE import_change.before IS NOT NULL;
            END IF;
            RETURN NULL;
        END $$
    """)
    for table in JOURNALED:
        op.execute(
            f"CREATE TRIGGER import_journal AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW"
            " WHEN (coalesce(current_setting('fairway.import_run', true), '') <> '')"
            " EXECUTE FUNCTION import_journal()"
        )


def downgrade() -> None:
    for table in JOURNALED:
        op.execute(f"DROP TRIGGER import_journal ON {table}")
    op.execute("DROP FUNCTION import_journal()")
    for table in ("import_change", "import_refusal", "import_chunk", "import_run"):
        op.drop_table(table)
