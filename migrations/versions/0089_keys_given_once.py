"""Keys of steps are given once in a journey, and people whose step waits for something else are looked at again.

Workers are restarted before web: an older one takes a row of `journey_settling` with `look` for one without, and goes
on to count people's waits anew instead of looking at them again.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0089"
down_revision = "0088"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "journey",
        sa.Column("key_numbers", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("journey_settling", sa.Column("look", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    op.drop_column("journey_settling", "look")
    op.drop_column("journey", "key_numbers")
