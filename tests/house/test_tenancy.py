"""Law 5, asked of the database itself: a tenant's table that is not protected fails here, whoever adds it."""

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import app.factory  # noqa: F401 - all rooms' tables
from app.infra.db import Base, db, transaction

# Tables that belong to no tenant, and why.
SHARED = {"heartbeat": "signs of life of processes", "inbound_mail_count": "how many mails came in"}


def tenant_tables() -> list[str]:
    return sorted(name for name in Base.metadata.tables if name not in SHARED and name != "tenant")


@pytest.mark.parametrize("table", [*tenant_tables(), "tenant"])
def test_every_tenant_table_forces_row_level_security(table: str) -> None:
    with transaction(None) as session:
        found = session.execute(
            text("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = CAST(:t AS regclass)"),
            {"t": table},
        ).one()
        policies = session.execute(
            text("SELECT policyname, cmd, qual, with_check, roles FROM pg_policies WHERE tablename = :t"), {"t": table}
        ).all()
    assert tuple(found) == (True, True)
    writing = [one for one in policies if one.cmd == "ALL"]
    assert len(writing) == 1
    assert "fairway.tenant_id" in writing[0].qual
    assert writing[0].qual == writing[0].with_check
    # What else is let through may only be read: the dispatcher's columns, and the sign-in's one address.
    assert {one.cmd for one in policies} <= {"ALL", "SELECT"}


@pytest.mark.parametrize("table", tenant_tables())
def test_every_tenant_table_is_keyed_by_tenant_first(table: str) -> None:
    assert next(column.name for column in Base.metadata.tables[table].primary_key) == "tenant_id"


@pytest.mark.parametrize("table", tenant_tables())
def test_foreign_keys_carry_the_tenant(table: str) -> None:
    for key in Base.metadata.tables[table].foreign_key_constraints:
        assert "tenant_id" in key.column_keys, f"{key.name} could point into another tenant"


@pytest.mark.parametrize("table", tenant_tables())
def test_unique_keys_do_not_tell_of_other_tenants(table: str) -> None:
    unique = [tuple(column.name for column in one.columns) for one in Base.metadata.tables[table].indexes if one.unique]
    for columns in unique:
        assert columns[0] == "tenant_id"


def test_the_serving_role_owns_nothing_and_bypasses_nothing() -> None:
    with transaction(None) as session:
        role = session.execute(
            text("SELECT current_user AS name, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        ).one()
        owned = session.execute(
            text("SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = current_user")
        ).scalar()
    assert (role.name, role.rolsuper, role.rolbypassrls) == ("fairway_app", False, False)
    assert owned == 0


@pytest.mark.parametrize("table", tenant_tables())
def test_without_a_tenant_nothing_is_seen(table: str, tenant: object) -> None:
    with transaction(None) as session:
        session.execute(text("SELECT set_config('fairway.tenant_id', '', true)"))
        assert session.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0


@pytest.mark.committed
def test_a_row_of_another_tenant_cannot_be_written(real_db: str) -> None:
    from tests.conftest import make_tenant

    mine, other = make_tenant("Mine"), make_tenant("Other")
    with pytest.raises(DBAPIError, match="row-level security"), transaction(mine.id) as session:
        session.execute(
            text("INSERT INTO customer (tenant_id, first_name) VALUES (:other, 'Intruder')"), {"other": other.id}
        )


@pytest.mark.committed
def test_a_foreign_key_cannot_reach_another_tenant(real_db: str) -> None:
    from tests.conftest import make_tenant

    mine, other = make_tenant("Mine"), make_tenant("Other")
    with transaction(other.id) as session:
        club = session.execute(text("SELECT id FROM club")).scalar_one()
    with pytest.raises(DBAPIError, match="fk_customer"), transaction(mine.id) as session:
        session.execute(
            text("INSERT INTO customer (tenant_id, club_id) VALUES (:mine, :club)"), {"mine": mine.id, "club": club}
        )


@pytest.mark.committed
def test_a_pooled_connection_forgets_its_tenant(app: Flask, real_db: str) -> None:
    from tests.conftest import make_tenant

    mine = make_tenant("Mine")
    with transaction(mine.id) as session:
        assert session.execute(text("SELECT count(*) FROM club")).scalar() == 1
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM club")).scalar() == 0


@pytest.mark.committed
def test_the_dispatcher_sees_due_work_and_nothing_of_it(real_db: str) -> None:
    from app.infra.db import dispatching

    with dispatching() as session:
        session.execute(text("SELECT tenant_id, status, due_at FROM message"))
    for query in (
        "SELECT to_address FROM message",
        "SELECT name FROM tenant",
        "SELECT * FROM customer",
        "SELECT payload FROM inbound_event",
    ):
        with pytest.raises(DBAPIError, match="permission denied"), dispatching() as session:
            session.execute(text(query))
