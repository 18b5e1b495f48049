"""Whether another address of a customer's will do where the preferred one won't: for conditions, as the gate has it."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# An address is kept as it was read (app.events.addresses): what is left to ask is whether SMTP takes its mailbox.
SOUND = """
CREATE FUNCTION mail_can_go_to(address text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(strpos(address, '@') > 1 AND (octet_length(address) = char_length(address)
        OR octet_length(split_part(address, '@', 1)) = char_length(split_part(address, '@', 1))), false)
$$
"""
# Asked of few, whose preferred address is dead: its cost must not make a planner forget what is asked of all.
ELSEWHERE = """
CREATE FUNCTION reached_elsewhere(of_tenant uuid, of_customer uuid, of_kind text, of_channel text, most int)
RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1 AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM (
            SELECT mine.key, mine.value FROM contact_point mine
            WHERE mine.tenant_id = of_tenant AND mine.customer_id = of_customer AND mine.kind = of_kind
                AND (mine.verified_at IS NOT NULL OR NOT EXISTS (
                    SELECT FROM contact_point theirs
                    WHERE theirs.tenant_id = of_tenant AND theirs.kind = mine.kind AND theirs.key = mine.key
                        AND theirs.customer_id <> mine.customer_id))
            ORDER BY mine.verified_at IS NOT NULL DESC, mine.created_at DESC, mine.id DESC LIMIT most
        ) AS point
        WHERE (of_kind <> 'email' OR mail_can_go_to(point.value)) AND NOT EXISTS (
            SELECT FROM suppression s
            WHERE s.tenant_id = of_tenant AND s.channel = of_channel AND s.address_key = point.key
                AND s.lifted_at IS NULL)
    );
END $$
"""
FUNCTIONS = (SOUND, ELSEWHERE)


def upgrade() -> None:
    for function in FUNCTIONS:
        op.execute(function)


def downgrade() -> None:
    op.execute("DROP FUNCTION reached_elsewhere(uuid, uuid, text, text, int)")
    op.execute("DROP FUNCTION mail_can_go_to(text)")
