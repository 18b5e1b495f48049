"""Changing many customers alike."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from app.accounts.models import Tenant
from app.customers import mass_update
from app.customers.models import Customer
from app.infra.db import transaction


def make(tenant_id: UUID, **values: Any) -> UUID:
    with transaction(tenant_id) as session:
        made = Customer(tenant_id=tenant_id, **values)
        session.add(made)
        session.flush()
        return made.id


def read(tenant_id: UUID, customer_id: UUID) -> Any:
    with transaction(tenant_id) as session:
        return session.execute(text("SELECT * FROM customer WHERE id = :id"), {"id": customer_id}).one()


def test_only_those_it_changes_are_written(tenant: Tenant) -> None:
    has, lacks = make(tenant.id, tags=["vip", "a"]), make(tenant.id, tags=["old"])
    change = {"add_tags": ["vip"], "remove_tags": ["old"]}
    assert mass_update.change_all(tenant_id=tenant.id, customer_ids=[has, lacks], **change) == 1
    assert (read(tenant.id, has).tags, read(tenant.id, lacks).tags) == (["vip", "a"], ["vip"])
    assert mass_update.change_all(tenant_id=tenant.id, customer_ids=[has, lacks]) == 0


def test_a_tag_added_and_removed_is_removed(tenant: Tenant) -> None:
    who = make(tenant.id, tags=["a"])
    mass_update.change_all(tenant_id=tenant.id, customer_ids=[who], add_tags=["a", "b"], remove_tags=["a"])
    assert read(tenant.id, who).tags == ["b"]


def test_fields_are_set_and_their_time_is_kept(tenant: Tenant) -> None:
    who = make(tenant.id, title="Dr", first_name="Ann")
    change = {"title": "", "first_name": "Anne", "lifecycle_stage": "MEMBER"}
    assert mass_update.change_all(tenant_id=tenant.id, customer_ids=[who], set_fields=change) == 1
    row = read(tenant.id, who)
    assert (row.title, row.first_name, row.lifecycle_stage) == (None, "Anne", "MEMBER")
    assert set(row.facts_at) == set(change)


@pytest.mark.parametrize(
    "change",
    [
        {"set_fields": {"tenant_id": "x"}},
        {"set_fields": {"email_opt_in": "true"}},
        {"set_fields": {"lifecycle_stage": None}},
        {"set_fields": {"timezone": "Mars"}},
        {"add_tags": [" "]},
        {"remove_tags": ["x" * 61]},
    ],
)
def test_nothing_else_can_be_reached(tenant: Tenant, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"can't be set|no tag"):
        mass_update.change_all(tenant_id=tenant.id, customer_ids=[make(tenant.id)], **change)


def test_customers_of_others_are_out_of_reach(tenant: Tenant, other_tenant: Tenant) -> None:
    theirs = make(other_tenant.id)
    assert mass_update.change_all(tenant_id=tenant.id, customer_ids=[theirs], add_tags=["x"]) == 0
    assert read(other_tenant.id, theirs).tags == []


@pytest.mark.committed
def test_whoever_gains_a_tag_costs_no_look_through_all_rows_of_tags(real_db: str) -> None:
    from tests.conftest import make_tenant

    tenant: Any = make_tenant()
    with transaction(tenant.id) as session:
        session.add_all([Customer(tenant_id=tenant.id) for _ in range(40)])
    # Known to be empty, the table is read from end to end by plans that sessions make now, and keep.
    with psycopg.connect(real_db, autocommit=True) as connection:
        connection.execute("VACUUM customer_tag")
    with transaction(tenant.id) as session:
        ids = list(session.scalars(text("SELECT id FROM customer")))
        mass_update.change_all(tenant_id=tenant.id, customer_ids=ids, add_tags=["vip"])
        read = text("SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'customer_tag'")
        assert session.scalar(read) == 0
        assert session.scalar(text("SELECT count(*) FROM customer_tag")) == 40
