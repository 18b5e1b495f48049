"""What became of an attempt, written down in a few statements for the whole batch; and the repair of broken ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from app.infra.clock import now as clock_now
from app.infra.db import transaction
from app.infra.queue import Work, wake
from app.messaging.states import Purpose, Reason, Status
from app.messaging.suppression import SuppressedBecause, suppress

STUCK_AFTER = timedelta(minutes=2)

# A sender that was so slow that the repair gave it up still knows better than the repair what happened.
FINISH = text("""
    UPDATE message
    SET status = ending.status, reason = ending.reason, response = ending.response,
        subject = coalesce(ending.subject, message.subject), sent_at = coalesce(ending.sent_at, message.sent_at),
        due_at = coalesce(ending.due_at, message.due_at)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:reasons AS text[]), CAST(:responses AS text[]),
                CAST(:subjects AS text[]), CAST(:sent_ats AS timestamptz[]), CAST(:due_ats AS timestamptz[]))
         AS ending(id, status, reason, response, subject, sent_at, due_at)
    WHERE message.tenant_id = :tenant_id AND message.id = ending.id AND message.attempt_id = :attempt_id
      AND message.status IN ('sending', 'unknown')
    RETURNING message.id
""")

NOTE_ACTIVITIES = text("""
    INSERT INTO activity (tenant_id, customer_id, type, category, title, occurred_at, source, object_type, object_id,
                          club_id, payload)
    SELECT :tenant_id, customer.id, 'message.sent', 'MESSAGE', 'Was sent “' || letter.subject || '”', letter.sent_at,
           'fairway', 'message', letter.id, customer.club_id,
           jsonb_build_object('message_id', letter.id, 'subject', letter.subject)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:customer_ids AS uuid[]), CAST(:subjects AS text[]),
                CAST(:sent_ats AS timestamptz[])) AS letter(id, customer_id, subject, sent_at)
    JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = letter.customer_id
""")

# Locked in the order of ids, as everybody who changes many customers does.
NOTE_ON_CUSTOMERS = text("""
    WITH letter AS (
        SELECT customer_id, max(sent_at) AS sent_at
        FROM unnest(CAST(:customer_ids AS uuid[]), CAST(:sent_ats AS timestamptz[])) AS letter(customer_id, sent_at)
        GROUP BY customer_id
    ), locked AS (
        SELECT id FROM customer
        WHERE tenant_id = :tenant_id AND id IN (SELECT customer_id FROM letter)
        ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE customer SET last_email_sent_at = greatest(customer.last_email_sent_at, letter.sent_at)
    FROM letter JOIN locked ON locked.id = letter.customer_id
    WHERE customer.tenant_id = :tenant_id AND customer.id = letter.customer_id
""")

REPAIR = text("""
    UPDATE message
    SET status = CASE purpose WHEN :marketing THEN 'unknown' ELSE 'queued' END,
        reason = CASE purpose WHEN :marketing THEN CAST(:interrupted AS text) ELSE CAST(:again AS text) END,
        due_at = CASE purpose WHEN :marketing THEN due_at ELSE :now END
    WHERE tenant_id = :tenant_id AND status = 'sending' AND sending_at < :before
    RETURNING status
""")


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of one message in one attempt. `dead_address` is to be suppressed."""

    id: UUID
    status: Status
    reason: Reason | None
    response: str | None = None
    subject: str | None = None
    sent_at: datetime | None = None
    due_at: datetime | None = None
    customer_id: UUID | None = None
    dead_address: str | None = None


def record(*, tenant_id: UUID, attempt_id: UUID, endings: Sequence[Ending]) -> None:
    """Write down how each message of an attempt ended, with its trace on the customer and the timeline."""
    with transaction(tenant_id) as session:
        kept = session.execute(
            FINISH,
            {
                "tenant_id": tenant_id,
                "attempt_id": attempt_id,
                "ids": [ending.id for ending in endings],
                "statuses": [ending.status.value for ending in endings],
                "reasons": [ending.reason and ending.reason.value for ending in endings],
                "responses": [_storable(ending.response) for ending in endings],
                "subjects": [ending.subject for ending in endings],
                "sent_ats": [ending.sent_at for ending in endings],
                "due_ats": [ending.due_at for ending in endings],
            },
        )
        ids = {row.id for row in kept}
        sent = [one for one in endings if one.id in ids and one.sent_at is not None and one.customer_id is not None]
        if sent:
            values = {
                "tenant_id": tenant_id,
                "ids": [ending.id for ending in sent],
                "customer_ids": [ending.customer_id for ending in sent],
                "subjects": [ending.subject or "" for ending in sent],
                "sent_ats": [ending.sent_at for ending in sent],
            }
            session.execute(NOTE_ACTIVITIES, values)
            session.execute(NOTE_ON_CUSTOMERS, values)
        dead = [ending for ending in endings if ending.dead_address]
        suppress(
            tenant_id=tenant_id,
            addresses=[ending.dead_address or "" for ending in dead],
            because=SuppressedBecause.HARD_BOUNCE,
            details=[_storable(ending.response) or "" for ending in dead],
        )


def reconcile(*, tenant_id: UUID, now: datetime | None = None) -> dict[str, int]:
    """End the attempts whose sender died: marketing becomes `unknown`, transactional mail is queued again.

    A repeat carries the same Message-ID, so a mail program shows one letter. Return how many became what.
    """
    moment = now or clock_now()
    with transaction(tenant_id) as session:
        rows = session.execute(
            REPAIR,
            {
                "tenant_id": tenant_id,
                "marketing": Purpose.MARKETING,
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
    """Return what the other side said without the one character PostgreSQL can't keep."""
    return response and response.replace("\x00", "")
