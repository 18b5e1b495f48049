"""Customers and all that hangs on them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("customer", "contact_point", "external_id", "customer_merge", "consent_change", "activity", "note")


def upgrade() -> None:
    op.create_table(
        "customer",
        sa.Column("status", sa.Text(), server_default="ACTIVE", nullable=False),
        sa.Column("merged_into_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("last_name", sa.Text(), nullable=True),
        sa.Column(
            "sort_name",
            sa.Text(),
            sa.Computed(
                "CASE WHEN coalesce(last_name, first_name) IS NULL THEN '2' ELSE '1' END || "
                "lower(coalesce(last_name, '') || ' ' || coalesce(first_name, '') || ' ' || coalesce(email, ''))",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("date_of_birth", sa.Date(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("club_id", sa.Uuid(), nullable=True),
        sa.Column("membership_tier", sa.Text(), nullable=True),
        sa.Column("membership_status", sa.Text(), nullable=True),
        sa.Column("joined_on", sa.Date(), nullable=True),
        sa.Column("handicap_index", sa.Numeric(precision=4, scale=1), nullable=True),
        sa.Column("lifecycle_stage", sa.Text(), server_default="SUBSCRIBER", nullable=False),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("email_opt_in", sa.Boolean(), nullable=True),
        sa.Column("email_opt_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sms_opt_in", sa.Boolean(), nullable=True),
        sa.Column("sms_opt_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("push_opt_in", sa.Boolean(), nullable=True),
        sa.Column("push_opt_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("whatsapp_opt_in", sa.Boolean(), nullable=True),
        sa.Column("whatsapp_opt_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_activity_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_activity_type", sa.Text(), nullable=True),
        sa.Column("last_email_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_email_open_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_email_click_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "facts_at",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "to_tsvector('simple', coalesce(first_name, '') || ' ' || coalesce(last_name, '') || ' ' || coalesce(email, '') || ' ' || coalesce(phone, '') || ' ' || coalesce(search_extra, ''))",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("search_extra", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "club_id"],
            ["club.tenant_id", "club.id"],
            name=op.f("fk_customer_tenant_id_club_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_customer_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_customer")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("ix_customer_name", "customer", ["tenant_id", "sort_name", "id"], unique=False)
    op.create_index("ix_customer_search", "customer", ["search"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_customer_tier",
        "customer",
        ["tenant_id", "membership_tier"],
        unique=False,
        postgresql_where=sa.text("membership_tier IS NOT NULL"),
    )
    op.create_index("ix_customer_tags", "customer", ["tags"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_customer_merged",
        "customer",
        ["tenant_id", "merged_into_id"],
        unique=False,
        postgresql_where=sa.text("merged_into_id IS NOT NULL"),
    )
    op.create_table(
        "activity",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=True),
        sa.Column("object_id", sa.Uuid(), nullable=True),
        sa.Column("club_id", sa.Uuid(), nullable=True),
        sa.Column(
            "payload",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_activity_tenant_id_customer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_activity")),
    )
    op.create_index(
        "ix_activity_timeline",
        "activity",
        ["tenant_id", "customer_id", sa.literal_column("occurred_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "consent_change",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("opted_in", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column(
            "evidence",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_consent_change_tenant_id_customer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_consent_change")),
    )
    op.create_index("ix_consent_change_customer", "consent_change", ["tenant_id", "customer_id"], unique=False)
    op.create_table(
        "contact_point",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_contact_point_tenant_id_customer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_contact_point")),
        sa.UniqueConstraint("tenant_id", "kind", "key", "customer_id", name="uq_contact_point_key"),
    )
    op.create_index("ix_contact_point_customer", "contact_point", ["tenant_id", "customer_id"], unique=False)
    op.create_table(
        "customer_merge",
        sa.Column("winner_id", sa.Uuid(), nullable=False),
        sa.Column("loser_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "detail",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("merged_by", sa.Text(), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "loser_id"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_customer_merge_tenant_id_loser_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "winner_id"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_customer_merge_tenant_id_winner_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_customer_merge")),
    )
    op.create_index("ix_customer_merge_loser", "customer_merge", ["tenant_id", "loser_id"], unique=False)
    op.create_table(
        "external_id",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_external_id_tenant_id_customer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_external_id")),
        sa.UniqueConstraint("tenant_id", "kind", "value", name="uq_external_id_value"),
    )
    op.create_index("ix_external_id_customer", "external_id", ["tenant_id", "customer_id"], unique=False)
    op.create_table(
        "note",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("pinned", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("private", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_note_tenant_id_customer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_note")),
    )
    op.create_index("ix_note_customer", "note", ["tenant_id", "customer_id"], unique=False)

    for table in TABLES:
        protect(table)


def downgrade() -> None:
    op.drop_index("ix_note_customer", table_name="note")
    op.drop_table("note")
    op.drop_index("ix_external_id_customer", table_name="external_id")
    op.drop_table("external_id")
    op.drop_index("ix_customer_merge_loser", table_name="customer_merge")
    op.drop_table("customer_merge")
    op.drop_index("ix_contact_point_customer", table_name="contact_point")
    op.drop_table("contact_point")
    op.drop_index("ix_consent_change_customer", table_name="consent_change")
    op.drop_table("consent_change")
    op.drop_index("ix_activity_timeline", table_name="activity")
    op.drop_table("activity")
    op.drop_index("ix_customer_merged", table_name="customer", postgresql_where=sa.text("merged_into_id IS NOT NULL"))
    op.drop_index("ix_customer_tier", table_name="customer", postgresql_where=sa.text("membership_tier IS NOT NULL"))
    op.drop_index("ix_customer_tags", table_name="customer", postgresql_using="gin")
    op.drop_index("ix_customer_search", table_name="customer", postgresql_using="gin")
    op.drop_index("ix_customer_name", table_name="customer")
    op.drop_table("customer")
