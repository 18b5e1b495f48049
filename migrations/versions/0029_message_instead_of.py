"""Messages keep which address they were not sent to, where mail can't reach their reader at the preferred one."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message", sa.Column("instead_of", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("message", "instead_of")
