"""What events say of topics: `contactPreference.updated` that names one speaks of it, and of no channel as a whole.

Of two words about one topic and channel the one said later holds, whenever it came in; of the same moment the stricter.
A yes by e-mail to a topic with double opt-in is `pending` until the mailbox confirms it, unless it holds already.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture.claimed import Claimed
from app.customers.consent_merge import RANK
from app.infra.arrays import array

_TOPICS = text("SELECT id, key, name, double_opt_in FROM topic WHERE tenant_id = :tenant_id ORDER BY id")
_HELD = text("""
    SELECT customer_id, topic_id FROM consent
    WHERE tenant_id = :tenant_id AND channel = 'EMAIL' AND state = 'subscribed' AND topic_id IS NOT NULL
        AND customer_id = ANY(cast(:ids AS uuid[]))
""")
_PROVE = text("""
    INSERT INTO consent_change (tenant_id, customer_id, channel, topic_id, opted_in, state, changed_at, source, how,
                                address, evidence)
    SELECT :tenant_id, r.customer_id, r.channel, r.topic_id, r.state = 'subscribed', r.state, r.said_at, r.source,
        'event', r.address, r.evidence
    FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(customer_id uuid, channel text, topic_id uuid, state text,
        said_at timestamptz, source text, address text, evidence jsonb)
""")
_KEEP = f"""
    INSERT INTO consent AS held (tenant_id, customer_id, channel, topic_id, state, said_at, address)
    SELECT DISTINCT ON (customer_id, channel, topic_id)
        :tenant_id, customer_id, channel, topic_id, state, said_at, address
    FROM said ORDER BY customer_id, channel, topic_id, said_at DESC, {RANK.format("state")} DESC
    ON CONFLICT (tenant_id, customer_id, channel, topic_id) DO UPDATE
    SET state = excluded.state, said_at = excluded.said_at, address = excluded.address
    WHERE excluded.said_at > held.said_at OR (excluded.said_at = held.said_at
        AND {RANK.format("excluded.state")} > {RANK.format("held.state")})
    RETURNING customer_id
"""  # noqa: S608 - the names are ours
_HEAR = text(f"""
    WITH said AS (
        SELECT * FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(customer_id uuid, channel text, topic_id uuid,
            state text, said_at timestamptz, address text)
    ) {_KEEP}
""")  # noqa: S608 - the names are ours
# Events that prove to have been somebody else's: what they said goes with them, and what was said before holds again.
_GONE = """
    r AS (SELECT * FROM unnest(cast(:events AS uuid[]), cast(:owners AS uuid[])) AS m(event_id, owner)),
    gone AS (
        SELECT c.id, c.customer_id, c.channel, c.topic_id, c.state, c.changed_at, c.address, r.owner
        FROM consent_change c JOIN r ON c.evidence ->> 'event_row' = cast(r.event_id AS text)
        WHERE c.tenant_id = :tenant_id AND c.customer_id = ANY(cast(:before AS uuid[])) AND c.topic_id IS NOT NULL
            AND c.how = 'event' AND c.customer_id <> r.owner
    )
"""
_TAKE_BACK = text(f"""
    WITH {_GONE}, held AS (
        SELECT h.id, h.customer_id, h.channel, h.topic_id FROM consent h JOIN gone
            ON gone.customer_id = h.customer_id AND gone.channel = h.channel AND gone.topic_id = h.topic_id
                AND gone.changed_at = h.said_at AND gone.state = h.state
        WHERE h.tenant_id = :tenant_id
    ), earlier AS (
        SELECT DISTINCT ON (held.id) held.id, c.state, c.changed_at, c.address
        FROM held JOIN consent_change c ON c.tenant_id = :tenant_id AND c.customer_id = held.customer_id
            AND c.channel = held.channel AND c.topic_id = held.topic_id AND c.id NOT IN (SELECT id FROM gone)
        ORDER BY held.id, c.changed_at DESC, {RANK.format("c.state")} DESC
    ), back AS (
        UPDATE consent h SET state = earlier.state, said_at = earlier.changed_at, address = earlier.address
        FROM earlier WHERE h.tenant_id = :tenant_id AND h.id = earlier.id
    )
    DELETE FROM consent h USING held
    WHERE h.tenant_id = :tenant_id AND h.id = held.id AND held.id NOT IN (SELECT id FROM earlier)
""")  # noqa: S608 - the names are ours
_GIVE = text(f"""
    WITH {_GONE}, said AS (
        SELECT owner AS customer_id, channel, topic_id, state, changed_at AS said_at, address FROM gone
    ) {_KEEP}
""")  # noqa: S608 - the names are ours


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
    asked = {"tenant_id": tenant_id, "ids": array({owner for _, owner, _ in speaking})}
    held = {(row.customer_id, row.topic_id) for row in session.execute(_HELD, asked)}
    rows = [
        _word(one, owner, topic_id, channel, "subscribed" if yes else "unsubscribed", confirm=is_strict)
        if (owner, topic_id) not in held
        else _word(one, owner, topic_id, channel, "subscribed" if yes else "unsubscribed")
        for one, owner, named in speaking
        for topic_id, is_strict in dict(known[name.casefold()] for name in named if name.casefold() in known).items()
        for channel, yes in _answers(one)
    ]
    if not rows:
        return set()
    dumped = {"tenant_id": tenant_id, "rows": orjson.dumps(rows).decode()}
    session.execute(_PROVE, dumped)
    return set(session.scalars(_HEAR, dumped))


def move(session: Session, tenant_id: UUID, moves: Mapping[UUID, UUID], before: Iterable[UUID]) -> None:
    """Let what events said of topics go with them to their owners; their proofs are still with those before them."""
    values = {
        "tenant_id": tenant_id,
        "events": array(moves),
        "owners": array(moves.values()),
        "before": array(before),
    }
    session.execute(_GIVE, values)
    session.execute(_TAKE_BACK, values)


def _known(session: Session, tenant_id: UUID) -> dict[str, tuple[UUID, bool]]:
    """Return the topics, and whether each is confirmed from the mailbox, by name, key and id."""
    rows = session.execute(_TOPICS, {"tenant_id": tenant_id}).all()
    found: dict[str, tuple[UUID, bool]] = {}
    # A key goes before a name that reads like it.
    for words in (lambda row: row.name, lambda row: row.key, lambda row: str(row.id)):
        found |= {words(row).casefold(): (row.id, row.double_opt_in) for row in rows}
    return found


def _answers(event: Claimed) -> Iterable[tuple[str, bool]]:
    for consent in event.type.consents:
        yes = consent.read(event.payload)
        if yes is not None:
            yield consent.channel, yes


def _word(
    event: Claimed, owner: UUID, topic_id: UUID, channel: str, state: str, *, confirm: bool = False
) -> dict[str, Any]:
    said_at: datetime = event.occurred_at
    return {
        "customer_id": owner,
        "channel": channel,
        "topic_id": topic_id,
        "state": "pending" if confirm and channel == "EMAIL" and state == "subscribed" else state,
        "said_at": said_at,
        "source": event.source,
        "address": dict(event.evidence.points).get("email" if channel == "EMAIL" else "phone"),
        "evidence": {
            "event_row": event.id,
            "event": event.evidence.key.partition("\x1f")[2],
            "payload": event.payload,
        },
    }
