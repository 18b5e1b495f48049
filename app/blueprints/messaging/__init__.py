"""Messages: what went out and what did not, and the addresses that letters lead back to."""

from app.blueprints.messaging import (
    api,
    channels,
    hooks,
    inbound_api,
    limits,
    limits_api,
    pages,
    preferences,
    sending,
    sending_api,
    suppressions,
    suppressions_api,
    tracking,
    unsubscribe,
)

BLUEPRINTS = (
    pages.blueprint,
    api.blueprint,
    inbound_api.blueprint,
    suppressions.blueprint,
    suppressions_api.api,
    sending.blueprint,
    sending_api.api,
    limits.blueprint,
    limits_api.api,
    tracking.blueprint,
    unsubscribe.blueprint,
    preferences.blueprint,
    tracking.short,
    channels.blueprint,
    channels.api,
    hooks.blueprint,
)
