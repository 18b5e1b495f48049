"""Batches of journeys that workers have begun, by which whoever makes a worker die is found."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0106"
down_revision = "0105"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journey_batch",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("people", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("begun", sa.Boolean(), nullable=False),
        sa.Column("deaths", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("noted_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_journey_batch"),
    )
    protect("journey_batch")


def downgrade() -> None:
    op.drop_table("journey_batch")
