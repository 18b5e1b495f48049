"""Clubs have working days and closures, which waits of journeys go by."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0092"
down_revision = "0091"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "club",
        sa.Column(
            "working_days",
            sa.ARRAY(sa.Text()),
            server_default=sa.text("'{MON,TUE,WED,THU,FRI}'"),
            nullable=False,
        ),
    )
    op.create_table(
        "club_closure",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("club_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("yearly", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "club_id"],
            ["club.tenant_id", "club.id"],
            name="fk_club_closure_tenant_id_club_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_club_closure"),
    )
    op.create_index("ix_club_closure_club", "club_closure", ["tenant_id", "club_id"])
    protect("club_closure")


def downgrade() -> None:
    op.drop_table("club_closure")
    op.drop_column("club", "working_days")
