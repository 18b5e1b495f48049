"""Signing in, one's own account, and the settings of an organisation: users, clubs, API keys."""

from app.blueprints.accounts import api, entry, keys, me, organisation, users  # noqa: F401 (they add their views)
from app.blueprints.accounts.blueprint import blueprint

BLUEPRINTS = (blueprint, api.api)
