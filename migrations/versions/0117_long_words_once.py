"""A word of more than 100 letters is kept once, however many words begin with the same 100.

Cut, they were the same, and a new customer with two of them (`first_name` and `last_name` of 101 letters, say) could not
be written.
"""

from alembic import op

revision = "0117"
down_revision = "0116"
branch_labels = None
depends_on = None

# As in 0025, but for what becomes of a token that is one plain word.
FUNCTION = r"""
CREATE OR REPLACE FUNCTION customer_words(known text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    parting CONSTANT text := '[!-/:-?\[-`{-~‐-―‘’]+';
    folded text := lower(CASE WHEN octet_length(known) = length(known) THEN known
        ELSE replace(regexp_replace(normalize(known, NFKD), '[\u0300-\u036f]', '', 'g'), chr(160), ' ') END);
    token text;
    parts text[];
    word text;
    found text := '';
BEGIN
    FOREACH token IN ARRAY string_to_array(replace(replace(folded, chr(9), ' '), chr(10), ' '), ' ') LOOP
        CONTINUE WHEN token = '' OR strpos(found || ' ', ' ' || token || ' ') > 0;
        IF token !~ '[^a-z0-9]'@@SHORT@@ THEN
            found := found || ' ' || left(token, 100);
            CONTINUE;
        END IF;
        IF strpos(token, '@') > 0 THEN
            parts := token || regexp_split_to_array(split_part(token, '@', 1), parting);
        ELSIF length(token) = 36 AND substr(token, 9, 1) = '-' AND substr(token, 14, 1) = '-' THEN
            parts := ARRAY[replace(token, '-', '')];
        ELSE
            parts := regexp_replace(token, parting, '', 'g') || regexp_split_to_array(token, parting);
        END IF;
        FOREACH word IN ARRAY parts LOOP
            word := left(word, 100);
            IF word <> '' AND strpos(found || ' ', ' ' || word || ' ') = 0 THEN
                found := found || ' ' || word;
            END IF;
        END LOOP;
    END LOOP;
    RETURN nullif(found, '');
END $$
"""


def _write(short: str) -> None:
    op.get_bind().exec_driver_sql(FUNCTION.replace("@@SHORT@@", short))


def upgrade() -> None:
    # Longer ones take the way of all others, which cuts them before it looks whether they are there.
    _write(" AND length(token) <= 100")


def downgrade() -> None:
    _write("")
