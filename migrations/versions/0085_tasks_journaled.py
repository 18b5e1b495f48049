"""What an import does to tasks can be undone with it, and who did which task is found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0085"
down_revision = "0084"
branch_labels = None
depends_on = None

_WRITING = "WHEN (coalesce(current_setting('fairway.import_run', true), '') <> '')"


def upgrade() -> None:
    op.execute(
        "CREATE TRIGGER import_journal AFTER UPDATE OR DELETE ON task FOR EACH ROW"
        f" {_WRITING} EXECUTE FUNCTION import_journal()"
    )
    op.execute(
        "CREATE TRIGGER import_journal_made AFTER INSERT ON task REFERENCING NEW TABLE AS made FOR EACH STATEMENT"
        f" {_WRITING} EXECUTE FUNCTION import_journal_made()"
    )
    op.create_index(
        "ix_task_done_by",
        "task",
        ["tenant_id", "done_by", "done_at"],
        postgresql_where=sa.text("done_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_task_done_by", table_name="task")
    op.execute("DROP TRIGGER import_journal_made ON task")
    op.execute("DROP TRIGGER import_journal ON task")
