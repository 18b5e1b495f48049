"""Messages of one run: a row that lets them out or keeps them, and what a message has to know of its run."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import dispatchable, protect

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

COLUMNS = ("template_version", "campaign_id", "run_id", "variant", "priority", "expires_at")


def upgrade() -> None:
    op.create_table(
        "message_run",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("per_hour", sa.Integer(), nullable=True),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_message_run_tenant_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_message_run"),
    )
    op.create_index(
        "ix_message_run_open", "message_run", ["tenant_id", "id"], postgresql_where=sa.text("status = 'open'")
    )
    protect("message_run")
    dispatchable("message_run", ["tenant_id", "id", "status", "ready_at"])
    op.add_column("message", sa.Column("template_version", sa.Integer(), nullable=True))
    op.add_column("message", sa.Column("campaign_id", sa.Uuid(), nullable=True))
    op.add_column("message", sa.Column("run_id", sa.Uuid(), nullable=True))
    op.add_column("message", sa.Column("variant", sa.Text(), nullable=True))
    op.add_column("message", sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("message", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("GRANT SELECT (run_id) ON message TO fairway_dispatch")
    op.execute(
        "ALTER TABLE message ADD CONSTRAINT fk_message_tenant_id_run_id"
        " FOREIGN KEY (tenant_id, run_id) REFERENCES message_run (tenant_id, id) NOT VALID"
    )


def downgrade() -> None:
    op.drop_constraint("fk_message_tenant_id_run_id", "message")
    for name in reversed(COLUMNS):
        op.drop_column("message", name)
    op.drop_table("message_run")
