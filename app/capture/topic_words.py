"""What events say of topics: `contactPreference.updated` that names one speaks of it, and of no channel as a whole.

Of two words about one topic and channel the one said later holds, whenever it came in; of the same moment the stricter.
A yes by e-mail to a topic with double opt-in is `pending` until the mailbox confirms it, unless it holds already.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture.claimed import Claimed
from app.customers import consent_rows
from app.customers.consent_rows import STRICTNESS, SUBSCRIBED, UNSUBSCRIBED, Rule, Said

_TOPICS = text("SELECT id, key, name FROM topic WHERE tenant_id = :tenant_id ORDER BY id")


def hear(session: Session, tenant_id: UUID, fresh: Sequence[tuple[Claimed, UUID]]) -> set[UUID]:
    """Write what the events, each with its customer, say of topics; return of whom something is other than before.

    A topic that the tenant does not have says nothing.
    """
    speaking = [
        (one, owner, named) for one, owner in fresh if one.type.topics and (named := one.type.named_topics(one.payload))
    ]
    if not speaking:
        return set()
    known = _known(session, tenant_id)
    said = [
        _word(one, owner, topic_id, channel, yes)
        for one, owner, named in speaking
        for topic_id in dict.fromkeys(known[name.casefold()] for name in named if name.casefold() in known)
        for channel, yes in _answers(one)
    ]
    said.sort(key=lambda one: (one.said_at, STRICTNESS.index(one.state)))
    heard = consent_rows.say(session, tenant_id, said, Rule.DATED)
    return {one.customer_id for one, became in zip(said, heard, strict=True) if became.holds}


def _known(session: Session, tenant_id: UUID) -> dict[str, UUID]:
    """Return the topics by name, key and id."""
    rows = session.execute(_TOPICS, {"tenant_id": tenant_id}).all()
    found: dict[str, UUID] = {}
    # A key goes before a name that reads like it.
    for words in (lambda row: row.name, lambda row: row.key, lambda row: str(row.id)):
        found |= {words(row).casefold(): row.id for row in rows}
    return found


def _answers(event: Claimed) -> Iterable[tuple[str, bool]]:
    for consent in event.type.consents:
        yes = consent.read(event.payload)
        if yes is not None:
            yield consent.channel, yes


def _word(event: Claimed, owner: UUID, topic_id: UUID, channel: str, yes: bool) -> Said:
    return Said(
        owner,
        channel,
        topic_id,
        SUBSCRIBED if yes else UNSUBSCRIBED,
        event.occurred_at,
        dict(event.evidence.points).get("email" if channel == "EMAIL" else "phone"),
        event.source,
        "event",
        evidence={
            "event_row": event.id,
            "event": event.evidence.key.partition("\x1f")[2],
            "payload": event.payload,
        },
    )
