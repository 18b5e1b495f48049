"""The sync log, the catalogue of event types, and the API events come in by."""

from app.blueprints.events import api, pages

BLUEPRINTS = (pages.blueprint, api.api)
