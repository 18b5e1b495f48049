"""The one way out: whoever wants something sent puts it here, in the transaction that made it necessary.

The key of a message says what is intended ("this enrollment's third step"), so an intention that is put in twice is
one message.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text

from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.ids import new_id, new_ids
from app.infra.queue import Work, wake
from app.messaging.channel import EMAIL, channel
from app.messaging.states import Priority, Purpose, Reason

PUT_MANY = text("""
    INSERT INTO message (tenant_id, id, channel, purpose, customer_id, to_address, template_id, topic_id, context,
                         journey_id, enrollment_id, step_key, priority, expires_at, one_copy, dedupe_key, due_at,
                         created_at)
    SELECT :tenant_id, entry.id, :channel, :purpose, entry.customer_id,
           CASE CAST(:field AS text) WHEN 'email' THEN customer.email WHEN 'phone' THEN customer.phone END,
           :template_id,
           coalesce(CAST(:topic_id AS uuid),
                    (SELECT topic_id FROM template WHERE tenant_id = :tenant_id AND id = :template_id),
                    CAST(:else_topic_id AS uuid)),
           coalesce(CAST(entry.context AS jsonb), '{}'), :journey_id,
           entry.enrollment_id, :step_key, :priority, :expires_at, :one_copy, entry.dedupe_key, :due_at, :now
    FROM unnest(CAST(:ids AS uuid[]), CAST(:customer_ids AS uuid[]), CAST(:dedupe_keys AS text[]),
                CAST(:contexts AS text[]), CAST(:enrollment_ids AS uuid[]))
        AS entry(id, customer_id, dedupe_key, context, enrollment_id)
    JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = entry.customer_id
    ON CONFLICT (tenant_id, dedupe_key) DO NOTHING
    RETURNING id, dedupe_key
""")

PUT_LETTERS = text("""
    INSERT INTO message (tenant_id, channel, purpose, customer_id, to_address, builtin, context, priority, dedupe_key,
                         due_at, created_at)
    SELECT :tenant_id, :channel, :purpose, entry.customer_id, entry.to_address, :builtin, '{}', :priority,
           entry.dedupe_key, :now, :now
    FROM unnest(CAST(:customer_ids AS uuid[]), CAST(:addresses AS text[]), CAST(:dedupe_keys AS text[]))
        AS entry(customer_id, to_address, dedupe_key)
    ON CONFLICT (tenant_id, dedupe_key) DO NOTHING
""")

FIND_BY_KEY = text("""
    SELECT id, dedupe_key FROM message
    WHERE tenant_id = :tenant_id AND dedupe_key = ANY(CAST(:dedupe_keys AS text[]))
""")

PUT_ONE = text("""
    INSERT INTO message (tenant_id, id, channel, purpose, customer_id, user_id, to_address, template_id, builtin,
                         context, priority, dedupe_key, due_at, created_at)
    VALUES (:tenant_id, :id, :channel, :purpose, :customer_id, :user_id, :to_address, :template_id, :builtin,
            CAST(:context AS jsonb), :priority, :dedupe_key, :now, :now)
    ON CONFLICT (tenant_id, dedupe_key) DO NOTHING
    RETURNING id
""")

MAKE_DUE = text("""
    UPDATE message SET due_at = :now
    WHERE tenant_id = :tenant_id AND status = 'held' AND reason = :reason
      AND (CAST(:customer_ids AS uuid[]) IS NULL OR customer_id = ANY(CAST(:customer_ids AS uuid[])))
      AND (CAST(:journey_id AS uuid) IS NULL OR journey_id = :journey_id)
""")


def put(
    *,
    tenant_id: UUID,
    template_id: UUID,
    customer_ids: Sequence[UUID],
    dedupe_keys: Sequence[str],
    contexts: Sequence[Mapping[str, Any]] | None = None,
    enrollment_ids: Sequence[UUID] | None = None,
    journey_id: UUID | None = None,
    step_key: str | None = None,
    channel_name: str = EMAIL,
    topic_id: UUID | None = None,
    else_topic_id: UUID | None = None,
    purpose: Purpose = Purpose.MARKETING,
    due_at: datetime | None = None,
    expires_at: datetime | None = None,
    one_copy: bool = False,
    now: datetime | None = None,
) -> dict[str, UUID]:
    """Put one message for each customer into the outbox and return the message ids by dedupe key.

    `topic_id` says which topic's consent is asked for; without it the template's topic is, if it has one, else
    `else_topic_id`; without any the channel's answer decides. After `expires_at` it is not sent any more. With
    `one_copy` an address gets one of the step's messages within a day, whoever shares it. The sequences run side by
    side. A key that was put in before is left as it is, and its old message's id returned. A customer who does not
    exist gets none, and its key is missing from the answer. The senders are woken after commit.
    """
    if not customer_ids:
        return {}
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        rows = session.execute(
            PUT_MANY,
            {
                "tenant_id": tenant_id,
                "channel": channel_name,
                "field": channel(channel_name).customer_field,
                "purpose": purpose,
                "template_id": template_id,
                "topic_id": topic_id,
                "else_topic_id": else_topic_id,
                "journey_id": journey_id,
                "step_key": step_key,
                "priority": Priority.TRANSACTIONAL if purpose is Purpose.TRANSACTIONAL else Priority.JOURNEY,
                "ids": array(new_ids(len(customer_ids))),
                "customer_ids": array(customer_ids),
                "dedupe_keys": array(dedupe_keys),
                "contexts": array(orjson.dumps(context, default=str).decode() for context in contexts or ()),
                "enrollment_ids": array(enrollment_ids or ()),
                "due_at": due_at or moment,
                "expires_at": expires_at,
                "one_copy": one_copy,
                "now": moment,
            },
        )
        made = {row.dedupe_key: row.id for row in rows}
        missing = [key for key in dedupe_keys if key not in made]
        if missing:
            old = session.execute(FIND_BY_KEY, {"tenant_id": tenant_id, "dedupe_keys": missing})
            made.update({row.dedupe_key: row.id for row in old})
        wake(Work.SEND_MESSAGES, tenant_id)
    return made


def put_one(
    *,
    tenant_id: UUID,
    to_address: str,
    dedupe_key: str,
    builtin: str | None = None,
    template_id: UUID | None = None,
    user_id: UUID | None = None,
    customer_id: UUID | None = None,
    context: Mapping[str, Any] | None = None,
    channel_name: str = EMAIL,
    now: datetime | None = None,
) -> UUID:
    """Put one transactional message to one address into the outbox and return its id.

    It is a user's or, with `customer_id`, a customer's: then it goes to where they are reached when it is sent.
    `builtin` names a letter of app.messaging.letters, made when it is sent, so that no secret lies here; `context`
    holds values for a template, or ids for a letter. A key that was put in before returns the old message's id.
    """
    message_id = new_id()
    with transaction(tenant_id) as session:
        made = session.execute(
            PUT_ONE,
            {
                "tenant_id": tenant_id,
                "id": message_id,
                "channel": channel_name,
                "purpose": Purpose.TRANSACTIONAL,
                "customer_id": customer_id,
                "user_id": user_id,
                "to_address": to_address,
                "template_id": template_id,
                "builtin": builtin,
                "context": orjson.dumps(context or {}, default=str).decode(),
                "priority": Priority.TRANSACTIONAL,
                "dedupe_key": dedupe_key,
                "now": now or clock.now(),
            },
        ).first()
        if made is None:
            old = session.execute(FIND_BY_KEY, {"tenant_id": tenant_id, "dedupe_keys": [dedupe_key]}).one()
            return UUID(str(old.id))
        wake(Work.SEND_MESSAGES, tenant_id)
    return message_id


def put_letters(
    *, tenant_id: UUID, builtin: str, letters: Sequence[tuple[UUID, str, str]], now: datetime | None = None
) -> None:
    """Put one of our own letters to many customers into the outbox: (customer, address, dedupe key) of each."""
    if not letters:
        return
    with transaction(tenant_id) as session:
        session.execute(
            PUT_LETTERS,
            {
                "tenant_id": tenant_id,
                "channel": EMAIL,
                "purpose": Purpose.TRANSACTIONAL,
                "builtin": builtin,
                "customer_ids": array(customer_id for customer_id, _, _ in letters),
                "addresses": array(address for _, address, _ in letters),
                "dedupe_keys": array(key for _, _, key in letters),
                "priority": Priority.TRANSACTIONAL,
                "now": now or clock.now(),
            },
        )
        wake(Work.SEND_MESSAGES, tenant_id)


def recheck(*, tenant_id: UUID, customer_ids: Sequence[UUID], now: datetime | None = None) -> None:
    """Make the customers' messages that wait for consent due at once: called when a consent has changed."""
    if customer_ids:
        _make_due(tenant_id, Reason.AWAITING_CONSENT, list(customer_ids), now)


def events_processed(*, tenant_id: UUID, now: datetime | None = None) -> None:
    """Make the messages that wait for accepted events due at once: called when none is left to process."""
    look_again(tenant_id=tenant_id, reason=Reason.EVENTS_PENDING, now=now)


def look_again(*, tenant_id: UUID, reason: Reason, journey_id: UUID | None = None, now: datetime | None = None) -> None:
    """Make messages that are held for a reason due at once: called when what was said about it has changed.

    All of the tenant's, or with `journey_id` those of one journey.
    """
    _make_due(tenant_id, reason, None, now, journey_id)


def _make_due(
    tenant_id: UUID,
    reason: Reason,
    customer_ids: list[UUID] | None,
    now: datetime | None,
    journey_id: UUID | None = None,
) -> None:
    asked = {"tenant_id": tenant_id, "reason": reason, "customer_ids": customer_ids, "journey_id": journey_id}
    with transaction(tenant_id) as session:
        found = session.execute(MAKE_DUE, {**asked, "now": now or clock.now()})
        if found.rowcount:  # type: ignore[attr-defined]
            wake(Work.SEND_MESSAGES, tenant_id)
