"""Households: the list, a household's page, suggested ones, and the API."""

from app.blueprints.households import api, members, pages, suggested  # noqa: F401 (they add their views)
from app.blueprints.households.base import blueprint

BLUEPRINTS = (blueprint, api.api)
