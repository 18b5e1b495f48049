"""Conditions: what may be asked of customers and of events, over the API."""

from app.blueprints.conditions import api

BLUEPRINTS = (api.api,)
