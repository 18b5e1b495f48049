"""What people said of topics, by the thousand, out of files: written as sets, each with its proof.

A file is no answer somebody gives now: a yes in it holds only where nothing was ever said, a no always.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

SAME: Final = "same"
"""Stands for "nothing is other than before"."""
_HELD = text("""
    SELECT c.customer_id, c.channel, c.topic_id, c.state
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(customer_id uuid, channel text, topic_id uuid)
    CROSS JOIN LATERAL (
        SELECT x.customer_id, x.channel, x.topic_id, x.state FROM consent x
        WHERE x.tenant_id = :tenant_id AND x.customer_id = r.customer_id AND x.channel = r.channel
            AND x.topic_id = r.topic_id
        FOR UPDATE
    ) AS c
""")
_ROWS = """
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS r(customer_id uuid, channel text, topic_id uuid, yes boolean, address text, evidence jsonb)
"""
_KEEP = text(f"""
    INSERT INTO consent AS held (tenant_id, customer_id, channel, topic_id, state, said_at, address)
    SELECT :tenant_id, customer_id, channel, topic_id, CASE WHEN yes THEN 'subscribed' ELSE 'unsubscribed' END, :now,
        address
    FROM ({_ROWS}) AS given
    ON CONFLICT (tenant_id, customer_id, channel, topic_id) DO UPDATE
    SET state = excluded.state, address = excluded.address, said_at = greatest(excluded.said_at, held.said_at)
""")  # noqa: S608 - the columns are ours
_PROVE = text(f"""
    INSERT INTO consent_change (tenant_id, customer_id, channel, topic_id, opted_in, state, changed_at, source, how,
                                actor, address, evidence)
    SELECT :tenant_id, customer_id, channel, topic_id, yes, CASE WHEN yes THEN 'subscribed' ELSE 'unsubscribed' END,
        :now, :source, :how, :actor, address, evidence
    FROM ({_ROWS}) AS given
""")  # noqa: S608 - the columns are ours


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody said of a topic on a channel. `address` is theirs on it, `evidence` where it is written."""

    customer_id: UUID
    channel: str
    topic_id: UUID
    yes: bool
    address: str | None
    evidence: dict[str, Any]

    @property
    def subject(self) -> tuple[UUID, str, UUID]:
        """Return what can be answered once."""
        return self.customer_id, self.channel, self.topic_id


def say(
    session: Session, tenant_id: UUID, said: Sequence[Said], *, source: str, how: str, actor: str, now: datetime
) -> list[str | None]:
    """Record what holds of `said`, in order, with its proof; return for each the state before, or SAME."""
    values = {"tenant_id": tenant_id, "now": now, "source": source, "how": how, "actor": actor}
    held: dict[tuple[UUID, str, UUID], str] = {
        (row.customer_id, row.channel, row.topic_id): row.state
        for row in session.execute(_HELD, {**values, "rows": _rows(said)})
    }
    found: list[str | None] = []
    holding: dict[tuple[UUID, str, UUID], Said] = {}
    for one in said:
        before = held.get(one.subject)
        new = "subscribed" if one.yes else "unsubscribed"
        if before == new or (one.yes and before is not None):
            found.append(SAME)
            continue
        found.append(before)
        held[one.subject], holding[one.subject] = new, one
    if holding:
        given = {**values, "rows": _rows(list(holding.values()))}
        session.execute(_KEEP, given)
        session.execute(_PROVE, given)
    return found


def _rows(said: Sequence[Said]) -> str:
    return orjson.dumps(
        [
            {
                "customer_id": one.customer_id,
                "channel": one.channel,
                "topic_id": one.topic_id,
                "yes": one.yes,
                "address": one.address,
                "evidence": one.evidence,
            }
            for one in said
        ]
    ).decode()
