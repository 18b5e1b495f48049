"""Exports and erasures: how far they are, and the files."""

from app.blueprints.privacy import api, pages

BLUEPRINTS = (pages.blueprint, api.api)
