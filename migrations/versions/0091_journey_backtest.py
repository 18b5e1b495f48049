"""Drafts of journeys walked over what happened in the past."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from migrations.tenancy import dispatchable, protect

revision = "0091"
down_revision = "0090"
branch_labels = None
depends_on = None


def upgrade() -> None:
    def count(name: str) -> sa.Column[int]:
        return sa.Column(name, sa.Integer(), server_default="0", nullable=False)

    op.create_table(
        "journey_backtest",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("journey_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("graph", JSONB(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="RUNNING", nullable=False),
        sa.Column("people", ARRAY(sa.Uuid()), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        count("walked"),
        count("at_once"),
        count("pace_minutes"),
        sa.Column("sums", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("sample", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        count("broken_off"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        count("attempts"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "journey_id"],
            ["journey.tenant_id", "journey.id"],
            name="fk_journey_backtest_tenant_id_journey_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_journey_backtest"),
    )
    op.create_index("ix_journey_backtest_journey", "journey_backtest", ["tenant_id", "journey_id", "id"])
    op.create_index(
        "ix_journey_backtest_due",
        "journey_backtest",
        ["tenant_id", "due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    protect("journey_backtest")
    dispatchable("journey_backtest", ["tenant_id", "due_at"])


def downgrade() -> None:
    op.drop_table("journey_backtest")
