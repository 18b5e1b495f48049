"""Migrations say what the models say, and can be taken back."""

import os
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import create_engine, text

from app.infra.config import load
from app.infra.db import Base, db, driver_url, transaction
from app.journeys import lifecycle, service
from tests.conftest import make_tenant
from tests.journeys.helpers import NOW, admit, journey, people, rows, run, wait

MIGRATIONS = str(Path(__file__).parents[2] / "migrations")


def differences(url: str) -> list[object]:
    engine = create_engine(driver_url(url))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_object": lambda _o, name, kind, *_: not (kind == "table" and name == "alembic_version")},
        )
        found = compare_metadata(context, Base.metadata)
    engine.dispose()
    return list(found)


@pytest.mark.committed
def test_models_and_migrations_agree(real_db: str) -> None:
    assert differences(real_db) == []


@pytest.mark.committed
def test_nobody_waits_for_a_winner_of_which_older_code_knows_nothing(app: Flask, real_db: str) -> None:
    tenants: list[Any] = [make_tenant("Mine"), make_tenant("Other")]
    for tenant in tenants:
        with transaction(tenant.id) as session:
            session.execute(
                text("""
                    INSERT INTO message (tenant_id, channel, purpose, to_address, dedupe_key, status, reason, due_at)
                    SELECT :t, 'EMAIL', 'marketing', 'ann@example.com', reason, 'held', reason, '9999-01-01T00:00Z'
                    FROM unnest(ARRAY['awaiting_winner', 'copy_pending', 'awaiting_consent']) AS reason
                """),
                {"t": tenant.id},
            )
    db.session.remove()
    load.cache_clear()
    downgrade(directory=MIGRATIONS, revision="0070")
    for tenant in tenants:
        with transaction(tenant.id) as session:
            rows = session.execute(
                text("SELECT dedupe_key, status, reason, due_at < now() AS due FROM message ORDER BY dedupe_key")
            ).all()
        assert [tuple(row) for row in rows] == [
            ("awaiting_consent", "held", "awaiting_consent", False),
            ("awaiting_winner", "skipped", "cancelled", False),
            ("copy_pending", "held", "copy_pending", True),
        ]
    db.session.remove()
    upgrade(directory=MIGRATIONS)
    load.cache_clear()


@pytest.mark.committed
def test_keys_of_steps_that_are_gone_are_given_no_more_after_an_upgrade(app: Flask, real_db: str) -> None:
    made: list[dict[str, Any]] = []
    for name in ("Mine", "Other"):
        tenant_id = make_tenant(name).id
        journey = service.create(tenant_id=tenant_id, actor="system", name="Keys")
        on = {"tenant_id": tenant_id, "journey_id": journey.id, "actor": "system"}
        for number in (1, 2, 3):
            assert service.insert_step(**on, type="WAIT", after="trigger")[1] == f"wait_{number}"
        service.delete_step(**on, key="wait_3")
        made.append(on)
    db.session.remove()
    load.cache_clear()
    downgrade(directory=MIGRATIONS, revision="0088")
    upgrade(directory=MIGRATIONS)
    load.cache_clear()
    for on in made:
        assert service.insert_step(**on, type="WAIT", after="trigger")[1] == "wait_4"


@pytest.mark.committed
def test_who_was_coming_back_on_the_clock_is_on_it_for_older_code(app: Flask, real_db: str) -> None:
    stood = []
    for name, then in (("Mine", "goes on"), ("Other", "is paused again")):
        tenant_id = make_tenant(name).id
        made = journey(tenant_id, [wait("w", None, "4 days")])
        on: dict[str, Any] = {"tenant_id": tenant_id, "journey_id": made.id, "actor": "system"}
        admit(tenant_id, made.id, people(tenant_id))
        lifecycle.pause(**on, now=NOW)
        run(tenant_id)
        lifecycle.resume(**on, now=NOW)
        if then == "is paused again":
            lifecycle.pause(**on, now=NOW)
        stood.append((tenant_id, then))
    db.session.remove()
    load.cache_clear()
    downgrade(directory=MIGRATIONS, revision="0106")
    for tenant_id, then in stood:
        assert rows(tenant_id, "SELECT step_key FROM journey_settling") == []
        (row,) = rows(tenant_id, "SELECT due_at IS NOT NULL AS due FROM journey_enrollment")
        assert row.due == (then == "goes on")
    db.session.remove()
    upgrade(directory=MIGRATIONS)
    load.cache_clear()


@pytest.mark.committed
def test_migrations_can_be_taken_back_and_run_again(app: Flask, real_db: str) -> None:
    load.cache_clear()
    assert os.environ["DATABASE_URL"] == real_db
    downgrade(directory=MIGRATIONS, revision="base")
    upgrade(directory=MIGRATIONS)
    load.cache_clear()
    assert differences(real_db) == []
