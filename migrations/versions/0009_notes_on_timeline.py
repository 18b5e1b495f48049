"""The notes that were there already, on the timeline."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(r"""
        DO $$
        DECLARE one uuid; tenants uuid[];
        BEGIN
            SET LOCAL ROLE fairway_dispatch;
            SELECT array_agg(id) INTO tenants FROM tenant;
            SET LOCAL ROLE fairway_app;
            FOREACH one IN ARRAY coalesce(tenants, '{}') LOOP
                PERFORM set_config('fairway.tenant_id', one::text, true);
                INSERT INTO activity (tenant_id, id, customer_id, type, category, title, occurred_at, source,
                    object_type, object_id, private_to, payload)
                SELECT tenant_id, id, customer_id, 'note.' || type, 'NOTE',
                    'Note: ' || left(regexp_replace(body, '\s+', ' ', 'g'), 120), created_at, 'fairway', 'note', id,
                    CASE WHEN private THEN author_id END,
                    jsonb_build_object('note', body, 'written_by', author_name)
                FROM note WHERE deleted_at IS NULL
                ON CONFLICT (tenant_id, id) DO NOTHING;
            END LOOP;
            RESET ROLE;
        END $$
    """)


def downgrade() -> None:
    """Leave them: 0008 takes the notes of the timeline away with the column that keeps private ones so."""
