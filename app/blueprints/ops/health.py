"""/health and /ready for whoever watches the processes, and the API's own description."""

from datetime import timedelta
from typing import Any

from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from flask import Blueprint, Response, current_app
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.infra import queue
from app.infra.db import transaction
from app.infra.heartbeat import silent_for
from app.web.api import ApiBlueprint, respond
from app.web.guards import public
from app.web.openapi import document

blueprint = Blueprint("health", __name__)
documents = ApiBlueprint("openapi_api", __name__)
# Fifteen missed ticks: a scheduler that was killed is back in well under that.
TICK_OVERDUE = timedelta(seconds=15 * queue.TICK_SECONDS)


@blueprint.get("/health")
@public
def health() -> Response:
    """Answer that this process is alive."""
    return respond({"status": "ok"})


@blueprint.get("/ready")
@public
def ready() -> Response:
    """Answer whether everything a request or a job needs is there: 200, or 503 naming what is not."""
    checks = {"database": _database(), "redis": _redis(), "migrations": _migrations(), "scheduler": _scheduler()}
    good = all(state == "ok" for state in checks.values())
    return respond({"status": "ok" if good else "unavailable", "checks": checks}, 200 if good else 503)


@documents.operation("GET", "/openapi.json", permission=None)
def openapi() -> dict[str, Any]:
    """Return this document."""
    return document()


def _database() -> str:
    try:
        with transaction(None) as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return "does not answer"
    return "ok"


def _redis() -> str:
    try:
        queue.redis().ping()
    except RedisError:
        return "does not answer"
    return "ok"


def _migrations() -> str:
    config = AlembicConfig()
    config.set_main_option("script_location", current_app.extensions["migrate"].directory)
    wanted = ScriptDirectory.from_config(config).get_current_head()
    try:
        with transaction(None) as session:
            found = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except SQLAlchemyError:
        return "the database cannot be asked"
    return "ok" if found == wanted else f"the database is at {found}, this code needs {wanted}"


def _scheduler() -> str:
    try:
        silent = silent_for("tick")
    except SQLAlchemyError:
        return "the database cannot be asked"
    if silent is None:
        return "has not ticked yet"
    return "ok" if silent < TICK_OVERDUE else f"last ticked {int(silent.total_seconds())} s ago"
