"""What templates said before: a row for every version, and an archive for those that are no longer used."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import APP_ROLE, CURRENT_TENANT, DISPATCH_ROLE, protect

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

# Two of one name may be in the archive, and the constraint that comes back allows no two anywhere.
TELL_APART = f"""
    DO $$
    DECLARE one uuid; tenants uuid[];
    BEGIN
        SET LOCAL ROLE {DISPATCH_ROLE};
        SELECT array_agg(id) INTO tenants FROM tenant;
        SET LOCAL ROLE {APP_ROLE};
        FOREACH one IN ARRAY coalesce(tenants, '{{}}') LOOP
            PERFORM set_config('fairway.tenant_id', one::text, true);
            UPDATE template SET name = name || ' (archived ' || id || ')'
            WHERE tenant_id = {CURRENT_TENANT} AND archived_at IS NOT NULL;
        END LOOP;
        RESET ROLE;
    END $$
"""


def upgrade() -> None:
    op.add_column("template", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "uq_template_name_in_use",
        "template",
        ["tenant_id", "name"],
        unique=True,
        postgresql_where=sa.text("archived_at IS NULL"),
    )
    op.drop_constraint("uq_template_name", "template", type_="unique")
    op.create_table(
        "template_version",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("topic_id", sa.Uuid(), nullable=True),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("restored_from", sa.Integer(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_by_name", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "template_id"],
            ["template.tenant_id", "template.id"],
            name="fk_template_version_tenant_id_template_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_template_version"),
        sa.UniqueConstraint("tenant_id", "template_id", "number", name="uq_template_version_number"),
    )
    protect("template_version")


def downgrade() -> None:
    op.drop_table("template_version")
    op.execute(TELL_APART)
    op.create_unique_constraint("uq_template_name", "template", ["tenant_id", "name"])
    op.drop_index("uq_template_name_in_use", table_name="template")
    op.drop_column("template", "archived_at")
