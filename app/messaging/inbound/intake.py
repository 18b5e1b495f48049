"""Mail that comes in: whose it is by the address we signed, what it says, and what follows from it."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.infra import clock
from app.infra.db import transaction
from app.infra.tokens import BadToken
from app.messaging import feedback, return_address
from app.messaging.feedback import Kind
from app.messaging.inbound import bounces, complaints, replies
from app.messaging.inbound.reading import Mail, read
from app.messaging.return_address import For, Returned
from app.messaging.tokens import UnsubscribeLink
from app.messaging.unsubscribe import How, unsubscribe

log = logging.getLogger(__name__)

MOST_BYTES = 10 * 1024 * 1024
COUNTED = timedelta(days=7)

# Where the address that a mail was delivered to stands, if whoever handed it over does not say.
_RECIPIENTS = ("X-Original-To", "Delivered-To", "Envelope-To", "X-Envelope-To", "X-Forwarded-To", "To", "Cc")


class Outcome(StrEnum):
    """What a mail was taken for."""

    BOUNCED = "bounced"
    ARRIVED = "arrived"
    COMPLAINED = "complained"
    REPLIED = "replied"
    LEFT = "left"
    AUTOMATIC = "automatic"
    UNCLEAR = "unclear"
    FORGED = "forged"
    UNREADABLE = "unreadable"


OUTCOME_WORDS = {
    Outcome.BOUNCED: "Bounces",
    Outcome.ARRIVED: "Confirmed deliveries",
    Outcome.COMPLAINED: "Complaints",
    Outcome.REPLIED: "Replies",
    Outcome.LEFT: "Unsubscribed by mail",
    Outcome.AUTOMATIC: "Automatic answers and notices of delay",
    Outcome.UNCLEAR: "Not understood",
    Outcome.FORGED: "To no address of ours: forged, or spam",
    Outcome.UNREADABLE: "Could not be read",
}
"""The outcomes in words."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a mail was taken for, of which message, and whether it was new."""

    outcome: Outcome
    tenant_id: UUID | None = None
    message_id: UUID | None = None
    new: bool = False


_COUNT = text("""
    INSERT INTO inbound_mail_count (day, outcome, number) VALUES (:day, :outcome, 1)
    ON CONFLICT (day, outcome) DO UPDATE SET number = inbound_mail_count.number + 1
""")
_COUNTS = text("SELECT outcome, sum(number) AS number FROM inbound_mail_count WHERE day >= :since GROUP BY outcome")
_READER = text("SELECT customer_id FROM message WHERE tenant_id = :tenant_id AND id = :id")


def take_in(
    *, source: bytes, recipients: Sequence[str] = (), tenant_id: UUID | None = None, now: datetime | None = None
) -> Taken:
    """Take in one mail, act on what it says, count it, and return what it was taken for.

    `recipients` are the addresses it was delivered to, if known; `tenant_id` the only one whose mail is taken. No mail
    raises, whatever stands in it; a database that can't be reached does, and then the mail may be handed in again.
    """
    now = now or clock.now()
    try:
        taken = _decide(read(source), recipients, tenant_id, now, source)
    except SQLAlchemyError:
        raise
    except Exception:
        # Whatever is wrong with one mail, the others come in.
        log.exception("A mail of %d bytes can't be read", len(source))
        taken = Taken(Outcome.UNREADABLE)
    with transaction(tenant_id) as session:
        session.execute(_COUNT, {"day": now.date(), "outcome": taken.outcome})
    return taken


def counts(*, now: datetime | None = None) -> dict[Outcome, int]:
    """Return how many mails of the last seven days were taken for what, of the whole installation."""
    since: date = ((now or clock.now()) - COUNTED).date()
    with transaction(None) as session:
        found = {row.outcome: int(row.number) for row in session.execute(_COUNTS, {"since": since})}
    return {one: found.get(one, 0) for one in Outcome}


def _decide(mail: Mail, recipients: Sequence[str], tenant_id: UUID | None, now: datetime, source: bytes) -> Taken:
    addressed = _addressed(mail, recipients, tenant_id)
    kind = complaints.feedback(mail)
    if kind is not None:
        return _complaint(mail, kind, addressed, tenant_id, now)
    if not addressed:
        return Taken(Outcome.FORGED)
    whose = addressed[0]
    told = bounces.told_by_status(mail)
    automatic = replies.is_automatic(mail)
    if told is None and (bounces.is_of_a_machine(mail) or (whose.what is For.BOUNCES and not automatic)):
        told = bounces.told_by_words(mail)
    if told is not None:
        return _bounce(whose, told, now)
    if whose.what is For.LEAVING:
        return _leave(whose, now)
    if automatic:
        return _taken(Outcome.AUTOMATIC, whose)
    if bounces.is_of_a_machine(mail):
        return _taken(Outcome.UNCLEAR, whose)
    words = replies.answer(mail)
    mark = mail.header("Message-ID") or hashlib.sha256(source).hexdigest()
    new = _record(whose, Kind.REPLIED, now, detail=words, mark=mark)
    return _taken(Outcome.REPLIED, whose, new)


def _addressed(mail: Mail, recipients: Sequence[str], tenant_id: UUID | None) -> list[Returned]:
    """Return the addresses of ours a mail came to: those it was delivered to, else those in its headers."""
    delivered = return_address.read(" ".join(recipients), tenant_id) if recipients else []
    return delivered or return_address.read(" ".join(mail.headers(*_RECIPIENTS)), tenant_id)


def _complaint(mail: Mail, kind: str, addressed: list[Returned], tenant_id: UUID | None, now: datetime) -> Taken:
    """Take in a provider's report; it comes to where it was asked for, and what it is about stands in it."""
    about = return_address.read(mail.unfolded(), tenant_id) or complaints.by_link(mail) or addressed
    about = [one for one in about if tenant_id in (None, one.tenant_id)]
    if not about:
        return Taken(Outcome.FORGED)
    if kind not in complaints.COMPLAINTS:
        return _taken(Outcome.AUTOMATIC, about[0])
    new = _record(about[0], Kind.COMPLAINED, now, detail=f"Reported as {kind}")
    return _taken(Outcome.COMPLAINED, about[0], new)


def _bounce(whose: Returned, told: bounces.Told, now: datetime) -> Taken:
    if told.bounce is not None:
        new = feedback.record(
            tenant_id=whose.tenant_id,
            message_id=whose.message_id,
            kind=Kind.BOUNCED,
            bounce=told.bounce,
            at=now,
            detail=told.reason,
            now=now,
        )
        return _taken(Outcome.BOUNCED, whose, new)
    if told.arrived:
        return _taken(Outcome.ARRIVED, whose, _record(whose, Kind.DELIVERED, now, detail=told.reason))
    return _taken(Outcome.AUTOMATIC, whose)


def _leave(whose: Returned, now: datetime) -> Taken:
    with transaction(whose.tenant_id) as session:
        reader = session.scalar(_READER, {"tenant_id": whose.tenant_id, "id": whose.message_id})
    if reader is None:
        return _taken(Outcome.LEFT, whose)
    link = UnsubscribeLink(whose.tenant_id, reader, whose.message_id)
    try:
        return _taken(Outcome.LEFT, whose, unsubscribe(link=link, how=How.MAIL, now=now))
    except BadToken:
        return _taken(Outcome.LEFT, whose)


def _record(whose: Returned, kind: Kind, now: datetime, *, detail: str | None, mark: str = "") -> bool:
    return feedback.record(
        tenant_id=whose.tenant_id, message_id=whose.message_id, kind=kind, at=now, detail=detail, mark=mark, now=now
    )


def _taken(outcome: Outcome, whose: Returned, new: bool = False) -> Taken:
    return Taken(outcome, whose.tenant_id, whose.message_id, new)
