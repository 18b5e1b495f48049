"""Templates: the list, the editor, each template's pages; and all of it over the API."""

from app.blueprints.content import (
    acts,
    api,
    editing,
    history,
    images,
    images_api,
    links,
    pages,
    snippets,
    snippets_api,
)
from app.blueprints.content.base import blueprint

VIEWS = (pages, editing, history, acts, links, snippets, snippets_api, images_api)
BLUEPRINTS = (blueprint, api.blueprint, images.shown)
