"""What changed of a customer is compared once for all that segments may ask of it.

It was compared for each of five notes that might be made, whose expressions Postgres gets ready anew for every row.
"""

import sqlalchemy as sa
from alembic import op

revision = "0112"
down_revision = "0111"
branch_labels = None
depends_on = None

PROFILE = (
    "title first_name last_name date_of_birth email phone club_id membership_tier membership_status joined_on"
    " handicap_index lifecycle_stage timezone tags email_opt_in email_opt_in_at sms_opt_in sms_opt_in_at push_opt_in"
    " push_opt_in_at whatsapp_opt_in whatsapp_opt_in_at custom created_at"
)
LAST = "last_activity_at last_activity_type last_email_sent_at last_email_open_at last_email_click_at"
STANDING = "status merged_into_id"
# With OFFSET 0 each is compared once, and not wherever its name stands.
FUNCTION = """
CREATE OR REPLACE FUNCTION segment_customers_changed() RETURNS trigger LANGUAGE plpgsql
    SET enable_nestloop = off SET enable_hashjoin = on AS $$
DECLARE
    one uuid := (SELECT tenant_id FROM made LIMIT 1);
    seen uuid[];
    asked text[];
BEGIN
    WHILE one IS NOT NULL LOOP
        IF EXISTS (SELECT FROM segment_dependency WHERE tenant_id = one) THEN
            SELECT array_agg(DISTINCT reads) INTO asked FROM segment_dependency
            WHERE tenant_id = one AND reads IN ('profile', 'last_activity');
            INSERT INTO segment_due (tenant_id, customer_id, reads)
            {notes};
        END IF;
        EXIT WHEN row_security_active('segment_dependency');
        seen := seen || one;
        one := (SELECT tenant_id FROM made WHERE tenant_id <> ALL(seen) LIMIT 1);
    END LOOP;
    RETURN NULL;
END $$
"""
ONCE = """
            SELECT one, k.id, k.reads FROM (
                SELECT a.id, b.merged_into_id AS was_of, a.merged_into_id AS is_of,
                    {standing} AS standing,
                    'profile' = ANY(asked) AND {profile} AS profile,
                    'last_activity' = ANY(asked) AND {last} AS last
                FROM was b JOIN made a ON a.id = b.id AND a.tenant_id = one AND b.tenant_id = one
                OFFSET 0
            ) AS c CROSS JOIN LATERAL (VALUES
                (c.id, NULL, c.standing),
                (c.was_of, NULL, c.standing),
                (c.is_of, NULL, c.standing),
                (c.id, 'profile', c.profile),
                (c.id, 'last_activity', c.last)
            ) AS k(id, reads, changed)
            WHERE (c.standing OR c.profile OR c.last) AND k.changed AND k.id IS NOT NULL
"""
EACH = """
            SELECT one, k.id, k.reads FROM was b JOIN made a ON a.id = b.id AND a.tenant_id = one AND b.tenant_id = one
            CROSS JOIN LATERAL (VALUES
                (a.id, NULL, {standing}),
                (b.merged_into_id, NULL, {standing}),
                (a.merged_into_id, NULL, {standing}),
                (a.id, 'profile', 'profile' = ANY(asked) AND {profile}),
                (a.id, 'last_activity', 'last_activity' = ANY(asked) AND {last})
            ) AS k(id, reads, changed) WHERE k.changed AND k.id IS NOT NULL
"""


def _differ(columns: str) -> str:
    before, after = (", ".join(f"{side}.{column}" for column in columns.split()) for side in ("b", "a"))
    return f"({before}) IS DISTINCT FROM ({after})"


def _write(notes: str) -> None:
    notes = notes.format(standing=_differ(STANDING), profile=_differ(PROFILE), last=_differ(LAST))
    op.execute(sa.text(FUNCTION.format(notes=notes.strip()).replace(":", r"\:")))


def upgrade() -> None:
    _write(ONCE)


def downgrade() -> None:
    _write(EACH)
