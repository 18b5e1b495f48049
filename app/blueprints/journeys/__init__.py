"""Journeys: the list, the builder, the people inside."""

from app.blueprints.journeys import api, builder, pages, people
from app.blueprints.journeys.base import blueprint

VIEWS = (pages, builder, people)
BLUEPRINTS = (blueprint, api.api)
