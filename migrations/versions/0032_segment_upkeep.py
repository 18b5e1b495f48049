"""Whoever something happens to that a segment asks about is noted for it, in the transaction in which it happens.

Each trigger first asks what the tenant's segments depend on: without segments a statement pays for that one look. Rows
before and after are joined by hashing, whatever the plan was made for first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# What an answer may depend on beside the kinds of rows: whether somebody is a customer at all (null), and who is new.
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


def _function(name: str, body: str, rows: str, declare: str = "") -> str:
    return f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
        DECLARE
            one uuid := (SELECT tenant_id FROM {rows} LIMIT 1);
            {declare}
        BEGIN
            IF one IS NULL OR NOT EXISTS (SELECT FROM segment_dependency WHERE tenant_id = one) THEN
                RETURN NULL;
            END IF;
            {body}
            RETURN NULL;
        END $$
    """


CUSTOMERS_MADE = """
            IF EXISTS (SELECT FROM segment_dependency WHERE tenant_id = one AND reads = 'arrival') THEN
                INSERT INTO segment_due (tenant_id, customer_id, reads) SELECT one, id, 'arrival' FROM made;
            END IF;
"""
CUSTOMERS_CHANGED = f"""
            SELECT array_agg(DISTINCT reads) INTO asked FROM segment_dependency
            WHERE tenant_id = one AND reads IN ('profile', 'last_activity');
            INSERT INTO segment_due (tenant_id, customer_id, reads)
            SELECT one, a.id, k.reads FROM was b JOIN made a ON a.id = b.id CROSS JOIN LATERAL (VALUES
                (NULL, {_differ(STANDING)}),
                ('profile', 'profile' = ANY(asked) AND {_differ(PROFILE)}),
                ('last_activity', 'last_activity' = ANY(asked) AND {_differ(LAST)})
            ) AS k(reads, changed) WHERE k.changed;
"""
# Rows that somebody else deletes at this moment are left to them: nobody waits for anybody. Whoever made a member of
# somebody who is gone, or keeps them as a past one, is put right by upkeep, which looks at each who went.
CUSTOMERS_GONE = """
CREATE FUNCTION segment_customers_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM segment WHERE tenant_id = (SELECT tenant_id FROM gone LIMIT 1)) THEN
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
    UNION ALL SELECT tenant_id, id, NULL, NULL FROM gone;
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
END $$
"""
# Of what was done a segment asks by its type; the count of the last days asks of all.
ACTIVITIES = """
            WITH kind AS (
                SELECT DISTINCT k.type, d.reads FROM (SELECT DISTINCT r.type FROM {rows} r) k
                JOIN segment_dependency d ON d.tenant_id = one AND d.reads IN ('activity:' || k.type, 'last_activity')
            )
            INSERT INTO segment_due (tenant_id, customer_id, reads)
            SELECT DISTINCT one, r.customer_id, k.reads FROM {rows} r JOIN kind k ON k.type = r.type;
"""
_THEIRS = """
            IF EXISTS (SELECT FROM segment_dependency WHERE tenant_id = one AND reads = '{reads}') THEN
                INSERT INTO segment_due (tenant_id, customer_id, reads)
                SELECT one, found.customer_id, '{reads}' FROM ({who}) AS found(customer_id);
            END IF;
"""


def _theirs(reads: str, who: str = "SELECT DISTINCT r.customer_id FROM {rows} r") -> str:
    return _THEIRS.format(reads=reads, who=who)


# Whether an address may stand in for another depends on who else has it.
_SHARING = (
    "SELECT r.customer_id FROM {rows} r UNION SELECT p.customer_id FROM {rows} r JOIN contact_point p"
    " ON p.tenant_id = one AND p.kind = r.kind AND p.key = r.key"
)
_HOUSE = (
    "SELECT r.customer_id FROM {rows} r UNION SELECT m.customer_id FROM {rows} r JOIN household_member m"
    " ON m.tenant_id = one AND m.household_id = r.household_id"
)
_ADDRESSED = (
    "SELECT DISTINCT p.customer_id FROM {rows} r JOIN contact_point p ON p.tenant_id = one AND p.key = r.address_key"
    " AND p.kind IN ('email', 'phone', 'whatsapp', 'push')"
)
BODIES = {
    "activity": ACTIVITIES,
    "contact_point": _theirs("contact", _SHARING),
    "consent": _theirs("consent"),
    "household_member": _theirs("household", _HOUSE),
    "journey_enrollment": _theirs("journey"),
    "suppression": _theirs("suppression", _ADDRESSED),
}
# Of a row that was changed both versions count: it may have been somebody else's.
# Whether a yes to the channel is one to the topic concerns everybody at once.
TOPIC = """
CREATE FUNCTION segment_topic() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE segment s SET refresh_due_at = now() FROM segment_dependency d
    WHERE d.tenant_id = NEW.tenant_id AND d.reads = 'consent' AND s.tenant_id = NEW.tenant_id AND s.id = d.segment_id;
    RETURN NULL;
END $$
"""
SIDES = {"INSERT": ("made",), "UPDATE": ("was", "made"), "DELETE": ("was",)}
TABLE = {"made": "NEW TABLE AS made", "was": "OLD TABLE AS was"}


def _trigger(name: str, table: str, act: str, function: str, tables: str) -> None:
    op.execute(
        f"CREATE TRIGGER {name} AFTER {act} ON {table} REFERENCING {tables}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
    )


def upgrade() -> None:
    # A number of its own costs a note a fifteenth of what a UUID does, and there may be one for each event.
    _key("bigint GENERATED ALWAYS AS IDENTITY")
    for function in (
        _function("segment_customers_made", CUSTOMERS_MADE, "made"),
        _function("segment_customers_changed", CUSTOMERS_CHANGED, "made", "asked text[];"),
        CUSTOMERS_GONE,
    ):
        op.execute(sa.text(function.replace(":", r"\:")))
    _trigger("segment_customers_made", "customer", "INSERT", "segment_customers_made", "NEW TABLE AS made")
    _trigger(
        "segment_customers_changed",
        "customer",
        "UPDATE",
        "segment_customers_changed",
        "OLD TABLE AS was NEW TABLE AS made",
    )
    _trigger("segment_customers_gone", "customer", "DELETE", "segment_customers_gone", "OLD TABLE AS gone")
    op.execute(TOPIC)
    op.execute(
        "CREATE TRIGGER segment_topic AFTER UPDATE OF opt_in_only ON topic FOR EACH ROW"
        " WHEN (OLD.opt_in_only <> NEW.opt_in_only) EXECUTE FUNCTION segment_topic()"
    )
    for table, body in BODIES.items():
        for act, sides in SIDES.items():
            rows = "(SELECT * FROM was UNION ALL SELECT * FROM made)" if len(sides) > 1 else sides[0]
            name = f"segment_{table}_{act.lower()}"
            function = _function(name, body.format(rows=rows), sides[-1])
            op.execute(sa.text(function.replace(":", r"\:")))
            _trigger(name, table, act, name, " ".join(TABLE[side] for side in sides))


def _key(kind: str) -> None:
    op.drop_constraint("pk_segment_due", "segment_due")
    op.drop_column("segment_due", "id")
    op.execute(f"ALTER TABLE segment_due ADD COLUMN id {kind} NOT NULL")
    op.create_primary_key("pk_segment_due", "segment_due", ["tenant_id", "id"])


def downgrade() -> None:
    for act in ("gone", "changed", "made"):
        op.execute(f"DROP TRIGGER segment_customers_{act} ON customer")
        op.execute(f"DROP FUNCTION segment_customers_{act}()")
    for table in BODIES:
        for act in SIDES:
            op.execute(f"DROP TRIGGER segment_{table}_{act.lower()} ON {table}")
            op.execute(f"DROP FUNCTION segment_{table}_{act.lower()}()")
    op.execute("DROP TRIGGER segment_topic ON topic")
    op.execute("DROP FUNCTION segment_topic()")
    _key("uuid DEFAULT uuid7()")
