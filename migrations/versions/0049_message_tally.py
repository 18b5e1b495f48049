"""Runs are counted as their messages change, by a trigger, so that whatever changes one is counted; and what readers
did with them is written down.

The counts are added to and never changed, so nobody waits for anybody: now and then they are put together.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

COUNTED = "tenant_id, run_id, coalesce(variant, '') AS variant, status, coalesce(reason, '') AS reason"
HOUR = "CASE status WHEN 'sent' THEN date_trunc('hour', sent_at, 'UTC') END AS hour"
ADD = "INSERT INTO message_tally (tenant_id, run_id, variant, what, reason, hour, number)"


def _count(rows: str) -> str:
    return f"{ADD} SELECT {COUNTED}, {HOUR}, {rows}"


FUNCTION = f"""
    CREATE FUNCTION message_tally_count() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            {_count("count(*) FROM made WHERE run_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6")};
        ELSIF TG_OP = 'DELETE' THEN
            {_count("-count(*) FROM was WHERE run_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6")};
        ELSE
            {ADD}
            SELECT tenant_id, run_id, variant, status, reason, hour, sum(number) FROM (
                SELECT {COUNTED}, {HOUR}, 1 AS number FROM made WHERE run_id IS NOT NULL
                UNION ALL
                SELECT {COUNTED}, {HOUR}, -1 FROM was WHERE run_id IS NOT NULL
            ) AS moved
            GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(number) <> 0;
        END IF;
        RETURN NULL;
    END $$
"""
SEES = {
    "insert": "NEW TABLE AS made",
    "update": "OLD TABLE AS was NEW TABLE AS made",
    "delete": "OLD TABLE AS was",
}
# What was sent and done before; nobody writes a message until this is committed, since the triggers' lock is held.
FILL = f"""
    DO $$
    DECLARE one uuid; tenants uuid[];
    BEGIN
        SET LOCAL ROLE fairway_dispatch;
        SELECT array_agg(id) INTO tenants FROM tenant;
        SET LOCAL ROLE fairway_app;
        FOREACH one IN ARRAY coalesce(tenants, '{{}}') LOOP
            PERFORM set_config('fairway.tenant_id', one::text, true);
            {_count("count(*) FROM message WHERE tenant_id = one AND run_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6")};
            INSERT INTO message_response (tenant_id, message_id, kind, run_id, variant, at)
            SELECT one, id, kind, run_id, variant, at FROM message
            CROSS JOIN LATERAL (VALUES ('opened', first_open_at), ('clicked', first_click_at)) AS did(kind, at)
            WHERE tenant_id = one AND run_id IS NOT NULL AND at IS NOT NULL;
            {ADD}
            SELECT one, run_id, coalesce(variant, ''), kind, '', date_trunc('hour', at, 'UTC'), count(*)
            FROM message_response WHERE tenant_id = one GROUP BY 2, 3, 4, 6;
        END LOOP;
        RESET ROLE;
    END $$
"""


def _id(name: str, *, default: bool = False) -> sa.Column:
    return sa.Column(name, sa.Uuid(), server_default=sa.text("uuid7()") if default else None, nullable=False)


def _text(name: str, default: str | None = None, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), server_default=default, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "message_tally",
        _id("tenant_id"),
        _id("id", default=True),
        _id("run_id"),
        _text("variant", ""),
        _text("what"),
        _text("reason", ""),
        sa.Column("hour", sa.DateTime(timezone=True)),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_message_tally_tenant_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_message_tally"),
    )
    op.create_index("ix_message_tally_run", "message_tally", ["tenant_id", "run_id"])
    op.create_table(
        "message_response",
        _id("tenant_id"),
        _id("message_id"),
        _text("kind"),
        _id("run_id"),
        _text("variant", nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            ["message.tenant_id", "message.id"],
            name="fk_message_response_tenant_id_message_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "message_id", "kind", name="pk_message_response"),
    )
    op.create_index("ix_message_response_run", "message_response", ["tenant_id", "run_id", "kind", "message_id"])
    protect("message_tally")
    protect("message_response")
    op.execute(FUNCTION)
    for act, sees in SEES.items():
        op.execute(
            f"CREATE TRIGGER message_tally_{act} AFTER {act.upper()} ON message REFERENCING {sees}"
            " FOR EACH STATEMENT EXECUTE FUNCTION message_tally_count()"
        )
    op.execute(FILL)


def downgrade() -> None:
    for act in SEES:
        op.execute(f"DROP TRIGGER message_tally_{act} ON message")
    op.execute("DROP FUNCTION message_tally_count()")
    op.drop_table("message_response")
    op.drop_table("message_tally")
