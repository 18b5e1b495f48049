"""What the letters of a variant are called, where it has a subject of its own; a run keeps it by variant."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0116"
down_revision = "0115"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message_run", sa.Column("subjects", postgresql.JSONB(none_as_null=True)))


def downgrade() -> None:
    op.drop_column("message_run", "subjects")
