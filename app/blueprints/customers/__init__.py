"""Customers: the list, each customer's page, their tags, and the API."""

from app.blueprints.customers import (  # noqa: F401 (they add their views)
    api,
    consents,
    consents_api,
    contacts,
    contacts_api,
    custom_fields,
    custom_fields_api,
    downloads,
    duplicates,
    merges,
    merges_api,
    notes,
    notes_api,
    notices,
    pages,
    privacy,
    segments,
    tags,
    tags_api,
    tasks,
    topics,
    why,
)
from app.blueprints.customers.base import blueprint

BLUEPRINTS = (
    blueprint,
    notices.blueprint,
    tags.blueprint,
    tasks.blueprint,
    topics.blueprint,
    custom_fields.blueprint,
    api.api,
    consents_api.api,
    merges_api.api,
    tags_api.api,
    custom_fields_api.api,
)
