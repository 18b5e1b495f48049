"""Templates: the list, the editor, each template's pages; and all of it over the API."""

from app.blueprints.content import acts, api, editing, history, pages
from app.blueprints.content.base import blueprint

VIEWS = (pages, editing, history, acts)
BLUEPRINTS = (blueprint, api.blueprint)
