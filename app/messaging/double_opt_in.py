"""Double opt-in: a yes that somebody else recorded is pending until it was confirmed from the mailbox.

This is the door by which staff and machines record consent; what readers say by their own links needs no second word.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts.queries import known_as, tenant_info
from app.customers import consents, contact_points
from app.customers.consents import Line, Proof, Standing, State, Word, standing
from app.customers.queries import NoSuchCustomer, customer
from app.events.addresses import email_key
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import Conflict
from app.infra.ids import new_id
from app.infra.tokens import BadToken
from app.messaging import outbox
from app.messaging.channel import EMAIL, channel
from app.messaging.suppression import held
from app.messaging.tokens import ConfirmLink

LATELY = timedelta(days=7)
"""Who said yes longer ago gets no mail for it now: a history that is loaded asks nobody."""
# What an event said last, unless a no to the channel or the stop of everything came after it.
_ASKABLE = text("""
    SELECT DISTINCT ON (c.customer_id) c.customer_id, c.id, c.said_at, who.email
    FROM consent c JOIN customer who ON who.tenant_id = c.tenant_id AND who.id = c.customer_id
    WHERE c.tenant_id = :tenant_id AND c.customer_id = ANY(CAST(:ids AS uuid[])) AND c.channel = 'EMAIL'
        AND c.state = 'pending' AND c.topic_id IS NOT NULL AND c.said_at >= :since AND who.email IS NOT NULL
        AND EXISTS (
            SELECT FROM consent_change p
            WHERE p.tenant_id = c.tenant_id AND p.customer_id = c.customer_id AND p.channel = 'EMAIL'
                AND p.topic_id = c.topic_id AND p.changed_at = c.said_at AND p.how = 'event')
        AND NOT (who.email_opt_in IS FALSE AND coalesce(who.email_opt_in_at, 'infinity') >= c.said_at)
        AND NOT EXISTS (
            SELECT FROM consent stop
            WHERE stop.tenant_id = c.tenant_id AND stop.customer_id = c.customer_id AND stop.channel = 'ALL'
                AND stop.topic_id IS NULL AND stop.state = 'unsubscribed')
    ORDER BY c.customer_id, c.said_at DESC, c.id
""")


class CannotAsk(Conflict):
    """No confirmation can be asked for: there is nowhere to send the mail, or nobody wants it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the reader of a confirmation link is asked: `topics` by name, empty when nothing is left to confirm.

    `sender` is the reader's club, or the organisation of one without.
    """

    sender: str
    organisation: str
    address: str
    topics: tuple[str, ...]


def awaited(known: Standing, channel_name: str) -> list[Line]:
    """Return what a customer has still to confirm on a channel; nothing while the global stop holds."""
    lines = [one for one in known.lines if one.channel == channel_name and one.comes_to is State.PENDING]
    # Topics that only wait for the channel's own answer go with it.
    return [one for one in lines if one.state is State.PENDING]


def record(
    *,
    tenant_id: UUID,
    customer_id: UUID,
    words: Sequence[Word],
    proof: Proof,
    at: datetime | None = None,
    now: datetime | None = None,
) -> frozenset[Word]:
    """Record what a customer said to others, and send the mail that asks for confirmation where one is needed.

    A yes by e-mail to a topic with double opt-in becomes `pending`, unless it holds already. Returns the words that
    changed something. Raises what `consents.record` does, and CannotAsk.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        changed = consents.record(
            tenant_id=tenant_id,
            customer_id=customer_id,
            words=words,
            proof=proof,
            at=at,
            to_confirm=True,
            now=moment,
        )
        known = standing(tenant_id=tenant_id, customer_id=customer_id)
        if any(_waits(known, word) for word in words):
            if known.stopped_at is not None:
                raise CannotAsk("This customer asked for no news at all. Lift that first, if they told you to.")
            if awaited(known, EMAIL):
                _ask(tenant_id, customer_id, moment)
        outbox.recheck(tenant_id=tenant_id, customer_ids=[customer_id], now=moment)
        session.flush()
    return changed


def _waits(known: Standing, word: Word) -> bool:
    """Return whether a yes that was just recorded waits for its confirmation."""
    return (
        word.channel == EMAIL
        and word.state is not State.UNSUBSCRIBED
        and known.line(EMAIL, word.topic_id).state is State.PENDING
    )


def _ask(tenant_id: UUID, customer_id: UUID, now: datetime) -> None:
    address = customer(tenant_id=tenant_id, customer_id=customer_id).email
    cleaned = channel(EMAIL).clean_address(address) if address else None
    if address is None or cleaned is None:
        raise CannotAsk("There is no e-mail address to send the confirmation to. Add one first.")
    key = channel(EMAIL).address_key(address)
    if stop := held(tenant_id=tenant_id, addresses=[(EMAIL, key)]).get((EMAIL, key)):
        reason = stop.reason.replace("_", " ")
        raise CannotAsk(f"The address is on the suppression list ({reason}), so no mail goes there.")
    outbox.put_one(
        tenant_id=tenant_id,
        to_address=address,
        dedupe_key=f"confirm:{new_id()}",
        builtin="confirm_consent",
        customer_id=customer_id,
        now=now,
    )


def ask_those_told_of(*, tenant_id: UUID, customer_ids: Collection[UUID], now: datetime) -> None:
    """Send the mail that asks for confirmation to those of whom an event told a yes lately that is still pending.

    One mail for a yes, however often this is called; none to an address that is suppressed or none at all.
    """
    if not customer_ids:
        return
    values = {"tenant_id": tenant_id, "ids": array(customer_ids), "since": now - LATELY}
    with transaction(tenant_id) as session:
        rows = [row for row in session.execute(_ASKABLE, values) if channel(EMAIL).clean_address(row.email)]
        keys = {row.customer_id: channel(EMAIL).address_key(row.email) for row in rows}
        stopped = held(tenant_id=tenant_id, addresses=[(EMAIL, key) for key in keys.values()])
        letters = [
            (row.customer_id, row.email, f"confirm:{row.id}:{row.said_at.isoformat()}")
            for row in rows
            if (EMAIL, keys[row.customer_id]) not in stopped
        ]
        outbox.put_letters(tenant_id=tenant_id, builtin="confirm_consent", letters=letters, now=now)


def waiting(*, link: ConfirmLink) -> Waiting:
    """Return what the reader of a link may confirm, or raise BadToken when there is no such reader (any more)."""
    customer_id = reader_of(link.tenant_id, link.customer_id)
    lines = _confirmable(link, customer_id)
    reader = customer(tenant_id=link.tenant_id, customer_id=customer_id)
    return Waiting(
        sender=known_as(tenant_id=link.tenant_id, club_id=reader.club_id),
        organisation=tenant_info(tenant_id=link.tenant_id).name,
        address=link.address,
        topics=tuple(line.topic.name if line.topic else "News by e-mail" for line in lines),
    )


def confirm(
    *, link: ConfirmLink, ip: str | None = None, user_agent: str | None = None, now: datetime | None = None
) -> bool:
    """Make what waits for the reader's word a yes; return whether there was anything. A repeat changes nothing.

    What was withdrawn meanwhile stays withdrawn, and a link that went to another address than today's does nothing.
    """
    moment = now or clock.now()
    with transaction(link.tenant_id) as session:
        customer_id = held_reader(session, link.tenant_id, link.customer_id)
        words = [
            Word(EMAIL, State.SUBSCRIBED, line.topic.id if line.topic else None)
            for line in _confirmable(link, customer_id)
        ]
        if not words:
            return False
        evidence = {"ip": ip, "user_agent": (user_agent or "")[:300]}
        proof = Proof("customer", "double_opt_in", address=link.address, evidence=evidence)
        consents.record(tenant_id=link.tenant_id, customer_id=customer_id, words=words, proof=proof, now=moment)
        key = email_key(link.address)
        if key is not None:
            contact_points.confirmed(session, link.tenant_id, customer_id, kind="email", key=key, now=moment)
        outbox.recheck(tenant_id=link.tenant_id, customer_ids=[customer_id], now=moment)
    return True


_LOCK = text("SELECT FROM customer WHERE tenant_id = :tenant_id AND id = :id FOR NO KEY UPDATE")
_READER = text("SELECT coalesce(merged_into_id, id) AS id FROM customer WHERE tenant_id = :tenant_id AND id = :id")


def reader_of(tenant_id: UUID, customer_id: UUID) -> UUID:
    """Return whom a link of this customer leads to now, or raise BadToken when they are gone."""
    with transaction(tenant_id) as session:
        found = session.execute(_READER, {"tenant_id": tenant_id, "id": customer_id}).first()
    if found is None:
        raise BadToken
    return UUID(str(found.id))


def held_reader(session: Session, tenant_id: UUID, customer_id: UUID) -> UUID:
    """Return whom a link leads to as `reader_of` does, and let nobody change them until the open transaction ends."""
    held_one = None
    # Their profile may become part of another while it is waited for.
    while (found := reader_of(tenant_id, customer_id)) != held_one:
        session.execute(_LOCK, {"tenant_id": tenant_id, "id": found})
        held_one = found
    return found


def _confirmable(link: ConfirmLink, customer_id: UUID) -> list[Line]:
    """Return what a link may confirm: a mailbox speaks for the address it is, not for one that came later."""
    try:
        address = customer(tenant_id=link.tenant_id, customer_id=customer_id).email
        known = standing(tenant_id=link.tenant_id, customer_id=customer_id)
    except NoSuchCustomer:
        raise BadToken from None
    same = address is not None and channel(EMAIL).address_key(address) == channel(EMAIL).address_key(link.address)
    return awaited(known, EMAIL) if same else []
