"""Conditions: the one form they are asked by, wherever they are (`docs/ui.md`), and their catalogue over the API."""

from app.blueprints.conditions import api, views
from app.blueprints.conditions.asked import Asked, asked_of, of_customers, of_event, of_walks
from app.blueprints.conditions.base import blueprint
from app.blueprints.conditions.drawing import Builder, draw
from app.blueprints.conditions.form import Posted, read

VIEWS = (views,)
BLUEPRINTS = (blueprint, api.api)

__all__ = [
    "BLUEPRINTS",
    "VIEWS",
    "Asked",
    "Builder",
    "Posted",
    "asked_of",
    "draw",
    "of_customers",
    "of_event",
    "of_walks",
    "read",
]
