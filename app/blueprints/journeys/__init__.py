"""Journeys: the list, the builder, the people inside."""

from app.blueprints.journeys import (
    api,
    api_versions,
    builder,
    pages,
    people,
    publishing,
    rehearsal_api,
    rehearsals,
    together,
    versions,
)
from app.blueprints.journeys.base import blueprint

VIEWS = (pages, builder, people, publishing, rehearsals, rehearsal_api, together, versions)
BLUEPRINTS = (blueprint, api.api, api_versions.api)
