"""The start page."""

from app.blueprints.home import pages

BLUEPRINTS = (pages.blueprint,)
