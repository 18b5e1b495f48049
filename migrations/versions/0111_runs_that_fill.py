"""Runs whose messages go out while people are still put into them."""

import sqlalchemy as sa
from alembic import op

revision = "0111"
down_revision = "0110"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The code before asks for status = 'open', which this index answers as well.
    op.create_index(
        "ix_message_run_going",
        "message_run",
        ["tenant_id", "id"],
        postgresql_where=sa.text("status IN ('open', 'filling')"),
    )
    op.drop_index("ix_message_run_open", table_name="message_run")


def downgrade() -> None:
    # The code before opens a run itself once everybody is in it.
    op.create_index(
        "ix_message_run_open", "message_run", ["tenant_id", "id"], postgresql_where=sa.text("status = 'open'")
    )
    op.drop_index("ix_message_run_going", table_name="message_run")
