"""Signing in, one's own account, and the settings of an organisation: users, clubs, API keys."""

from app.blueprints.accounts import (  # noqa: F401 (they add their views)
    api,
    closures,
    clubs_api,
    entry,
    keys,
    me,
    organisation,
    users,
)
from app.blueprints.accounts.blueprint import blueprint

BLUEPRINTS = (blueprint, api.api, clubs_api.api)
