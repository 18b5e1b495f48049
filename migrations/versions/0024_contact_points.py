"""What is known of a contact point: verified, how, and preferred."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

COLUMNS = (
    ("verified_at", sa.DateTime(timezone=True)),
    ("verified_how", sa.Text()),
    ("preferred_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("contact_point", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for name, _ in COLUMNS:
        op.drop_column("contact_point", name)
