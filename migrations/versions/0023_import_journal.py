"""Journal what an import makes by the statement: an array of ids instead of a row for each row."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# The names are those of the tables themselves, and every table that hangs on a customer has the first trigger.
_SWAP = """
    DO $$
    DECLARE one regclass;
    BEGIN
        FOR one IN SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'import_journal' ORDER BY 1 LOOP
            {does}
        END LOOP;
    END $$
"""
_WRITING = "WHEN (coalesce(current_setting(''fairway.import_run'', true), '''') <> '''')"
_UP = f"""
            EXECUTE format('DROP TRIGGER import_journal ON %s', one);
            EXECUTE format('CREATE TRIGGER import_journal AFTER UPDATE OR DELETE ON %s FOR EACH ROW {_WRITING}'
                ' EXECUTE FUNCTION import_journal()', one);
            EXECUTE format('CREATE TRIGGER import_journal_made AFTER INSERT ON %s REFERENCING NEW TABLE AS made'
                ' FOR EACH STATEMENT {_WRITING} EXECUTE FUNCTION import_journal_made()', one);
"""
_DOWN = f"""
            EXECUTE format('DROP TRIGGER IF EXISTS import_journal_made ON %s', one);
            EXECUTE format('DROP TRIGGER import_journal ON %s', one);
            EXECUTE format('CREATE TRIGGER import_journal AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW'
                ' {_WRITING} EXECUTE FUNCTION import_journal()', one);
"""


def upgrade() -> None:
    op.create_table(
        "import_made",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("row_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["import_run.tenant_id", "import_run.id"],
            name="fk_import_made_tenant_id_run_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "table_name", "id", name="pk_import_made"),
    )
    protect("import_made")
    # Customers are asked for one by one when an import is undone: the rows that hang on those it made go with them.
    op.execute("""
        CREATE FUNCTION import_journal_made() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE run uuid := current_setting('fairway.import_run');
        BEGIN
            IF TG_TABLE_NAME = 'customer' THEN
                INSERT INTO import_change (tenant_id, run_id, table_name, row_id)
                SELECT m.tenant_id, run, TG_TABLE_NAME, m.id FROM made m ORDER BY m.id ON CONFLICT DO NOTHING;
            ELSE
                INSERT INTO import_made (tenant_id, run_id, table_name, row_ids)
                SELECT m.tenant_id, run, TG_TABLE_NAME, array_agg(m.id ORDER BY m.id) FROM made m GROUP BY m.tenant_id;
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute(_SWAP.format(does=_UP))


def downgrade() -> None:
    op.execute(_SWAP.format(does=_DOWN))
    op.execute("DROP FUNCTION import_journal_made()")
    op.drop_table("import_made")
