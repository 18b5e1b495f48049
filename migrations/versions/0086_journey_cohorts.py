"""What became of the people of journeys by week and version of entering, and what their goals were worth."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0086"
down_revision = "0085"
branch_labels = None
depends_on = None

MONEY = sa.Numeric(14, 2)


def _of_journey(table: str, *columns: sa.Column, keys: tuple[str, ...]) -> None:
    op.create_table(
        table,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("journey_id", sa.Uuid(), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["tenant_id", "journey_id"],
            ["journey.tenant_id", "journey.id"],
            name=f"fk_{table}_tenant_id_journey_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "journey_id", *keys, name=f"pk_{table}"),
    )
    protect(table)


def _number(name: str) -> sa.Column:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def upgrade() -> None:
    for column in (
        sa.Column("converted_amount", MONEY),
        sa.Column("converted_currency", sa.Text()),
        sa.Column("entered_week", sa.Date()),
        sa.Column("entered_version", sa.Integer()),
    ):
        op.add_column("journey_enrollment", column)
    numbers = ("entered", "completed", "exited", "failed", "converted")
    _of_journey("journey_cohort", *map(_number, numbers), keys=("week", "version"))
    _of_journey(
        "journey_revenue",
        sa.Column("currency", sa.Text(), nullable=False),
        _number("people"),
        sa.Column("amount", sa.Numeric(16, 2), server_default="0", nullable=False),
        keys=("week", "version", "currency"),
    )


def downgrade() -> None:
    op.drop_table("journey_revenue")
    op.drop_table("journey_cohort")
    for name in ("entered_version", "entered_week", "converted_currency", "converted_amount"):
        op.drop_column("journey_enrollment", name)
