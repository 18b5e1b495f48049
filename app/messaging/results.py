"""What became of an attempt, written down in a few statements for the whole batch; and the repair of broken ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import orjson
from sqlalchemy import text

from app.infra import clock
from app.infra.arrays import array
from app.infra.db import again_after_deadlock, look_up_by_index, transaction
from app.infra.ids import new_ids
from app.infra.queue import Work, wake
from app.messaging.channel import EMAIL, installed
from app.messaging.states import Purpose, Reason, Status
from app.messaging.suppression import SuppressedBecause, suppress

STUCK_AFTER = timedelta(minutes=2)

# One statement, fed with one JSON document: the message, its trace on the timeline and on the customer.
# - Messages are found by their ids alone, and not by a join (gate.MOVE says why). The CASE keeps the planner from
#   looking all messages through for the attempt's, as if they were few.
# - A sender that was so slow that the repair gave it up still knows better than the repair what happened.
# - Customers are locked in the order of their ids, as everybody who changes many of them does.
# - Whoever became one with another since the message was taken is that other one by now.
FINISH = text("""
    WITH finished AS (
        UPDATE message
        SET (status, reason, response, subject, sent_at, due_at) = (
            SELECT ending.status, ending.reason, ending.response, coalesce(ending.subject, message.subject),
                coalesce(ending.sent_at, message.sent_at), coalesce(ending.due_at, message.due_at)
            FROM jsonb_to_record(CAST(:endings AS jsonb) -> CAST(message.id AS text)) AS ending(
                status text, reason text, response text, subject text, sent_at timestamptz, due_at timestamptz)
        )
        WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))
          AND CASE WHEN attempt_id = :attempt_id THEN status IN ('sending', 'unknown') END
        RETURNING id, channel, status, subject, sent_at, template_id, topic_id, journey_id, step_key, campaign_id,
            CASE WHEN id = ANY(CAST(:read AS uuid[])) THEN customer_id END AS customer_id
    ), named AS MATERIALIZED (
        SELECT finished.*, now_known.id AS reader_id
        FROM finished
        CROSS JOIN LATERAL (
            SELECT coalesce(merged_into_id, id) AS id FROM customer
            WHERE tenant_id = :tenant_id AND id = finished.customer_id OFFSET 0
        ) AS now_known
        WHERE finished.status = 'sent'
        ORDER BY now_known.id
    ), reader AS MATERIALIZED (
        SELECT named.*, locked.club_id
        FROM named
        CROSS JOIN LATERAL (
            SELECT club_id FROM customer WHERE tenant_id = :tenant_id AND id = named.reader_id FOR NO KEY UPDATE
        ) AS locked
    ), noted AS (
        INSERT INTO activity (tenant_id, id, customer_id, type, category, title, occurred_at, source, object_type,
                              object_id, club_id, payload)
        SELECT :tenant_id, (CAST(:activities AS uuid[]))[row_number() OVER ()], reader_id, 'message.sent', 'MESSAGE',
               coalesce(CAST(:sent_words AS jsonb) ->> channel, 'Was sent') || ' “' || subject || '”', sent_at,
               'fairway', 'message', id, club_id, jsonb_build_object('message_id', id,
                   'channel', channel, 'subject', subject, 'template_id', template_id, 'topic_id', topic_id,
                   'journey_id', journey_id, 'step_key', step_key, 'campaign_id', campaign_id)
        FROM reader
    )
    UPDATE customer SET last_email_sent_at = greatest(customer.last_email_sent_at, latest.sent_at)
    FROM (
        SELECT reader_id, max(sent_at) AS sent_at FROM reader WHERE channel = :email GROUP BY reader_id
    ) AS latest
    WHERE customer.tenant_id = :tenant_id AND customer.id = latest.reader_id
""")

MAX_ATTEMPTS = 8

REPAIR = text("""
    UPDATE message
    SET status = CASE WHEN ended THEN 'unknown' ELSE 'queued' END,
        reason = CASE WHEN ended THEN CAST(:interrupted AS text) ELSE CAST(:again AS text) END,
        due_at = CASE WHEN ended THEN due_at ELSE :now END
    FROM (
        SELECT id AS stuck_id, purpose = :marketing OR attempts >= :most AS ended FROM message
        WHERE tenant_id = :tenant_id AND status = 'sending' AND sending_at < :before
    ) AS stuck
    WHERE id = stuck_id AND tenant_id = :tenant_id AND status = 'sending' AND sending_at < :before
    RETURNING status
""")


@dataclass(slots=True)
class Ending:
    """What became of one message in one attempt. `customer_id` is who read it; `dead_address` is to be suppressed."""

    id: UUID
    status: Status
    reason: Reason | None
    response: str | None = None
    subject: str | None = None
    sent_at: datetime | None = None
    due_at: datetime | None = None
    customer_id: UUID | None = None
    dead_address: str | None = None
    channel: str = EMAIL


# Messages are locked before their readers here, and after them where two profiles become one.
@again_after_deadlock
def record(*, tenant_id: UUID, attempt_id: UUID, endings: Sequence[Ending]) -> None:
    """Write down how each message of an attempt ended, with its trace on the customer and the timeline."""
    told = {
        ending.id: {
            "status": ending.status,
            "reason": ending.reason,
            "response": _storable(ending.response),
            "subject": ending.subject,
            "sent_at": ending.sent_at,
            "due_at": ending.due_at,
        }
        for ending in endings
    }
    dead = [ending for ending in endings if ending.dead_address]
    with transaction(tenant_id) as session:
        values = {
            "tenant_id": tenant_id,
            "attempt_id": attempt_id,
            "ids": array(told),
            "read": array(ending.id for ending in endings if ending.customer_id is not None),
            "endings": orjson.dumps(told, option=orjson.OPT_NON_STR_KEYS).decode(),
            "email": EMAIL,
            "activities": array(new_ids(len(told))),
            "sent_words": _sent_words(),
        }
        look_up_by_index(session)
        session.execute(FINISH, values)
        for name in dict.fromkeys(ending.channel for ending in dead):
            gone = [ending for ending in dead if ending.channel == name]
            suppress(
                tenant_id=tenant_id,
                addresses=[ending.dead_address or "" for ending in gone],
                because=SuppressedBecause.HARD_BOUNCE,
                details=[_storable(ending.response) or "" for ending in gone],
                channel_name=name,
            )


@cache
def _sent_words() -> str:
    """Return by channel how the timeline tells that something was sent; a mail needs no word for it."""
    return orjson.dumps({name: f"Was sent by {one.label}:" for name, one in installed() if name != EMAIL}).decode()


def reconcile(*, tenant_id: UUID, now: datetime | None = None) -> dict[str, int]:
    """End the attempts whose sender died: marketing becomes `unknown`, transactional mail is queued again.

    After MAX_ATTEMPTS that becomes `unknown` too: whatever ends its senders would end the next one.

    A repeat carries the same Message-ID, so a mail program shows one letter. Return how many became what.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        rows = session.execute(
            REPAIR,
            {
                "tenant_id": tenant_id,
                "marketing": Purpose.MARKETING,
                "most": MAX_ATTEMPTS,
                "interrupted": Reason.INTERRUPTED,
                "again": Reason.TEMPORARY_FAILURE,
                "now": moment,
                "before": moment - STUCK_AFTER,
            },
        ).all()
        if any(row.status == Status.QUEUED for row in rows):
            wake(Work.SEND_MESSAGES, tenant_id)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.status] = counts.get(row.status, 0) + 1
    return counts


def _storable(response: str | None) -> str | None:
    """Return what the other side said without what PostgreSQL can't keep: NUL, and halves of surrogate pairs."""
    if not response or (response.isascii() and "\x00" not in response):
        return response
    return response.replace("\x00", "").encode("utf-8", "replace").decode()
