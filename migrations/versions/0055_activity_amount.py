"""What a payload says of money stands in columns of its own: sums over many people need not read payloads.

A trigger writes them, so that they are right whoever writes an activity, code of the version before too. Rows that are
there already are filled by the next migration.
"""

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

BLANKS = r"E' \t\n\r\f\x0b'"
# Both in short: what an index holds must be short, and a number of more digits is none that anybody paid.
AMOUNT = "CASE WHEN octet_length(payload ->> key) <= 60 THEN payload_number(payload -> key) END"
SAID = f"nullif(lower(btrim(payload ->> key, {BLANKS}) COLLATE \"C\"), '')"
CURRENCY = f"CASE WHEN octet_length({SAID}) > 20 THEN '?' ELSE {SAID} END"
FUNCTIONS = (
    f"CREATE FUNCTION payload_amount(payload jsonb, key text) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE"
    f" AS $$SELECT {AMOUNT}$$",
    f"CREATE FUNCTION payload_currency(payload jsonb, key text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE"
    f" AS $$SELECT {CURRENCY}$$",
    """CREATE FUNCTION activity_amount() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.amount := payload_amount(NEW.payload, 'amount');
        NEW.currency := CASE WHEN NEW.amount IS NOT NULL THEN payload_currency(NEW.payload, 'currency') END;
        RETURN NEW;
    END $$""",
)
# Of a payload that says nothing of an amount nothing is done at all.
TRIGGERS = {
    "activity_amount_insert": "BEFORE INSERT ON activity FOR EACH ROW WHEN (NEW.payload ? 'amount')",
    "activity_amount_update": "BEFORE UPDATE OF payload ON activity FOR EACH ROW"
    " WHEN (OLD.payload IS DISTINCT FROM NEW.payload)",
}


def upgrade() -> None:
    op.add_column("activity", sa.Column("amount", sa.Numeric(), nullable=True))
    op.add_column("activity", sa.Column("currency", sa.Text(), nullable=True))
    for function in FUNCTIONS:
        op.execute(sa.text(function.replace(":", r"\:")))
    for name, when in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION activity_amount()")


def downgrade() -> None:
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON activity")
    op.execute("DROP FUNCTION activity_amount()")
    op.execute("DROP FUNCTION payload_currency(jsonb, text)")
    op.execute("DROP FUNCTION payload_amount(jsonb, text)")
    op.drop_column("activity", "currency")
    op.drop_column("activity", "amount")
