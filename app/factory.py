"""Builds the application: settings, database, the rooms' registries, pages, API, commands."""

import importlib
import pkgutil
from datetime import timedelta
from types import ModuleType

from flask import Flask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

from app.infra.config import Config, load
from app.infra.db import db, serving_url
from app.infra.logging import configure as configure_logging
from app.web import bodies, errors, guards, limits, security, shell, uploads

# Every module with tables: importing it is what tells the metadata (and so migrations) about them.
MODELS = (
    "app.infra.heartbeat",
    "app.accounts.models",
    "app.capture.imports.models",
    "app.events.models",
    "app.customers.models",
    "app.customers.household_models",
    "app.content.models",
    "app.messaging.models",
    "app.segments.models",
    "app.segments.sync.models",
    "app.journeys.models",
    "app.mailbox.models",
    "app.privacy.models",
    "app.analytics.models",
)
# A thousand events of the size clubs send are under 1 MB; the limit leaves room and stops a 10 MB body at the door.
MAX_BODY_BYTES = 5 * 1024 * 1024


def create_app(config: Config | None = None) -> Flask:
    """Return the application, ready to serve; settings come from the environment unless given."""
    config = config or load()
    configure_logging(config)
    for name in MODELS:
        importlib.import_module(name)
    app = Flask("app", static_folder="static", template_folder="templates")
    if config.trusted_proxies:
        # Only as many hops as we were told of: what lies beyond is the client's own word about its address.
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    # Merging slashes answers with a redirect to whatever host the request named.
    app.url_map.merge_slashes = False
    _configure(app, config)
    db.init_app(app)
    Migrate(app, db, directory="migrations")
    bodies.install(app)
    uploads.install(app)
    security.install(app)
    limits.install(app, config)
    guards.install(app)
    errors.install(app)
    _register_blueprints(app, config)
    shell.install(app)
    _register_commands(app)
    return app


def _configure(app: Flask, config: Config) -> None:
    app.config.update(
        SECRET_KEY=config.secret_key,
        SECRET_KEY_FALLBACKS=list(config.old_secret_keys),
        SQLALCHEMY_DATABASE_URI=serving_url(config.database_url),
        SQLALCHEMY_ENGINE_OPTIONS={
            "pool_size": 10,
            "max_overflow": 10,
            "pool_timeout": 10,
            # Errors go to the log, and the log names nobody.
            "hide_parameters": True,
            # Nothing is prepared: a prepared statement soon keeps the plan that was good for the first, small batch.
            "connect_args": {"prepare_threshold": None},
        },
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        PERMANENT_SESSION_LIFETIME=timedelta(days=30),
        SESSION_COOKIE_NAME="fairway",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.public_url.startswith("https://"),
        WTF_CSRF_TIME_LIMIT=None,
        # Browsers ask whether they have the present file: a page of one release with scripts of another would not work.
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(0),
        TESTING=config.env == "test",
        FAIRWAY=config,
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True


def _register_blueprints(app: Flask, config: Config) -> None:
    """Register the BLUEPRINTS of every package in app.blueprints; DEVELOPMENT_BLUEPRINTS not in production.

    INSTALL holds functions for what a library brings and is no blueprint of ours.
    """
    for module in _modules("app.blueprints"):
        for blueprint in module.BLUEPRINTS:
            app.register_blueprint(blueprint)
        if not config.is_production:
            for blueprint in getattr(module, "DEVELOPMENT_BLUEPRINTS", ()):
                app.register_blueprint(blueprint)
        for install in getattr(module, "INSTALL", ()):
            install(app, config)


def _register_commands(app: Flask) -> None:
    """Register the COMMANDS of every module in app.cli."""
    for module in _modules("app.cli"):
        for command in getattr(module, "COMMANDS", ()):
            app.cli.add_command(command)


def _modules(package: str) -> list[ModuleType]:
    found = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return [importlib.import_module(f"{package}.{one.name}") for one in sorted(found, key=lambda one: one.name)]
