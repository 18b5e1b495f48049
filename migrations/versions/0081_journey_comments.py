"""What editors write to each other about steps of a journey, and who has which step open."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    now = sa.func.now()
    op.create_table(
        "journey_comment",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("journey_id", sa.Uuid(), nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.Column("resolved_by_name", sa.Text()),
        sa.ForeignKeyConstraint(
            ["tenant_id", "journey_id"],
            ["journey.tenant_id", "journey.id"],
            name="fk_journey_comment_tenant_id_journey_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_journey_comment"),
    )
    op.create_index("ix_journey_comment_step", "journey_comment", ["tenant_id", "journey_id", "step_key"])
    protect("journey_comment")
    op.create_table(
        "journey_presence",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("journey_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("step_key", sa.Text()),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "journey_id"],
            ["journey.tenant_id", "journey.id"],
            name="fk_journey_presence_tenant_id_journey_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["users.tenant_id", "users.id"],
            name="fk_journey_presence_tenant_id_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "journey_id", "user_id", name="pk_journey_presence"),
    )
    protect("journey_presence")


def downgrade() -> None:
    op.drop_table("journey_presence")
    op.drop_table("journey_comment")
