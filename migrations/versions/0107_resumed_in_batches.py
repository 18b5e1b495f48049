"""People of a resumed journey come back on the clock, and their waits are moved, in batches.

Older code knows nothing of a journey as a whole that is settled: taken back, its people are on the clock at once, and
waits that were to be moved end when they did.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import APP_ROLE, DISPATCH_ROLE

revision = "0107"
down_revision = "0106"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journey_settling", sa.Column("paused_at", sa.DateTime(timezone=True)))
    op.add_column("journey_settling", sa.Column("resumed_at", sa.DateTime(timezone=True)))


# Who stands in a journey that is paused again comes back when it is resumed.
ON_THE_CLOCK = sa.text("""
    UPDATE journey_enrollment e SET due_at = now()
    FROM journey_settling s JOIN journey j ON j.tenant_id = s.tenant_id AND j.id = s.journey_id
    WHERE s.tenant_id = :tenant_id AND s.resumed_at IS NOT NULL AND j.status = 'ACTIVE'
        AND e.tenant_id = s.tenant_id AND e.journey_id = s.journey_id AND e.status = 'ACTIVE' AND e.due_at IS NULL
""")
FORGET = sa.text("DELETE FROM journey_settling WHERE tenant_id = :tenant_id AND resumed_at IS NOT NULL")


def downgrade() -> None:
    connection = op.get_bind()
    connection.execute(sa.text(f"SET LOCAL ROLE {DISPATCH_ROLE}"))
    tenants = connection.execute(sa.text("SELECT id FROM tenant")).scalars().all()
    connection.execute(sa.text(f"SET LOCAL ROLE {APP_ROLE}"))
    for tenant_id in tenants:
        connection.execute(sa.text("SELECT set_config('fairway.tenant_id', :id, true)"), {"id": str(tenant_id)})
        for statement in (ON_THE_CLOCK, FORGET):
            connection.execute(statement, {"tenant_id": tenant_id})
    connection.execute(sa.text("RESET ROLE"))
    op.drop_column("journey_settling", "resumed_at")
    op.drop_column("journey_settling", "paused_at")
