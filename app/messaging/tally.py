"""What runs came to, in numbers that are kept: how their messages stand, and what their readers did.

A trigger on `message` adds what every statement changes, in its transaction, whoever made it; so the sum over a run
is what counting its messages would give. What is added is never changed, so that no sender waits for another: `fold`
puts it together now and then.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.ids import as_id
from app.messaging.channel import EMAIL

FOLD_FROM = 200
"""So many rows of a run are worth being put together."""


class Kind(StrEnum):
    """What a reader, or a machine on the way, did with a message. The first time is kept."""

    OPENED = "opened"
    CLICKED = "clicked"
    MACHINE_OPENED = "machine_opened"
    MACHINE_CLICKED = "machine_clicked"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    SOFT_BOUNCED = "soft_bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    REPLIED = "replied"
    CONVERTED = "converted"


@dataclass(frozen=True, slots=True)
class Count:
    """So many messages of a run and variant are in a state for a reason, or had this done with them."""

    run_id: UUID
    variant: str
    what: str
    reason: str
    number: int


@dataclass(frozen=True, slots=True)
class Did:
    """What was done with a message, and when."""

    message_id: UUID
    kind: Kind
    at: datetime


_FOLD = text("""
    WITH taken AS (
        SELECT id FROM message_tally WHERE tenant_id = :tenant_id AND run_id = :run_id FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM message_tally USING taken
        WHERE message_tally.tenant_id = :tenant_id AND message_tally.id = taken.id
        RETURNING variant, what, reason, hour, number
    )
    INSERT INTO message_tally (tenant_id, run_id, variant, what, reason, hour, number)
    SELECT :tenant_id, :run_id, variant, what, reason, hour, sum(number) FROM gone
    GROUP BY variant, what, reason, hour HAVING sum(number) <> 0
""")
_MANY = text("""
    SELECT run_id FROM message_tally WHERE tenant_id = :tenant_id AND run_id = ANY(CAST(:runs AS uuid[]))
    GROUP BY run_id HAVING count(*) >= :many ORDER BY run_id
""")
_COUNTS = text("""
    SELECT run_id, variant, what, reason, CAST(sum(number) AS bigint) AS number FROM message_tally
    WHERE tenant_id = :tenant_id AND run_id = ANY(CAST(:runs AS uuid[]))
    GROUP BY run_id, variant, what, reason HAVING sum(number) <> 0
""")
# Those of no run and no journey are nobody's to count. Rows are made in one order, so that two who write the same wait
# in turn.
_NOTE = text("""
    WITH fresh AS (
        INSERT INTO message_response (tenant_id, message_id, kind, run_id, variant, journey_id, step_key, at)
        SELECT :tenant_id, message.id, did.kind, message.run_id, message.variant, message.journey_id, message.step_key,
               min(did.at)
        FROM unnest(CAST(:messages AS uuid[]), CAST(:kinds AS text[]), CAST(:ats AS timestamptz[]))
            AS did(message_id, kind, at)
        JOIN message ON message.tenant_id = :tenant_id AND message.id = did.message_id
        WHERE message.run_id IS NOT NULL OR message.journey_id IS NOT NULL
        GROUP BY message.id, did.kind, message.run_id, message.variant, message.journey_id, message.step_key
        ORDER BY message.id, did.kind
        ON CONFLICT DO NOTHING
        RETURNING run_id, variant, kind, at
    )
    INSERT INTO message_tally (tenant_id, run_id, variant, what, hour, number)
    SELECT :tenant_id, run_id, coalesce(variant, ''), kind, date_trunc('hour', at, 'UTC'), count(*)
    FROM fresh WHERE run_id IS NOT NULL GROUP BY 2, 3, 4, 5
    RETURNING run_id
""")


def counts(*, tenant_id: UUID, run_ids: Collection[UUID]) -> list[Count]:
    """Return what these runs came to, by run, variant, state or response, and reason; what is none is missing."""
    if not run_ids:
        return []
    with transaction(tenant_id) as session:
        rows = session.execute(_COUNTS, {"tenant_id": tenant_id, "runs": array(run_ids)})
        return [Count(row.run_id, row.variant, row.what, row.reason, row.number) for row in rows]


def fold(*, tenant_id: UUID, run_ids: Collection[UUID], many: int = FOLD_FROM) -> None:
    """Put the rows of each of these runs that has `many` together; what somebody else has in hand is left alone."""
    if run_ids:
        with transaction(tenant_id) as session:
            found = session.scalars(_MANY, {"tenant_id": tenant_id, "runs": array(run_ids), "many": many}).all()
            for run_id in found:
                session.execute(_FOLD, {"tenant_id": tenant_id, "run_id": run_id})


def note(session: Session, tenant_id: UUID, did: Iterable[Did]) -> None:
    """Write down what was done with messages of runs and journeys, and count that of runs, in the open transaction.

    What is known of a message already is passed over, and so are messages of neither.
    """
    listed = list(did)
    if not listed:
        return
    values = {
        "tenant_id": tenant_id,
        "messages": array(one.message_id for one in listed),
        "kinds": array(one.kind for one in listed),
        "ats": array(one.at for one in listed),
    }
    runs = {row.run_id for row in session.execute(_NOTE, values)}
    fold(tenant_id=tenant_id, run_ids=runs)


def told(type_: str, payload: Mapping[str, Any], at: datetime) -> Iterator[Did]:
    """Yield what an event tells of a message: nothing unless it names one and is of a kind that is counted."""
    kinds = _KINDS.get(type_, ())
    if payload.get("channel", EMAIL) != EMAIL and len(kinds) > 1:
        kinds = kinds[:1]
    message_id = as_id(payload.get("message_id")) if kinds else None
    if message_id is None:
        return
    if payload.get("is_machine") is True:
        kinds = tuple(_BY_MACHINES[kind] for kind in kinds if kind in _BY_MACHINES)
    if type_ == "message.bounced" and payload.get("bounce") == "soft":
        kinds = (Kind.SOFT_BOUNCED,)
    for kind in kinds:
        yield Did(message_id, kind, at)


_KINDS: dict[str, tuple[Kind, ...]] = {
    "message.opened": (Kind.OPENED,),
    # A click on a letter is an open, even where pictures are not shown. Nobody knows who opened a text.
    "message.clicked": (Kind.CLICKED, Kind.OPENED),
    "message.delivered": (Kind.DELIVERED,),
    "message.bounced": (Kind.BOUNCED,),
    "message.complained": (Kind.COMPLAINED,),
    "message.unsubscribed": (Kind.UNSUBSCRIBED,),
    "message.replied": (Kind.REPLIED,),
}
_BY_MACHINES = {Kind.OPENED: Kind.MACHINE_OPENED, Kind.CLICKED: Kind.MACHINE_CLICKED}
