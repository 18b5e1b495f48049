"""Mail that comes in is counted by what it was taken for."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import APP_ROLE

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbound_mail_count",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "outcome", name="pk_inbound_mail_count"),
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON inbound_mail_count TO {APP_ROLE}")


def downgrade() -> None:
    op.drop_table("inbound_mail_count")
