"""Imports: files of customers and visits, over the API and on pages."""

from app.blueprints.imports import api, pages

BLUEPRINTS = (api.api, pages.blueprint)
