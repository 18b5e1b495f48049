"""Segments: the list, each segment's pages, what is done with one; and all of it over the API."""

from app.blueprints.segments import acts, api, editing, insight, pages, people, why
from app.blueprints.segments.base import blueprint

VIEWS = (pages, editing, people, insight, why, acts)
BLUEPRINTS = (blueprint, api.api)
