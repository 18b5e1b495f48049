"""Templates: what is said to customers."""

from app.blueprints.content import api, pages

BLUEPRINTS = (pages.blueprint, api.blueprint)
