"""Journeys: the list, the builder, the people inside."""

from app.blueprints.journeys import api, builder, pages, people, rehearsal_api, rehearsals
from app.blueprints.journeys.base import blueprint

VIEWS = (pages, builder, people, rehearsals, rehearsal_api)
BLUEPRINTS = (blueprint, api.api)
