"""Indexes by which profiles that look alike are found."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_customer_birth",
            "customer",
            ["tenant_id", "date_of_birth", sa.text("lower(last_name)")],
            postgresql_where=sa.text("date_of_birth IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.create_index(
            "ix_customer_names",
            "customer",
            ["tenant_id", sa.text("lower(last_name)"), sa.text("lower(first_name)")],
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index("ix_customer_names", table_name="customer")
    op.drop_index("ix_customer_birth", table_name="customer")
