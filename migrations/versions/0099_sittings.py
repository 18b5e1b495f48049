"""What is saved one after the other at a step is one entry of a draft's history."""

import sqlalchemy as sa
from alembic import op

revision = "0099"
down_revision = "0098"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journey_draft_edit", sa.Column("sitting", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("journey_draft_edit", "sitting")
