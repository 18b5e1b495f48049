"""The audit trail as a list, with its sentences."""

from app.blueprints.audit import api, pages

BLUEPRINTS = (pages.blueprint, api.api)
