"""Messages that go with their customer are taken off the count, whoever deletes the customer.

What a foreign key deletes is deleted as the tables' owner, and since PostgreSQL 18 the triggers of it run as the owner
too, for whom the tally had no policy: a customer with a message of a run could not be deleted. Now that of the
application holds for the owner as well: rows of the transaction's tenant.
"""

from alembic import op

from migrations.tenancy import APP_ROLE

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(f"ALTER POLICY tenant ON message_tally TO {APP_ROLE}, CURRENT_USER")


def downgrade() -> None:
    op.execute(f"ALTER POLICY tenant ON message_tally TO {APP_ROLE}")
