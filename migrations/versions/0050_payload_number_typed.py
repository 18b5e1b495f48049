"""A number that JSON has as a number is taken over as it is, in a third of the time: no text is made of it and read.

Numbers in quotes go the way they went before. `payload_number_at` looked for a number's text by its key; it stays for
old code, and says what `payload_number` says.
"""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

BLANKS = r"E' \t\n\r\f\x0b'"
LONG_WAY = f"""CASE
            WHEN btrim(v #>> '{{}}', {BLANKS}) ~ '^[+-]?[0-9]{{1,40}}([.][0-9]{{1,40}})?$'
            THEN cast(btrim(v #>> '{{}}', {BLANKS}) AS numeric)
        END"""
ANY_NUMBER = f"""CASE jsonb_typeof(v)
            WHEN 'number' THEN cast(v #>> '{{}}' AS numeric)
            WHEN 'string' THEN {LONG_WAY}
        END"""
PLAIN = "octet_length({text}) <= 40 AND {text} ~ '^[0-9]+([.][0-9]+)?$'"


def _plain(text: str, otherwise: str) -> str:
    return f"CASE WHEN {PLAIN.format(text=text)} THEN cast({text} AS numeric) ELSE {otherwise} END"


TYPED = f"""CASE jsonb_typeof(v)
            WHEN 'number' THEN cast(v AS numeric)
            WHEN 'string' THEN {_plain("(v #>> '{}')", LONG_WAY)}
        END"""


def _number(head: str, body: str) -> None:
    kind = "RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE"
    op.execute(sa.text(f"CREATE OR REPLACE FUNCTION {head} {kind} AS $$SELECT {body}$$".replace(":", r"\:")))


def upgrade() -> None:
    _number("payload_number(v jsonb)", TYPED)
    _number("payload_number_at(payload jsonb, key text)", "payload_number(payload -> key)")


def downgrade() -> None:
    _number("payload_number(v jsonb)", _plain("(v #>> '{}')", ANY_NUMBER))
    _number(
        "payload_number_at(payload jsonb, key text)",
        _plain("(payload ->> key)", "payload_number(payload -> key)"),
    )
