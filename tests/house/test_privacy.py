"""Whoever adds a table or column says what it holds of a person, and what becomes of it when they are erased."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.infra import queue
from app.infra.db import Base, transaction
from app.infra.queue import Work
from app.privacy.registry import BY_NAME, REDIS, TABLES, AtErase

_CATALOG = text("""
    SELECT table_name, column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name <> 'alembic_version'
""")


def catalog() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    with transaction(None) as session:
        for row in session.execute(_CATALOG):
            found.setdefault(row.table_name, {})[row.column_name] = row.data_type
    return found


def test_every_table_and_column_is_accounted_for() -> None:
    """A new one has to be entered into app/privacy/registry.py."""
    there = catalog()
    assert set(there) == set(BY_NAME)
    for table in TABLES:
        expected = set(there[table.name]) | {"tenant_id"}
        assert table.columns | {"tenant_id"} == expected, f"app/privacy/registry.py, {table.name}"


def test_no_column_is_accounted_for_twice() -> None:
    for table in TABLES:
        listed = [*table.of, *table.own, *table.words, *table.addresses, *table.ids, *table.plain]
        assert len(listed) == len(set(listed)), table.name
        assert not set(listed) & {table.through[0]} if table.through else True


def test_every_reference_to_a_customer_leads_to_them() -> None:
    """A table with a foreign key to a customer, or a column named for one, says whose its rows are."""
    for name, model in Base.metadata.tables.items():
        table = BY_NAME[name]
        for column in model.columns:
            leads = any(key.column.table.name == "customer" and key.column.name == "id" for key in column.foreign_keys)
            if leads or (column.name == "customer_id" and name != "privacy_request"):
                assert column.name in (*table.of, *table.ids, *table.blank), f"{name}.{column.name}"


def test_what_stays_says_why() -> None:
    for table in TABLES:
        assert table.holds
        if table.at_erase is not AtErase.DELETE:
            assert table.because, table.name


@pytest.mark.parametrize("table", [one for one in TABLES if one.blank], ids=lambda one: one.name)
def test_what_is_blanked_no_longer_leads_to_anybody(table: object) -> None:
    assert set(table.of) <= set(table.blank)  # type: ignore[attr-defined]


@pytest.mark.parametrize("table", TABLES, ids=lambda one: one.name)
def test_texts_of_a_person_are_never_called_plain(table: object) -> None:
    """Free text and JSON in a table of people's rows is theirs, or is looked through."""
    if not table.is_of_people:  # type: ignore[attr-defined]
        return
    kinds = catalog()[table.name]  # type: ignore[attr-defined]
    assert not {one for one in table.plain if kinds[one] in ("jsonb", "bytea")}  # type: ignore[attr-defined]


def test_redis_holds_nothing_but_what_is_listed(app: Flask, tenant: Any) -> None:
    """A job names a kind of work and a tenant; limits count by addresses of the network."""
    app.test_client().post("/api/v1/auth/login", json={"email": "somebody@mail.example", "password": "wrong wrong"})
    for work in Work:
        if work is not Work.TICK:
            queue.enqueue(work, tenant.id)
            (job,) = queue.queue(work).jobs
            assert list(job.args) == [str(tenant.id)]
            assert job.kwargs == {}
    keys = [key.decode() for key in queue.redis().scan_iter("*")]
    assert keys
    assert not [one for one in keys if not one.startswith(tuple(REDIS))]
    assert not [one for one in keys if "mail.example" in one]
