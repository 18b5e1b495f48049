"""Devices that asked for notifications, on the page every message leads to: where they listen, their owner's yes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from app.customers import consents, contact_points
from app.customers.consents import Proof, State, Word
from app.customers.contact_points import CONFIRMED, HasAlready
from app.events.capture_lock import lock_tenant
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.http import RefusedUrl, check_url
from app.messaging import accounts, outbox, web_push
from app.messaging.double_opt_in import reader_of
from app.messaging.tokens import PreferencesLink
from app.messaging.web_push import BadSubscription

PUSH = "PUSH"
WORDING = "Get notifications on this device"
BY_READER = "customer"
MAX_DEVICES = 10
"""So many devices a reader may have: whoever has a link of theirs can add to them."""


def key_for_browsers(*, tenant_id: UUID) -> str | None:
    """Return the key by which browsers know the organisation, or None where it sends no notifications."""
    account = accounts.of(tenant_id=tenant_id, channel_name=PUSH)
    if account.carrier == accounts.NOBODY or account.secret is None:
        return None
    return web_push.public_key(account.secret)


def add(
    *,
    link: PreferencesLink,
    given: str,
    ip: str | None = None,
    user_agent: str | None = None,
    now: datetime | None = None,
) -> None:
    """Take in the subscription a reader's browser gave (JSON), and their yes to notifications, with its proof.

    A device that is known already counts once; of more than MAX_DEVICES the oldest goes. Raises Invalid where it is no
    subscription, BadToken where there is no such reader (any more).
    """
    moment = now or clock.now()
    point = _point(given)
    tenant_id = link.tenant_id
    with transaction(tenant_id) as session:
        lock_tenant(session, tenant_id)
        customer_id = reader_of(tenant_id, link.customer_id)
        try:
            with session.begin_nested():
                contact_points.add(
                    session,
                    tenant_id,
                    customer_id,
                    kind="push",
                    value=point,
                    source=BY_READER,
                    verified=(moment, CONFIRMED),
                    preferred_at=moment,
                    actor=BY_READER,
                    now=moment,
                )
        except HasAlready:
            contact_points.confirmed(session, tenant_id, customer_id, kind="push", key=point, now=moment)
        contact_points.keep_latest(
            session, tenant_id, customer_id, kind="push", source=BY_READER, most=MAX_DEVICES, actor=BY_READER
        )
        evidence: dict[str, Any] = {
            "message_id": str(link.message_id),
            "ip": ip,
            "user_agent": (user_agent or "")[:300],
        }
        consents.record(
            tenant_id=tenant_id,
            customer_id=customer_id,
            words=[Word(PUSH, State.SUBSCRIBED)],
            proof=Proof(BY_READER, "preference_page", wording=WORDING, evidence=evidence),
            now=moment,
        )
        outbox.recheck(tenant_id=tenant_id, customer_ids=[customer_id], now=moment)


def _point(given: str) -> str:
    """Return the contact point that a browser's subscription is, or raise Invalid."""
    try:
        said = orjson.loads(given)
        keys = said["keys"] if isinstance(said, Mapping) else {}
        found = web_push.read(f"{said['endpoint']}|{keys['p256dh']}|{keys['auth']}")
        check_url(found.endpoint)
    except (orjson.JSONDecodeError, KeyError, TypeError, BadSubscription, RefusedUrl):
        raise Invalid({"subscription": "This is no subscription of a browser’s."}) from None
    return str(found)
