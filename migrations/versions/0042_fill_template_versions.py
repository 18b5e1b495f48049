"""The first version that is kept of each template: what it says now, under the number it has."""

from alembic import op

from migrations.tenancy import APP_ROLE, DISPATCH_ROLE

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

FILL = f"""
    DO $$
    DECLARE one uuid; tenants uuid[];
    BEGIN
        SET LOCAL ROLE {DISPATCH_ROLE};
        SELECT array_agg(id) INTO tenants FROM tenant;
        SET LOCAL ROLE {APP_ROLE};
        FOREACH one IN ARRAY coalesce(tenants, '{{}}') LOOP
            PERFORM set_config('fairway.tenant_id', one::text, true);
            INSERT INTO template_version (tenant_id, template_id, number, name, topic_id, content, changed_at)
            SELECT tenant_id, id, version, name, topic_id,
                   jsonb_build_object('subject', subject, 'html', html, 'text', text), updated_at
            FROM template WHERE tenant_id = one
            ON CONFLICT (tenant_id, template_id, number) DO NOTHING;
        END LOOP;
        RESET ROLE;
    END $$
"""


def upgrade() -> None:
    op.execute(FILL)


def downgrade() -> None:
    """Leave the rows to 0041, which takes their table away."""
