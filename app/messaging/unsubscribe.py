"""The way out: one request and no mail follows. What it changed is proven, and can be taken back by the reader."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.customers.facts import WEAK, moment
from app.events import log
from app.events.validation import OWN_SOURCE
from app.infra import clock
from app.infra.db import transaction
from app.infra.ids import new_id
from app.infra.tokens import BadToken
from app.messaging import outbox
from app.messaging.tokens import UnsubscribeLink


class How(StrEnum):
    """By which door a reader changed their mind."""

    ONE_CLICK = "one_click"
    MAIL = "unsubscribe_mail"
    PAGE = "unsubscribe_page"
    PAGE_UNDO = "unsubscribe_page_undo"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a link's reader stands with e-mail; `may_undo`: the last word was an unsubscribe by such a link.

    `sender` is the reader's club, or the organisation of one without.
    """

    sender: str
    organisation: str
    address: str | None
    opted_in: bool | None
    may_undo: bool


# The message whose link it was; what is counted is that it made somebody go, whatever they say later.
MARK = text("""
    UPDATE message SET unsubscribed_at = :now
    WHERE tenant_id = :tenant_id AND id = :message_id AND unsubscribed_at IS NULL
""")

# A profile that was merged away is followed to the one that took its place. The event below leaves a second proof when
# it is applied; the first one, with its door, is the one to go by.
READER = text("""
    SELECT customer.id, customer.email, customer.email_opt_in, tenant.name AS organisation,
           coalesce(club.name, tenant.name) AS sender,
           EXISTS (SELECT FROM consent WHERE consent.tenant_id = customer.tenant_id
                     AND consent.customer_id = customer.id AND consent.channel = 'EMAIL'
                     AND consent.topic_id IS NOT NULL AND consent.state <> 'unsubscribed'
                     AND consent.said_at > customer.email_opt_in_at) AS made_exceptions,
           customer.facts_at ->> 'email_opt_in' AS mark,
           last.how AS last_how, last.evidence ->> 'was' AS last_was
    FROM customer AS named
    JOIN customer ON customer.tenant_id = named.tenant_id AND customer.id = coalesce(named.merged_into_id, named.id)
    JOIN tenant ON tenant.id = customer.tenant_id
    LEFT JOIN club ON club.tenant_id = customer.tenant_id AND club.id = customer.club_id
    LEFT JOIN LATERAL (
        SELECT change.how, change.evidence FROM consent_change AS change
        WHERE change.tenant_id = customer.tenant_id AND change.customer_id = customer.id
          AND change.channel = 'EMAIL' AND NOT (change.source = 'fairway' AND change.how = 'event')
        ORDER BY change.changed_at DESC, change.id DESC LIMIT 1
    ) AS last ON true
    WHERE named.tenant_id = :tenant_id AND named.id = :customer_id
""")
LOCK = text("SELECT FROM customer WHERE tenant_id = :tenant_id AND id = :customer_id FOR NO KEY UPDATE")

# facts_at keeps an event with an older word, which comes late, from undoing this one.
CHANGE = text("""
    UPDATE customer
    SET email_opt_in = :opted_in, email_opt_in_at = :now, updated_at = :now,
        facts_at = customer.facts_at || jsonb_build_object('email_opt_in', CAST(:mark AS text))
    WHERE tenant_id = :tenant_id AND id = :customer_id
""")
PROVE = text("""
    INSERT INTO consent_change (tenant_id, customer_id, channel, opted_in, state, changed_at, source, how, address,
                                evidence)
    VALUES (:tenant_id, :customer_id, 'EMAIL', :opted_in, CASE WHEN :opted_in THEN 'subscribed' ELSE 'unsubscribed' END,
            :now, 'customer', :how, :address, CAST(:evidence AS jsonb))
""")


def standing(*, link: UnsubscribeLink) -> Standing:
    """Return how the reader of a link stands now, or raise BadToken when there is no such reader (any more)."""
    with transaction(link.tenant_id) as session:
        reader = _reader(session, link)
        return Standing(
            sender=reader.sender,
            organisation=reader.organisation,
            address=reader.email,
            opted_in=False if _is_out(reader) else reader.email_opt_in or None,
            may_undo=_may_undo(reader),
        )


def unsubscribe(
    *,
    link: UnsubscribeLink,
    how: How,
    ip: str | None = None,
    user_agent: str | None = None,
    now: datetime | None = None,
) -> bool:
    """Take the link's reader off e-mail; return whether that changed anything. A repeat changes nothing."""
    with transaction(link.tenant_id) as session:
        reader = _reader(session, link, lock=True)
        if _is_out(reader):
            return False
        _change(session, link, reader, False, how, ip, user_agent, now or clock.now())
        return True


def undo(
    *, link: UnsubscribeLink, ip: str | None = None, user_agent: str | None = None, now: datetime | None = None
) -> bool:
    """Take an unsubscribe back; return whether that changed anything.

    Only what such a link did can be taken back by it: a no that was said elsewhere stays.
    """
    with transaction(link.tenant_id) as session:
        reader = _reader(session, link, lock=True)
        if not _may_undo(reader):
            return False
        _change(session, link, reader, True, How.PAGE_UNDO, ip, user_agent, now or clock.now())
        return True


def _is_out(reader: Any) -> bool:
    """Return whether e-mail is off altogether: a yes to a topic that was said after the no is an exception to it."""
    return reader.email_opt_in is False and not reader.made_exceptions


def _may_undo(reader: Any) -> bool:
    """Whoever had said no to all but some topics gets no yes to everything by taking back the last word."""
    return _is_out(reader) and reader.last_how in (How.ONE_CLICK, How.MAIL, How.PAGE) and reader.last_was != "false"


def _reader(session: Session, link: UnsubscribeLink, *, lock: bool = False) -> Any:
    values = {"tenant_id": link.tenant_id, "customer_id": link.customer_id}
    found = session.execute(READER, values).first()
    if found is not None and lock:
        session.execute(LOCK, {**values, "customer_id": found.id})
        found = session.execute(READER, values).first()
    if found is None:
        raise BadToken
    return found


def _change(
    session: Session,
    link: UnsubscribeLink,
    reader: Any,
    opted_in: bool,
    how: How,
    ip: str | None,
    user_agent: str | None,
    now: datetime,
) -> None:
    """Change the consent, prove it, and let timeline and triggers know by an event of our own."""
    evidence = {
        "message_id": str(link.message_id),
        "ip": ip,
        "user_agent": (user_agent or "")[:300],
        "was": reader.email_opt_in,
    }
    values = {"tenant_id": link.tenant_id, "customer_id": reader.id, "opted_in": opted_in, "now": now}
    session.execute(CHANGE, {**values, "mark": _mark(reader.mark, now)})
    session.execute(PROVE, {**values, "how": how, "address": reader.email, "evidence": orjson.dumps(evidence).decode()})
    event = {
        "id": f"consent:{new_id()}",
        "type": "contactPreference.updated" if opted_in else "message.unsubscribed",
        "source": OWN_SOURCE,
        "timestamp": now.isoformat(),
        "identity": {"customer_id": str(reader.id)},
        "payload": {"email_opt_in": opted_in, "how": how.value, "message_id": str(link.message_id)},
    }
    log.append(tenant_id=link.tenant_id, events=[event], own=True, now=now)
    if not opted_in:
        session.execute(MARK, {"tenant_id": link.tenant_id, "message_id": link.message_id, "now": now})
    outbox.recheck(tenant_id=link.tenant_id, customer_ids=[UUID(str(reader.id))], now=now)


def _mark(before: str | None, now: datetime) -> str:
    """Return when this was said, as facts_at keeps it: not before what it replaces, whose clock may run ahead."""
    said = moment(now)
    return max(said, before) if before and not before.startswith(WEAK) else said
