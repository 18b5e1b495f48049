"""Where a segment is pushed to, over the API and on its page."""

from app.blueprints.segment_sync import api, pages

BLUEPRINTS = (pages.blueprint, api.api)
