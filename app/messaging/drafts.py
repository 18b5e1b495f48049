"""Messages tried on those who write them, as they stand in an editor: what is in the outbox names no saved template.

What is said lies in the message itself, and is rendered by what sends, filled in as its preview is.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.content import queries as templates
from app.content.kind import kind_of
from app.content.letters import LetterSource
from app.events.places import places
from app.infra.db import transaction
from app.infra.ids import as_id, new_id
from app.messaging import outbox
from app.messaging.channel import channel

DRAFT = "draft"
SHOWN_FOR = "preview_customer_id"
PREFIX = "[Test]"
NO_SUBJECT = "No test was sent. The subject is empty for whom it is shown: give its merge tags defaults."
_NUMBERED = ("phone", "whatsapp")


def address(*, tenant_id: UUID, channel_name: str, typed: str) -> str | None:
    """Return where a message on a channel goes by what somebody typed, None where it is no such address.

    A number may be written as it is dialled in one of the clubs' countries.
    """
    if kind_of(channel_name).point in _NUMBERED:
        with transaction(tenant_id) as session:
            typed = places(session, tenant_id).phone_key(typed, None) or typed
    return channel(channel_name).clean_address(typed)


def key_of(*, user_id: UUID, once: str | None) -> str:
    """Return the key of a user's test: the same for each press of a button that was drawn with `once`."""
    return f"test:{user_id}:{as_id(once) or new_id()}"


def put(
    *,
    tenant_id: UUID,
    user_id: UUID,
    channel_name: str,
    content: Mapping[str, Any],
    to_address: str,
    customer_id: UUID | None,
    dedupe_key: str,
) -> UUID:
    """Put what stands in an editor (`content.preview.settled`) into the outbox as a test of a user's, and return its
    id; it is filled in for a customer, or for the one made up for previews."""
    said = {name: content.get(name) for name in templates.CONTENT}
    context: dict[str, Any] = {DRAFT: said}
    if customer_id is not None:
        context[SHOWN_FOR] = str(customer_id)
    return outbox.put_one(
        tenant_id=tenant_id,
        to_address=to_address,
        user_id=user_id,
        channel_name=channel_name,
        dedupe_key=dedupe_key,
        context=context,
    )


def source_of(row: Mapping[str, Any]) -> LetterSource | None:
    """Return what a claimed message says itself, None where it says what a template does."""
    if row["template_id"] is not None or row["user_id"] is None:
        return None
    said = row["context"].get(DRAFT)
    return templates.source_of(said, row["channel"]) if said else None
