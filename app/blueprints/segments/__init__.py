"""Segments: what is done with them over the API."""

from app.blueprints.segments import api

BLUEPRINTS = (api.api,)
