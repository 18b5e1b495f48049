"""The one writer of what people said of topics, and of the other words that are rows of `consent`.

Whoever says something, here it comes to one of three rules (`Rule`), under one lock: the rows of the customers, which
everybody who changes them takes in the order of their ids. So what is read stays true until it is written. Beside it
only a merge writes these rows, by its own rule (the stricter holds: `consent_merge`), under the same lock.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.arrays import array

SUBSCRIBED, PENDING, UNSUBSCRIBED = "subscribed", "pending", "unsubscribed"
STRICTNESS = (SUBSCRIBED, PENDING, UNSUBSCRIBED)
"""The states somebody can say, the strictest last: of two of the same moment that one holds."""
RANK = "array_position(ARRAY['subscribed', 'pending', 'unsubscribed'], {})"
"""How strict a state is, in SQL."""
CONFIRMED_BY = "EMAIL"
"""The channel whose mailbox confirms a yes."""

_LOCK = text("""
    SELECT id FROM customer WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id
    FOR NO KEY UPDATE
""")
_CONFIRMED = text("SELECT id FROM topic WHERE tenant_id = :tenant_id AND double_opt_in")
_HELD = text("""
    SELECT c.customer_id, c.channel, c.topic_id, c.state, c.said_at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(customer_id uuid, channel text, topic_id uuid)
    CROSS JOIN LATERAL (
        SELECT x.customer_id, x.channel, x.topic_id, x.state, x.said_at FROM consent x
        WHERE x.tenant_id = :tenant_id AND x.customer_id = r.customer_id AND x.channel = r.channel
            AND x.topic_id IS NOT DISTINCT FROM r.topic_id OFFSET 0
    ) AS c
""")
_KEEP = text("""
    INSERT INTO consent (tenant_id, customer_id, channel, topic_id, state, said_at, address)
    SELECT :tenant_id, r.customer_id, r.channel, r.topic_id, r.state, r.said_at, r.address
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(customer_id uuid, channel text, topic_id uuid, state text,
        said_at timestamptz, address text)
    ON CONFLICT (tenant_id, customer_id, channel, topic_id) DO UPDATE
    SET state = excluded.state, said_at = excluded.said_at, address = excluded.address
""")
_PROVE = text("""
    INSERT INTO consent_change (tenant_id, customer_id, channel, topic_id, opted_in, state, changed_at, source, how,
                                actor, wording, address, evidence)
    SELECT :tenant_id, r.customer_id, r.channel, r.topic_id, r.state = 'subscribed', r.state, r.said_at, r.source,
        r.how, r.actor, r.wording, r.address, r.evidence
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(customer_id uuid, channel text, topic_id uuid, state text,
        said_at timestamptz, source text, how text, actor text, wording text, address text, evidence jsonb)
""")
_GONE = """
    r AS (SELECT * FROM unnest(CAST(:events AS uuid[]), CAST(:owners AS uuid[])) AS m(event_id, owner)),
    gone AS (
        SELECT c.id, c.customer_id, c.channel, c.topic_id, c.state, c.changed_at, c.address, r.owner
        FROM consent_change c JOIN r ON c.evidence ->> 'event_row' = CAST(r.event_id AS text)
        WHERE c.tenant_id = :tenant_id AND c.customer_id = ANY(CAST(:before AS uuid[])) AND c.topic_id IS NOT NULL
            AND c.how = 'event' AND c.customer_id <> r.owner
    )
"""
_GIVEN = text(f"WITH {_GONE} SELECT owner, channel, topic_id, state, changed_at, address FROM gone")  # noqa: S608
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

Subject = tuple[UUID, str, UUID | None]
"""What can be answered once: a customer, a channel, a topic (None: the channel as a whole, or everything)."""


class Rule(StrEnum):
    """What a word holds over.

    `now`: all that was said before. `dated`: what was said before its moment, and at the same moment what is laxer.
    `file`: a yes only where nothing was ever said, a no over all; who imports a file is not asked by anybody.
    """

    NOW = "now"
    DATED = "dated"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody said of a topic on a channel, when, and what proves it (see `consents.Proof`)."""

    customer_id: UUID
    channel: str
    topic_id: UUID | None
    state: str
    said_at: datetime
    address: str | None
    source: str
    how: str
    actor: str | None = None
    wording: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> Subject:
        """Return what it is about."""
        return self.customer_id, self.channel, self.topic_id


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of a word: the state it was taken for, the state `before` (None: nothing was said), if it `holds`."""

    state: str
    before: str | None
    holds: bool

    @property
    def changed(self) -> bool:
        """Return whether anything is other than before."""
        return self.holds and self.before != self.state


@dataclass(slots=True)
class _Answer:
    state: str
    said_at: datetime
    address: str | None = None


def say(
    session: Session, tenant_id: UUID, said: Sequence[Said], rule: Rule, *, to_confirm: bool = True, prove: bool = True
) -> list[Heard]:
    """Record words in their order, with proof, in the open transaction; return what became of each.

    Unless the reader says it by a link of their own (then not `to_confirm`), a yes by e-mail to a topic with double
    opt-in is taken for `pending`, as long as it does not hold already. A word out of a file that changes nothing
    leaves no proof.
    """
    if not said:
        return []
    session.execute(_LOCK, {"tenant_id": tenant_id, "ids": array(sorted({one.customer_id for one in said}))})
    held = _held(session, tenant_id, said)
    confirmed = _confirmed(session, tenant_id, said) if to_confirm else frozenset()
    heard: list[Heard] = []
    proofs: list[Said] = []
    news: dict[Subject, _Answer] = {}
    for one in said:
        before = held.get(one.subject)
        state = one.state
        waits = state == SUBSCRIBED and one.channel == CONFIRMED_BY and one.topic_id in confirmed
        if waits and (before is None or before.state != SUBSCRIBED):
            state = PENDING
        holds = _holds(rule, before, state, one.said_at)
        heard.append(Heard(state, before.state if before else None, holds))
        if holds:
            said_at = max(one.said_at, before.said_at) if before else one.said_at
            held[one.subject] = news[one.subject] = _Answer(state, said_at, one.address)
        if prove and (heard[-1].changed or rule is not Rule.FILE):
            proofs.append(_as(one, state))
    if news:
        rows = [_row(subject, answer) for subject, answer in news.items()]
        session.execute(_KEEP, {"tenant_id": tenant_id, "rows": orjson.dumps(rows).decode()})
    write_proofs(session, tenant_id, proofs)
    return heard


def write_proofs(session: Session, tenant_id: UUID, said: Sequence[Said]) -> None:
    """Keep who said what, when, how and where, in the open transaction."""
    if said:
        session.execute(_PROVE, {"tenant_id": tenant_id, "rows": orjson.dumps([_proof(one) for one in said]).decode()})


def hand_over(session: Session, tenant_id: UUID, moves: Mapping[UUID, UUID], before: Collection[UUID]) -> None:
    """Let what events said of topics go with them: `moves` are their owners by event, `before` who may have them now.

    What was said before holds again for those who had them. Their proofs still have to follow.
    """
    values = {
        "tenant_id": tenant_id,
        "events": array(moves),
        "owners": array(moves.values()),
        "before": array(before),
    }
    given = [
        Said(row.owner, row.channel, row.topic_id, row.state, row.changed_at, row.address, "", "")
        for row in session.execute(_GIVEN, values)
    ]
    if given:
        session.execute(_LOCK, {"tenant_id": tenant_id, "ids": array(sorted({*before, *moves.values()}))})
        in_order = sorted(given, key=lambda one: (one.said_at, STRICTNESS.index(one.state)))
        say(session, tenant_id, in_order, Rule.DATED, to_confirm=False, prove=False)
        session.execute(_TAKE_BACK, values)


def _holds(rule: Rule, before: _Answer | None, state: str, said_at: datetime) -> bool:
    if before is None or rule is Rule.NOW:
        return True
    if rule is Rule.FILE:
        return state == UNSUBSCRIBED and before.state != state
    stricter = STRICTNESS.index(state) > STRICTNESS.index(before.state)
    return said_at > before.said_at or (said_at == before.said_at and stricter)


def _held(session: Session, tenant_id: UUID, said: Sequence[Said]) -> dict[Subject, _Answer]:
    asked = [
        {"customer_id": customer, "channel": channel, "topic_id": topic}
        for customer, channel, topic in dict.fromkeys(one.subject for one in said)
    ]
    rows = session.execute(_HELD, {"tenant_id": tenant_id, "rows": orjson.dumps(asked).decode()})
    return {(row.customer_id, row.channel, row.topic_id): _Answer(row.state, row.said_at) for row in rows}


def _confirmed(session: Session, tenant_id: UUID, said: Sequence[Said]) -> frozenset[UUID]:
    """Return the topics to which a yes by e-mail is confirmed from the mailbox, if any word may be one."""
    if not any(one.state == SUBSCRIBED and one.channel == CONFIRMED_BY and one.topic_id for one in said):
        return frozenset()
    return frozenset(session.scalars(_CONFIRMED, {"tenant_id": tenant_id}))


def _row(subject: Subject, answer: _Answer) -> dict[str, Any]:
    customer_id, channel, topic_id = subject
    about = {"customer_id": customer_id, "channel": channel, "topic_id": topic_id}
    return about | {"state": answer.state, "said_at": answer.said_at, "address": answer.address}


def _as(one: Said, state: str) -> Said:
    return one if state == one.state else replace(one, state=state)


def _proof(one: Said) -> dict[str, Any]:
    return {
        "customer_id": one.customer_id,
        "channel": one.channel,
        "topic_id": one.topic_id,
        "state": one.state,
        "said_at": one.said_at,
        "source": one.source,
        "how": one.how,
        "actor": one.actor,
        "wording": one.wording,
        "address": one.address,
        "evidence": dict(one.evidence),
    }
