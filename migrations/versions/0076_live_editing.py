"""A version says where people of removed steps go on; what the engine has to look at because of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import dispatchable, protect

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    empty = sa.text("'{}'")
    op.add_column("journey_version", sa.Column("placements", postgresql.JSONB(), server_default=empty, nullable=False))
    op.add_column("journey_version", sa.Column("once", postgresql.JSONB(), server_default=empty, nullable=False))
    op.add_column("journey_version", sa.Column("note", sa.Text()))
    op.create_table(
        "journey_settling",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("journey_id", sa.Uuid(), nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column("rebase", sa.Boolean(), nullable=False),
        sa.Column("after", sa.Uuid()),
        sa.ForeignKeyConstraint(
            ["tenant_id", "journey_id"],
            ["journey.tenant_id", "journey.id"],
            name="fk_journey_settling_tenant_id_journey_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "journey_id", "step_key", name="pk_journey_settling"),
    )
    protect("journey_settling")
    dispatchable("journey_settling", ["tenant_id"])


def downgrade() -> None:
    op.drop_table("journey_settling")
    op.drop_column("journey_version", "note")
    op.drop_column("journey_version", "once")
    op.drop_column("journey_version", "placements")
