"""Customers: the list, each customer's page, and the API."""

from app.blueprints.customers import api, notes, notes_api, notices, pages  # noqa: F401 (they add their views)
from app.blueprints.customers.base import blueprint

BLUEPRINTS = (blueprint, notices.blueprint, api.api)
