"""Messages: what went out and what did not, and the addresses that letters lead back to."""

from app.blueprints.messaging import api, pages, tracking, unsubscribe

BLUEPRINTS = (pages.blueprint, api.blueprint, tracking.blueprint, unsubscribe.blueprint)
