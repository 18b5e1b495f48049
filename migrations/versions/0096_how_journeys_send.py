"""Settings of journeys: the topic of what they send, on which days and at what hours, and whose clock they go by."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0096"
down_revision = "0095"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journey", sa.Column("topic_id", sa.Uuid()))
    op.add_column("journey", sa.Column("send_window", postgresql.JSONB(none_as_null=True)))
    op.add_column("journey", sa.Column("clock", sa.Text(), server_default="person", nullable=False))
    op.create_foreign_key("fk_journey_topic", "journey", "topic", ["tenant_id", "topic_id"], ["tenant_id", "id"])


def downgrade() -> None:
    op.drop_constraint("fk_journey_topic", "journey", type_="foreignkey")
    for name in ("clock", "send_window", "topic_id"):
        op.drop_column("journey", name)
