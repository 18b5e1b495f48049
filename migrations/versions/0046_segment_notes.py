"""Segments' triggers note each row for its own tenant, and what is still to come for its moment.

A statement of the app concerns one tenant, since row-level security lets it see no other; one of maintenance may concern
several, and was filed under the first. An event may be taken up to a day before its time: who it is of is looked at again
when it counts (`segment_later`). Changing a topic locks the segments concerned in the order everybody does.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import dispatchable, protect

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

PROFILE = (
    "title first_name last_name date_of_birth email phone club_id membership_tier membership_status joined_on"
    " handicap_index lifecycle_stage timezone tags email_opt_in email_opt_in_at sms_opt_in sms_opt_in_at push_opt_in"
    " push_opt_in_at whatsapp_opt_in whatsapp_opt_in_at custom created_at"
)
LAST = "last_activity_at last_activity_type last_email_sent_at last_email_open_at last_email_click_at"
STANDING = "status merged_into_id"
# Before, the tenant of the first row was taken for that of all.
FIRST = """
        DECLARE
            one uuid := (SELECT tenant_id FROM {rows} LIMIT 1);
            {declare}
        BEGIN
            IF one IS NULL OR NOT EXISTS (SELECT FROM segment_dependency WHERE tenant_id = one) THEN
                RETURN NULL;
            END IF;
            {body}
            RETURN NULL;
        END
"""
# Whom row-level security binds writes rows of one tenant only: there the first row says whose all are.
EACH = """
        DECLARE
            one uuid := (SELECT tenant_id FROM {rows} LIMIT 1);
            seen uuid[];
            {declare}
        BEGIN
            WHILE one IS NOT NULL LOOP
                IF EXISTS (SELECT FROM segment_dependency WHERE tenant_id = one) THEN
                    {body}
                END IF;
                EXIT WHEN row_security_active('segment_dependency');
                seen := seen || one;
                one := (SELECT tenant_id FROM {rows} WHERE tenant_id <> ALL(seen) LIMIT 1);
            END LOOP;
            RETURN NULL;
        END
"""


def _differ(columns: str) -> str:
    before, after = (", ".join(f"{side}.{column}" for column in columns.split()) for side in ("b", "a"))
    return f"({before}) IS DISTINCT FROM ({after})"


MADE = """
            IF EXISTS (SELECT FROM segment_dependency WHERE tenant_id = one AND reads = 'arrival') THEN
                INSERT INTO segment_due (tenant_id, customer_id, reads) SELECT one, r.id, 'arrival' FROM made r {mine};
            END IF;
"""
CHANGED = f"""
            SELECT array_agg(DISTINCT reads) INTO asked FROM segment_dependency
            WHERE tenant_id = one AND reads IN ('profile', 'last_activity');
            INSERT INTO segment_due (tenant_id, customer_id, reads)
            SELECT one, k.id, k.reads FROM was b JOIN made a ON a.id = b.id {{both}} CROSS JOIN LATERAL (VALUES
                (a.id, NULL, {_differ(STANDING)}),
                (b.merged_into_id, NULL, {_differ(STANDING)}),
                (a.merged_into_id, NULL, {_differ(STANDING)}),
                (a.id, 'profile', 'profile' = ANY(asked) AND {_differ(PROFILE)}),
                (a.id, 'last_activity', 'last_activity' = ANY(asked) AND {_differ(LAST)})
            ) AS k(id, reads, changed) WHERE k.changed AND k.id IS NOT NULL;
"""
ACTIVITIES = """
            WITH kind AS (
                SELECT DISTINCT k.type, d.reads FROM (SELECT DISTINCT r.type FROM {rows} r {mine}) k
                JOIN segment_dependency d ON d.tenant_id = one AND d.reads IN ('activity:' || k.type, 'last_activity')
            ){later}
            INSERT INTO segment_due (tenant_id, customer_id, reads)
            SELECT DISTINCT one, r.customer_id, k.reads FROM {rows} r JOIN kind k ON k.type = r.type {mine};
"""
LATER = """, later AS (
                INSERT INTO segment_later (tenant_id, at, customer_id, reads)
                SELECT DISTINCT one, r.occurred_at, r.customer_id, k.reads FROM made r JOIN kind k ON k.type = r.type
                {mine} AND r.occurred_at > now()
            )"""
THEIRS = """
            IF EXISTS (SELECT FROM segment_dependency WHERE tenant_id = one AND reads = '{reads}') THEN
                INSERT INTO segment_due (tenant_id, customer_id, reads)
                SELECT one, found.customer_id, '{reads}' FROM ({who}) AS found(customer_id);
            END IF;
"""
WHO = {
    "contact_point": (
        "contact",
        "SELECT r.customer_id FROM {rows} r {mine} UNION SELECT p.customer_id FROM {rows} r JOIN contact_point p"
        " ON p.tenant_id = one AND p.kind = r.kind AND p.key = r.key {mine}",
    ),
    "consent": ("consent", "SELECT DISTINCT r.customer_id FROM {rows} r {mine}"),
    "household_member": (
        "household",
        "SELECT r.customer_id FROM {rows} r {mine} UNION SELECT m.customer_id FROM {rows} r JOIN household_member m"
        " ON m.tenant_id = one AND m.household_id = r.household_id {mine}",
    ),
    "journey_enrollment": ("journey", "SELECT DISTINCT r.customer_id FROM {rows} r {mine}"),
    "suppression": (
        "suppression",
        "SELECT DISTINCT p.customer_id FROM {rows} r JOIN contact_point p ON p.tenant_id = one"
        " AND p.key = r.address_key AND p.kind IN ('email', 'phone', 'whatsapp', 'push') {mine}",
    ),
}
SIDES = {"insert": "made", "update": "(SELECT * FROM was UNION ALL SELECT * FROM made)", "delete": "was"}
CUSTOMERS_GONE = """
BEGIN
    IF NOT EXISTS (SELECT FROM segment WHERE {here}) THEN
        RETURN NULL;
    END IF;
    WITH had AS (
        DELETE FROM segment_member WHERE ctid = ANY(ARRAY(
            SELECT there.ctid FROM gone c CROSS JOIN LATERAL (
                SELECT m.ctid FROM segment_member m WHERE m.tenant_id = c.tenant_id AND m.customer_id = c.id
                FOR UPDATE SKIP LOCKED
            ) AS there
        )) RETURNING tenant_id, customer_id, segment_id
    )
    INSERT INTO segment_due (tenant_id, customer_id, segment_id, reads)
    SELECT tenant_id, customer_id, segment_id, 'gone' FROM had
    UNION ALL SELECT c.tenant_id, c.id, NULL, NULL FROM gone c {known};
    DELETE FROM segment_past_member WHERE ctid = ANY(ARRAY(
        SELECT there.ctid FROM gone c CROSS JOIN LATERAL (
            SELECT m.ctid FROM segment_past_member m WHERE m.tenant_id = c.tenant_id AND m.customer_id = c.id
        ) AS there
    ));
    DELETE FROM segment_listed WHERE ctid = ANY(ARRAY(
        SELECT there.ctid FROM gone c CROSS JOIN LATERAL (
            SELECT m.ctid FROM segment_listed m WHERE m.tenant_id = c.tenant_id AND m.customer_id = c.id
        ) AS there
    ));
    RETURN NULL;
END
"""
GONE_SYNCED = """
BEGIN
    IF EXISTS (SELECT FROM segment_sync WHERE {here}) THEN
        INSERT INTO segment_sync_change (tenant_id, segment_id, customer_id, act, at)
        SELECT c.tenant_id, m.segment_id, m.customer_id, 'left', clock_timestamp()
        FROM gone c JOIN segment_member m ON m.tenant_id = c.tenant_id AND m.customer_id = c.id
        JOIN segment_sync s ON s.tenant_id = m.tenant_id AND s.segment_id = m.segment_id AND s.status <> 'STOPPED';
    END IF;
    RETURN NULL;
END
"""
TOPIC = """
BEGIN
    {locked}
    UPDATE segment s SET refresh_due_at = now() FROM {whom};
    RETURN NULL;
END
"""
TOPIC_BEFORE = (
    "segment_dependency d WHERE d.tenant_id = NEW.tenant_id AND d.reads = 'consent' AND s.tenant_id = NEW.tenant_id"
    " AND s.id = d.segment_id"
)
TOPIC_LOCKED = """
    WITH asking AS (
        SELECT s.id FROM segment s WHERE s.tenant_id = NEW.tenant_id AND s.id IN (
            SELECT d.segment_id FROM segment_dependency d WHERE d.tenant_id = NEW.tenant_id AND d.reads = 'consent')
        ORDER BY s.id FOR NO KEY UPDATE
    )"""


def _replace(name: str, body: str, settings: str = "") -> None:
    head = f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {settings} AS $$"
    op.execute(sa.text(f"{head}{body}$$".replace(":", r"\:")))


def _note(name: str, frame: str, body: str, rows: str, declare: str = "") -> None:
    _replace(name, frame.format(rows=rows, declare=declare, body=body), "SET enable_nestloop = off")


def _functions(*, each: bool) -> None:
    """Write the functions so that each row is noted for its own tenant, or as they were."""
    frame = EACH if each else FIRST
    mine = "WHERE r.tenant_id = one" if each else ""
    both = "AND a.tenant_id = one AND b.tenant_id = one" if each else ""
    _note("segment_customers_made", frame, MADE.format(mine=mine), "made")
    _note("segment_customers_changed", frame, CHANGED.format(both=both), "made", "asked text[];")
    for act, rows in SIDES.items():
        first = "was" if act == "delete" else "made"
        later = LATER.format(mine=mine) if each and act != "delete" else ""
        _note(f"segment_activity_{act}", frame, ACTIVITIES.format(rows=rows, mine=mine, later=later), first)
        for table, (reads, who) in WHO.items():
            body = THEIRS.format(reads=reads, who=who.format(rows=rows, mine=mine))
            _note(f"segment_{table}_{act}", frame, body, first)
    here = "tenant_id IN (SELECT tenant_id FROM gone)" if each else "tenant_id = (SELECT tenant_id FROM gone LIMIT 1)"
    known = "WHERE EXISTS (SELECT FROM segment s WHERE s.tenant_id = c.tenant_id)" if each else ""
    _replace("segment_customers_gone", CUSTOMERS_GONE.format(here=here, known=known))
    _replace("segment_customer_gone_synced", GONE_SYNCED.format(here=here))
    whom = "asking WHERE s.tenant_id = NEW.tenant_id AND s.id = asking.id" if each else TOPIC_BEFORE
    _replace("segment_topic", TOPIC.format(locked=TOPIC_LOCKED if each else "", whom=whom))


def upgrade() -> None:
    op.create_table(
        "segment_later",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("reads", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_segment_later"),
    )
    op.create_index("ix_segment_later_at", "segment_later", ["tenant_id", "at"])
    protect("segment_later")
    dispatchable("segment_later", ["tenant_id", "at"])
    _functions(each=True)


def downgrade() -> None:
    _functions(each=False)
    op.drop_table("segment_later")
