"""What customers are found by, as rows: their words and their tags, kept in step by the database.

Nothing is written yet for the customers who are there; the next migration does that, in batches. Whatever is written
from now on, by code of this version or the one before, has its rows (docs/adr/0008).
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# What parts words: ASCII punctuation but "@", and the dashes and quotes of word processors. app/customers/search.py has
# the same.
PARTING = r"[!-/:-?\[-`{-~‐-―‘’]+"

# The words of a text that holds names, addresses, numbers and ids: without accents, in small letters, cut to 100.
# O'Brien-Müller is found by o, brien, muller and obrienmuller; an address by itself and by what stands before its @;
# a UUID by itself, without dashes. Each word has a space before it, so that ' mul' finds whoever has one that begins so.
# A loop of plain expressions, since each query in it, and each regular expression, would take as long as all the rest.
WORDS = rf"""
CREATE FUNCTION customer_words(known text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    parting CONSTANT text := '{PARTING}';
    folded text := lower(CASE WHEN octet_length(known) = length(known) THEN known
        ELSE replace(regexp_replace(normalize(known, NFKD), '[\u0300-\u036f]', '', 'g'), chr(160), ' ') END);
    token text;
    parts text[];
    word text;
    found text := '';
BEGIN
    FOREACH token IN ARRAY string_to_array(replace(replace(folded, chr(9), ' '), chr(10), ' '), ' ') LOOP
        CONTINUE WHEN token = '' OR strpos(found || ' ', ' ' || token || ' ') > 0;
        IF token !~ '[^a-z0-9]' THEN
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

BEFORE = """
CREATE FUNCTION customer_find_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.words := customer_words(
        concat_ws(' ', NEW.last_name, NEW.first_name, NEW.email, ltrim(NEW.phone, '+'), NEW.search_extra)
    );
    RETURN NEW;
END $$
"""
# The rows of words. Beside the words of names stand all words of the customer, as far as 200 letters: they put the rows
# in the order of a list, and tell who has two words without a look at the customer. Numbers and ids, which few have in
# common, do without. An address is found by the words before its @.
ROWS = """
CREATE FUNCTION customer_word_rows(text) RETURNS TABLE (word text, words text) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT w, CASE WHEN w ~ '[0-9]' THEN '' ELSE left($1, 200) END
    FROM string_to_table(ltrim($1), ' ') AS w WHERE strpos(w, '@') = 0
$$
"""
# A new customer has nothing to compare with: all of a statement's are written at once, in the order of the index.
INSERTED = """
CREATE FUNCTION customer_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO customer_word (tenant_id, word, words, customer_id)
    SELECT c.tenant_id, w.word, w.words, c.id FROM made c, customer_word_rows(c.words) AS w
    ORDER BY w.word COLLATE "C";
    INSERT INTO customer_tag (tenant_id, tag, sort_name, customer_id)
    SELECT DISTINCT c.tenant_id, t.tag, c.sort_name, c.id FROM made c, unnest(c.tags) AS t(tag);
    RETURN NULL;
END $$
"""
# Row by row, for Postgres tells a statement's trigger nothing of the columns: it would read every customer who was seen.
UPDATED = """
CREATE FUNCTION customer_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.words IS DISTINCT FROM NEW.words THEN
        DELETE FROM customer_word w USING (
            SELECT * FROM customer_word_rows(OLD.words) EXCEPT SELECT * FROM customer_word_rows(NEW.words)
        ) AS had WHERE w.tenant_id = NEW.tenant_id AND w.word = had.word AND w.words = had.words
            AND w.customer_id = NEW.id;
        INSERT INTO customer_word (tenant_id, word, words, customer_id)
        SELECT NEW.tenant_id, has.word, has.words, NEW.id FROM (
            SELECT * FROM customer_word_rows(NEW.words) EXCEPT SELECT * FROM customer_word_rows(OLD.words)
        ) AS has ON CONFLICT DO NOTHING;
    END IF;
    IF (OLD.tags, OLD.sort_name) IS DISTINCT FROM (NEW.tags, NEW.sort_name) THEN
        DELETE FROM customer_tag t WHERE t.tenant_id = NEW.tenant_id AND t.tag = ANY(OLD.tags)
            AND t.sort_name = OLD.sort_name AND t.customer_id = NEW.id
            AND (t.tag <> ALL(NEW.tags) OR OLD.sort_name <> NEW.sort_name);
        INSERT INTO customer_tag (tenant_id, tag, sort_name, customer_id)
        SELECT NEW.tenant_id, t.tag, NEW.sort_name, NEW.id FROM unnest(NEW.tags) AS t(tag)
        WHERE t.tag <> ALL(OLD.tags) OR OLD.sort_name <> NEW.sort_name
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$
"""
DELETED = """
CREATE FUNCTION customer_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM customer_word w USING gone c, customer_word_rows(c.words) AS had
    WHERE w.tenant_id = c.tenant_id AND w.word = had.word AND w.words = had.words AND w.customer_id = c.id;
    DELETE FROM customer_tag t USING gone c, unnest(c.tags) AS had(tag)
    WHERE t.tenant_id = c.tenant_id AND t.tag = had.tag AND t.sort_name = c.sort_name AND t.customer_id = c.id;
    RETURN NULL;
END $$
"""
NAMED = "first_name, last_name, email, phone, search_extra"
# Each fires only where something it looks at has changed: what most events change costs nothing.
TRIGGERS = {
    "customer_find_words_insert": "BEFORE INSERT ON customer FOR EACH ROW EXECUTE FUNCTION customer_find_words()",
    "customer_find_words_update": f"BEFORE UPDATE OF {NAMED}, words ON customer FOR EACH ROW WHEN ("
    "(OLD.first_name, OLD.last_name, OLD.email, OLD.phone, OLD.search_extra, OLD.words) IS DISTINCT FROM"
    " (NEW.first_name, NEW.last_name, NEW.email, NEW.phone, NEW.search_extra, NEW.words)"
    ") EXECUTE FUNCTION customer_find_words()",
    "customer_inserted": "AFTER INSERT ON customer REFERENCING NEW TABLE AS made"
    " FOR EACH STATEMENT EXECUTE FUNCTION customer_inserted()",
    "customer_updated": f"AFTER UPDATE OF {NAMED}, words, tags ON customer FOR EACH ROW"
    " WHEN ((OLD.words, OLD.tags, OLD.sort_name) IS DISTINCT FROM (NEW.words, NEW.tags, NEW.sort_name))"
    " EXECUTE FUNCTION customer_updated()",
    "customer_deleted": "AFTER DELETE ON customer REFERENCING OLD TABLE AS gone"
    " FOR EACH STATEMENT EXECUTE FUNCTION customer_deleted()",
}
FUNCTIONS = ("customer_find_words", "customer_inserted", "customer_updated", "customer_deleted")


def upgrade() -> None:
    op.add_column("customer", sa.Column("words", sa.Text(), nullable=True))
    for table, column, beside in (
        ("customer_word", "word", sa.Column("words", sa.Text(collation="C"), nullable=False)),
        ("customer_tag", "tag", sa.Column("sort_name", sa.Text(), nullable=False)),
    ):
        op.create_table(
            table,
            sa.Column("tenant_id", sa.Uuid(), nullable=False),
            sa.Column(column, sa.Text(collation="C"), nullable=False),
            beside,
            sa.Column("customer_id", sa.Uuid(), nullable=False),
            sa.PrimaryKeyConstraint("tenant_id", column, beside.name, "customer_id", name=f"pk_{table}"),
        )
        protect(table)
    for function in (WORDS, BEFORE, ROWS, INSERTED, UPDATED, DELETED):
        op.execute(sa.text(function.replace(":", r"\:")))
    for name, does in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {does}")


def downgrade() -> None:
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON customer")
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}()")
    op.execute("DROP FUNCTION customer_word_rows(text)")
    op.execute("DROP FUNCTION customer_words(text)")
    op.drop_table("customer_tag")
    op.drop_table("customer_word")
    op.drop_column("customer", "words")
