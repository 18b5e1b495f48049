"""Builds the application: settings, database, rooms' registries, pages, API, commands."""

from flask import Flask
from flask_migrate import Migrate

from app.infra.config import Config, load
from app.infra.db import db, serving_url
from app.infra.logging import configure as configure_logging

# Every module with tables: importing it is what tells the metadata (and so migrations) about them.
MODELS = (
    "app.infra.heartbeat",
    "app.accounts.models",
    "app.events.models",
    "app.customers.models",
    "app.content.models",
    "app.messaging.models",
    "app.journeys.models",
    "app.mailbox.models",
)
MAX_BODY_BYTES = 5 * 1024 * 1024


def create_app(config: Config | None = None) -> Flask:
    """Return the application, ready to serve; settings come from the environment unless given."""
    config = config or load()
    configure_logging(config)
    app = Flask("app", static_folder="static", template_folder="templates")
    app.config.update(
        SECRET_KEY=config.secret_key,
        SQLALCHEMY_DATABASE_URI=serving_url(config.database_url),
        SQLALCHEMY_ENGINE_OPTIONS={
            "pool_pre_ping": True,
            "pool_size": 10,
            "max_overflow": 10,
            "pool_timeout": 10,
        },
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        SESSION_COOKIE_NAME="fairway",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.public_url.startswith("https://"),
        WTF_CSRF_TIME_LIMIT=None,
        DEBUG=False,
        TESTING=config.env == "test",
    )
    _load_models()
    db.init_app(app)
    Migrate(app, db, directory="migrations")
    return app


def _load_models() -> None:
    import importlib

    for name in MODELS:
        importlib.import_module(name)
