"""Migrations say what the models say, and can be taken back."""

import os
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import create_engine

from app.infra.config import load
from app.infra.db import Base, driver_url

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
def test_migrations_can_be_taken_back_and_run_again(app: Flask, real_db: str) -> None:
    load.cache_clear()
    assert os.environ["DATABASE_URL"] == real_db
    downgrade(directory=MIGRATIONS, revision="base")
    upgrade(directory=MIGRATIONS)
    load.cache_clear()
    assert differences(real_db) == []
