"""Who somebody was merged into, or is no longer, is looked at by segments too: a list may name either."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

PROFILE = [
    "title",
    "first_name",
    "last_name",
    "date_of_birth",
    "email",
    "phone",
    "club_id",
    "membership_tier",
    "membership_status",
    "joined_on",
    "handicap_index",
    "lifecycle_stage",
    "timezone",
    "tags",
    "email_opt_in",
    "email_opt_in_at",
    "sms_opt_in",
    "sms_opt_in_at",
    "push_opt_in",
    "push_opt_in_at",
    "whatsapp_opt_in",
    "whatsapp_opt_in_at",
    "custom",
    "created_at",
]
LAST = ["last_activity_at", "last_activity_type", "last_email_sent_at", "last_email_open_at", "last_email_click_at"]
STANDING = ["status", "merged_into_id"]


def _differ(columns: list[str]) -> str:
    before, after = (", ".join(f"{side}.{column}" for column in columns) for side in ("b", "a"))
    return f"({before}) IS DISTINCT FROM ({after})"


def _function(others: str) -> str:
    return f"""
        CREATE OR REPLACE FUNCTION segment_customers_changed() RETURNS trigger LANGUAGE plpgsql
        SET enable_nestloop = off AS $$
        DECLARE
            one uuid := (SELECT tenant_id FROM made LIMIT 1);
            asked text[];
        BEGIN
            IF one IS NULL OR NOT EXISTS (SELECT FROM segment_dependency WHERE tenant_id = one) THEN
                RETURN NULL;
            END IF;
            SELECT array_agg(DISTINCT reads) INTO asked FROM segment_dependency
            WHERE tenant_id = one AND reads IN ('profile', 'last_activity');
            INSERT INTO segment_due (tenant_id, customer_id, reads)
            SELECT one, k.id, k.reads FROM was b JOIN made a ON a.id = b.id CROSS JOIN LATERAL (VALUES
                (a.id, NULL, {_differ(STANDING)}){others},
                (a.id, 'profile', 'profile' = ANY(asked) AND {_differ(PROFILE)}),
                (a.id, 'last_activity', 'last_activity' = ANY(asked) AND {_differ(LAST)})
            ) AS k(id, reads, changed) WHERE k.changed AND k.id IS NOT NULL;
            RETURN NULL;
        END $$
    """


MERGED = "".join(f", ({side}.merged_into_id, NULL, {_differ(STANDING)})" for side in ("b", "a"))


def upgrade() -> None:
    op.execute(sa.text(_function(MERGED)))


def downgrade() -> None:
    op.execute(sa.text(_function("")))
