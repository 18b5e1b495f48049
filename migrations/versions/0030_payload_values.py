"""How values of a payload are read in SQL: as app/conditions/values.py reads them, and what can't be read is null."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

BLANKS = r"E' \t\n\r\f\x0b'"
DAY = "'^[0-9]{4}-[0-9]{2}-[0-9]{2}$'"
MOMENT = "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?"
OFFSET = "([Zz]|[+-](0[0-9]|1[0-5]):?[0-5][0-9])"
# Python cuts what is finer than a microsecond off; Postgres would round it.
CUT = r"regexp_replace(t, '([.][0-9]{6})[0-9]+', '\1')"
OURS = "BETWEEN '0001-01-01T00:00:00' AND '9999-12-31T23:59:59.999999'"
BODIES = {
    "payload_text(v jsonb) RETURNS text": """
        SELECT CASE jsonb_typeof(v)
            WHEN 'string' THEN nullif(v #>> '{}', '')
            WHEN 'boolean' THEN v #>> '{}'
            WHEN 'number' THEN cast(trim_scale(cast(v #>> '{}' AS numeric)) AS text)
        END""",
    "payload_number(v jsonb) RETURNS numeric": f"""
        SELECT CASE jsonb_typeof(v)
            WHEN 'number' THEN cast(v #>> '{{}}' AS numeric)
            WHEN 'string' THEN CASE
                WHEN btrim(v #>> '{{}}', {BLANKS}) ~ '^[+-]?[0-9]{{1,40}}([.][0-9]{{1,40}})?$'
                THEN cast(btrim(v #>> '{{}}', {BLANKS}) AS numeric)
            END
        END""",
    "payload_boolean(v jsonb) RETURNS boolean": f"""
        SELECT CASE jsonb_typeof(v)
            WHEN 'boolean' THEN cast(v #>> '{{}}' AS boolean)
            WHEN 'string' THEN CASE lower(btrim(v #>> '{{}}', {BLANKS}) COLLATE "C")
                WHEN 'true' THEN true WHEN 'false' THEN false
            END
        END""",
    "payload_moment(v jsonb) RETURNS timestamptz": f"""
        SELECT CASE WHEN t ~ '^{MOMENT}{OFFSET}$' AND pg_input_is_valid({CUT}, 'timestamptz') THEN
            CASE WHEN cast({CUT} AS timestamptz) AT TIME ZONE 'UTC' {OURS} THEN cast({CUT} AS timestamptz) END
        END FROM (
            SELECT CASE jsonb_typeof(v) WHEN 'string' THEN btrim(v #>> '{{}}', {BLANKS}) END AS t
        ) AS told""",
    "payload_day(v jsonb, zone text) RETURNS date": f"""
        SELECT CASE
            WHEN t ~ {DAY} THEN CASE WHEN pg_input_is_valid(t, 'date') THEN cast(t AS date) END
            WHEN t ~ '^{MOMENT}{OFFSET}$' AND pg_input_is_valid({CUT}, 'timestamptz') THEN
                CASE WHEN cast({CUT} AS timestamptz) AT TIME ZONE zone {OURS}
                    THEN cast(cast({CUT} AS timestamptz) AT TIME ZONE zone AS date) END
            WHEN t ~ '^{MOMENT}$' AND pg_input_is_valid({CUT}, 'timestamp') THEN cast(cast({CUT} AS timestamp) AS date)
        END FROM (
            SELECT CASE jsonb_typeof(v) WHEN 'string' THEN btrim(v #>> '{{}}', {BLANKS}) END AS t
        ) AS told""",
    "payload_id(v jsonb) RETURNS uuid": f"""
        SELECT CASE WHEN jsonb_typeof(v) = 'string'
            AND btrim(v #>> '{{}}', {BLANKS}) ~* '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'
            THEN cast(btrim(v #>> '{{}}', {BLANKS}) AS uuid) END""",
    "payload_list(v jsonb) RETURNS text[]": """
        SELECT CASE WHEN jsonb_typeof(v) = 'array' THEN ARRAY(
            SELECT payload_text(one) FROM jsonb_array_elements(
                CASE WHEN jsonb_typeof(v) = 'array' THEN v END) WITH ORDINALITY AS e(one, at) ORDER BY at
        ) END""",
    "payload_given(v jsonb) RETURNS jsonb": """
        SELECT CASE WHEN v NOT IN ('null', '""', '[]', '{}') THEN v END""",
}


def upgrade() -> None:
    for head, body in BODIES.items():
        # What checks a text for being a time depends on settings, so it can't be called unchanging.
        kind = "STABLE" if "pg_input_is_valid" in body else "IMMUTABLE"
        op.execute(
            sa.text(f"CREATE FUNCTION {head} LANGUAGE sql {kind} PARALLEL SAFE AS $${body}$$".replace(":", r"\:"))
        )


def downgrade() -> None:
    for head in reversed(BODIES):
        op.execute(
            f"DROP FUNCTION {head.partition(' RETURNS')[0].replace('v jsonb', 'jsonb').replace('zone text', 'text')}"
        )
