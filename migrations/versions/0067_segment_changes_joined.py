"""What a statement changed of customers is put beside what they were by a hash join, whatever its transaction allows.

The sender's transactions look rows up by their indexes (app.infra.db.look_up_by_index), and rows that a trigger is given
have none: 400 customers were compared with 400, a tenth of a millisecond for each.
"""

from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER FUNCTION segment_customers_changed() SET enable_hashjoin = on")


def downgrade() -> None:
    op.execute("ALTER FUNCTION segment_customers_changed() RESET enable_hashjoin")
