"""Imports: files of customers and visits, over the API and on pages."""

from app.blueprints.imports import api, pages, wizard  # noqa: F401 (they add their views)
from app.blueprints.imports.base import blueprint

BLUEPRINTS = (api.api, blueprint)
