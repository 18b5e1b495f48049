"""Topics, consent by topic, fuller proofs of consent, and suppressions that are lifted with a reason."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Every tenant begins with these, however it is made; they can be renamed and archived.
DEFAULT_TOPICS = """
    INSERT INTO topic (tenant_id, key, name, description) VALUES
        ({tenant}, 'news', 'News & offers', 'What is new at the club, and offers for you.'),
        ({tenant}, 'competitions', 'Competitions & events', 'Competitions to enter, results, and social events.'),
        ({tenant}, 'tee-times', 'Tee times', 'Free tee times, reminders to book, and news of the course.')
"""


def for_each_tenant(statement: str) -> str:
    """Return what runs `statement` as each tenant, whose id it may name `one`."""
    return f"""
        DO $$
        DECLARE one uuid; tenants uuid[];
        BEGIN
            SET LOCAL ROLE fairway_dispatch;
            SELECT array_agg(id) INTO tenants FROM tenant;
            SET LOCAL ROLE fairway_app;
            FOREACH one IN ARRAY coalesce(tenants, '{{}}') LOOP
                PERFORM set_config('fairway.tenant_id', one::text, true);
                {statement};
            END LOOP;
            RESET ROLE;
        END $$
    """


def upgrade() -> None:
    op.create_table(
        "topic",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("opt_in_only", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("double_opt_in", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_topic_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_topic")),
        sa.UniqueConstraint("tenant_id", "key", name="uq_topic_key"),
    )
    op.create_index("uq_topic_name", "topic", ["tenant_id", sa.literal_column("lower(name)")], unique=True)
    op.create_table(
        "consent",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("topic_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_consent_tenant_id_customer_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "topic_id"],
            ["topic.tenant_id", "topic.id"],
            name=op.f("fk_consent_tenant_id_topic_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_consent")),
        sa.UniqueConstraint(
            "tenant_id",
            "customer_id",
            "channel",
            "topic_id",
            name="uq_consent_subject",
            postgresql_nulls_not_distinct=True,
        ),
    )
    for table in ("topic", "consent"):
        protect(table)
    op.execute(for_each_tenant(DEFAULT_TOPICS.format(tenant="one")))
    # As the tenant's own rows: the function has no rights but those of who makes the tenant.
    op.execute(f"""
        CREATE FUNCTION default_topics() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            {DEFAULT_TOPICS.format(tenant="NEW.id")};
            RETURN NULL;
        END $$
    """)
    op.execute("CREATE TRIGGER default_topics AFTER INSERT ON tenant FOR EACH ROW EXECUTE FUNCTION default_topics()")
    for column in ("state", "actor", "wording"):
        op.add_column("consent_change", sa.Column(column, sa.Text(), nullable=True))
    for table, on_delete in (("consent_change", "CASCADE"), ("message", None), ("template", None)):
        op.add_column(table, sa.Column("topic_id", sa.Uuid(), nullable=True))
        op.create_foreign_key(
            f"fk_{table}_tenant_id_topic_id",
            table,
            "topic",
            ["tenant_id", "topic_id"],
            ["tenant_id", "id"],
            ondelete=on_delete,
            postgresql_not_valid=True,
        )
    for column in ("added_by", "lifted_by", "lift_reason"):
        op.add_column("suppression", sa.Column(column, sa.Text(), nullable=True))
    op.add_column("suppression", sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_suppression_search",
        "suppression",
        ["tenant_id", "address_key"],
        postgresql_ops={"address_key": "text_pattern_ops"},
    )


def downgrade() -> None:
    # The last version knows no lifted ones: they would stop mail again.
    op.execute(for_each_tenant("DELETE FROM suppression WHERE lifted_at IS NOT NULL"))
    op.drop_index("ix_suppression_search", table_name="suppression")
    for column in ("lifted_at", "added_by", "lifted_by", "lift_reason"):
        op.drop_column("suppression", column)
    for table in ("consent_change", "message", "template"):
        op.drop_column(table, "topic_id")
    for column in ("state", "actor", "wording"):
        op.drop_column("consent_change", column)
    op.execute("DROP TRIGGER default_topics ON tenant")
    op.execute("DROP FUNCTION default_topics()")
    op.drop_table("consent")
    op.drop_table("topic")
