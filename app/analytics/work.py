"""How fast work gets done, and how much of it is waiting: the figures of the Queues page."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from app.infra.db import transaction
from app.infra.ids import first_id_at
from app.infra.queue import Work

KEPT = timedelta(days=2)
FAILED_SINCE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Backlog:
    """One kind of work of one tenant: due now, parked for later, the oldest due, done in the last minute and hour."""

    work: Work
    label: str
    unit: str
    due: int
    parked: int
    oldest_due: datetime | None
    done_last_minute: int
    done_last_hour: int


@dataclass(frozen=True, slots=True)
class Failures:
    """What failed in the last seven days and waits for somebody to look at it."""

    events: int
    enrollments: int
    messages_failed: int
    messages_unknown: int


# Depths are counted up to this; beyond it the page says "10,000+", because counting a million rows helps nobody.
COUNTED = 10_000

_BACKLOG = {
    Work.PROCESS_EVENTS: (
        "Events to apply",
        "events",
        """SELECT count(*) AS due, 0 AS parked, min(received_at) AS oldest
           FROM (SELECT received_at FROM inbound_event WHERE tenant_id = :tenant_id AND status = 'received'
                 ORDER BY id LIMIT :counted) due""",
    ),
    Work.ADVANCE_JOURNEYS: (
        "People to move on",
        "steps",
        # However many journeys there are, no more people are read than are counted, and the first one of each journey.
        """WITH running AS MATERIALIZED (
               SELECT tenant_id, id FROM journey WHERE tenant_id = :tenant_id AND status = 'ACTIVE')
           SELECT
               (SELECT count(*) FROM (SELECT FROM running j CROSS JOIN LATERAL (
                    SELECT FROM journey_enrollment e
                    WHERE e.tenant_id = j.tenant_id AND e.journey_id = j.id AND e.status = 'ACTIVE'
                        AND e.due_at <= :now ORDER BY e.due_at LIMIT :counted) e LIMIT :counted) one) AS due,
               (SELECT count(*) FROM (SELECT FROM running j CROSS JOIN LATERAL (
                    SELECT FROM journey_enrollment e
                    WHERE e.tenant_id = j.tenant_id AND e.journey_id = j.id AND e.status = 'ACTIVE'
                        AND e.due_at > :now ORDER BY e.due_at LIMIT :counted) e LIMIT :counted) one) AS parked,
               (SELECT min(e.due_at) FROM running j CROSS JOIN LATERAL (
                    SELECT due_at FROM journey_enrollment e
                    WHERE e.tenant_id = j.tenant_id AND e.journey_id = j.id AND e.status = 'ACTIVE'
                        AND e.due_at <= :now ORDER BY e.due_at LIMIT 1) e) AS oldest""",
    ),
    Work.SEND_MESSAGES: (
        "Messages to send",
        "messages",
        """SELECT count(*) FILTER (WHERE due_at <= :now) AS due, count(*) FILTER (WHERE due_at > :now) AS parked,
                  min(due_at) FILTER (WHERE due_at <= :now) AS oldest
           FROM (SELECT due_at FROM (
                   (SELECT due_at FROM message WHERE tenant_id = :tenant_id AND status IN ('queued', 'held')
                        AND run_id IS NULL ORDER BY due_at LIMIT :counted)
                   UNION ALL
                   (SELECT m.due_at FROM message_run r
                    CROSS JOIN LATERAL (
                        SELECT due_at FROM message m WHERE m.tenant_id = :tenant_id AND m.run_id = r.id
                            AND m.status IN ('queued', 'held') ORDER BY due_at LIMIT :counted) m
                    WHERE r.tenant_id = :tenant_id AND r.status IN ('open', 'filling') LIMIT :counted)
                 ) one ORDER BY due_at LIMIT :counted) due""",
    ),
    Work.IMPORT_ROWS: (
        "Imports",
        "rows",
        """SELECT count(*) AS due, 0 AS parked, min(created_at) AS oldest
           FROM (SELECT created_at FROM import_run WHERE tenant_id = :tenant_id AND status IN ('PENDING', 'RUNNING')
                 LIMIT :counted) due""",
    ),
    Work.REFRESH_SEGMENTS: (
        "People and segments to look at again",
        "looks",
        """SELECT people.due + whole.due AS due, whole.parked, whole.oldest
           FROM (SELECT count(*) AS due FROM (
                   SELECT FROM segment_due WHERE tenant_id = :tenant_id LIMIT :counted) one) AS people,
                (SELECT count(*) FILTER (WHERE refresh_due_at <= :now) AS due,
                        count(*) FILTER (WHERE refresh_due_at > :now) AS parked,
                        min(refresh_due_at) FILTER (WHERE refresh_due_at <= :now) AS oldest
                 FROM segment WHERE tenant_id = :tenant_id AND refresh_due_at IS NOT NULL) AS whole""",
    ),
    Work.SYNC_SEGMENTS: (
        "Segments to push",
        "people",
        """SELECT changes.due, syncs.parked, least(changes.oldest, syncs.oldest) AS oldest
           FROM (SELECT count(*) AS due, min(at) AS oldest FROM (SELECT at FROM segment_sync_change
                 WHERE tenant_id = :tenant_id ORDER BY id LIMIT :counted) one) AS changes,
                (SELECT count(*) FILTER (WHERE due_at > :now) AS parked,
                        min(due_at) FILTER (WHERE due_at <= :now) AS oldest
                 FROM segment_sync WHERE tenant_id = :tenant_id AND due_at IS NOT NULL) AS syncs""",
    ),
    Work.RUN_CAMPAIGNS: (
        "Campaigns",
        "steps",
        """SELECT count(*) FILTER (WHERE at <= :now) AS due, count(*) FILTER (WHERE at > :now) AS parked,
                  min(at) FILTER (WHERE at <= :now) AS oldest
           FROM (SELECT due_at AS at FROM campaign WHERE tenant_id = :tenant_id AND due_at IS NOT NULL
                 UNION ALL SELECT look_at FROM campaign_run WHERE tenant_id = :tenant_id AND look_at IS NOT NULL
                 LIMIT :counted) due""",
    ),
    Work.PRIVACY_JOBS: (
        "Exports and erasures",
        "steps",
        """SELECT count(*) FILTER (WHERE due_at <= :now) AS due, count(*) FILTER (WHERE due_at > :now) AS parked,
                  min(due_at) FILTER (WHERE due_at <= :now) AS oldest
           FROM (SELECT due_at FROM privacy_request WHERE tenant_id = :tenant_id AND due_at IS NOT NULL
                 ORDER BY due_at LIMIT :counted) due""",
    ),
    Work.CALL_WEBHOOKS: (
        "Calls of webhooks",
        "calls",
        """SELECT count(*) FILTER (WHERE due_at <= :now) AS due, count(*) FILTER (WHERE due_at > :now) AS parked,
                  min(due_at) FILTER (WHERE due_at <= :now) AS oldest
           FROM (SELECT due_at FROM journey_webhook WHERE tenant_id = :tenant_id AND status = 'QUEUED'
                 ORDER BY due_at LIMIT :counted) due""",
    ),
    Work.BACKTEST_JOURNEYS: (
        "Backtests of journeys",
        "people",
        """SELECT count(*) FILTER (WHERE due_at <= :now) AS due, count(*) FILTER (WHERE due_at > :now) AS parked,
                  min(due_at) FILTER (WHERE due_at <= :now) AS oldest
           FROM (SELECT due_at FROM journey_backtest WHERE tenant_id = :tenant_id AND due_at IS NOT NULL
                 ORDER BY due_at LIMIT :counted) due""",
    ),
    Work.CHECK_LINKS: (
        "Links to try",
        "links",
        """SELECT count(*) FILTER (WHERE due_at <= :now) AS due, count(*) FILTER (WHERE due_at > :now) AS parked,
                  min(due_at) FILTER (WHERE due_at <= :now) AS oldest
           FROM (SELECT due_at FROM link_check WHERE tenant_id = :tenant_id AND due_at IS NOT NULL
                 ORDER BY due_at LIMIT :counted) due""",
    ),
}
_DONE = text("""
    SELECT work, sum(done) FILTER (WHERE minute >= :now - interval '2 minutes') / 2 AS last_minute,
           sum(done) AS last_hour
    FROM work_count WHERE tenant_id = :tenant_id AND minute > :now - interval '1 hour' GROUP BY work
""")
_ADD = text("""
    INSERT INTO work_count (tenant_id, work, minute, done)
    VALUES (:tenant_id, :work, date_trunc('minute', CAST(:now AS timestamptz)), :done)
    ON CONFLICT (tenant_id, work, minute) DO UPDATE SET done = work_count.done + excluded.done
""")
_FORGET = text("DELETE FROM work_count WHERE tenant_id = :tenant_id AND minute < :before")
_FAILURES = text("""
    SELECT
        (SELECT count(*) FROM inbound_event
         WHERE tenant_id = :tenant_id AND id >= :since AND status = 'failed') AS events,
        (SELECT count(*) FROM journey_enrollment
         WHERE tenant_id = :tenant_id AND status = 'FAILED' AND id >= :since) AS enrollments,
        (SELECT count(*) FROM message
         WHERE tenant_id = :tenant_id AND id >= :since AND status = 'failed') AS messages_failed,
        (SELECT count(*) FROM message
         WHERE tenant_id = :tenant_id AND id >= :since AND status = 'unknown') AS messages_unknown
""")


def record(*, tenant_id: UUID, work: Work, done: int, now: datetime) -> None:
    """Add `done` pieces of work to the present minute; in an hour's first minute, forget what nobody looks at."""
    values = {"tenant_id": tenant_id, "work": work.value, "now": now, "done": done, "before": now - KEPT}
    with transaction(tenant_id) as session:
        session.execute(_ADD, values)
        if now.minute == 0:
            session.execute(_FORGET, values)


def backlogs(*, tenant_id: UUID, now: datetime) -> list[Backlog]:
    """Return the tenant's backlog of each kind of work; depths stop at COUNTED."""
    values = {"tenant_id": tenant_id, "now": now, "counted": COUNTED}
    found = []
    with transaction(tenant_id) as session:
        done = {row.work: row for row in session.execute(_DONE, values)}
        for work, (label, unit, query) in _BACKLOG.items():
            row = session.execute(text(query), values).one()
            pace = done.get(work.value)
            found.append(
                Backlog(
                    work=work,
                    label=label,
                    unit=unit,
                    due=row.due,
                    parked=row.parked,
                    oldest_due=row.oldest,
                    done_last_minute=int((pace.last_minute or 0) if pace else 0),
                    done_last_hour=int(pace.last_hour if pace else 0),
                )
            )
    return found


def failures(*, tenant_id: UUID, now: datetime) -> Failures:
    """Return how many events, enrollments and messages of the last seven days failed."""
    with transaction(tenant_id) as session:
        row = session.execute(_FAILURES, {"tenant_id": tenant_id, "since": first_id_at(now - FAILED_SINCE)}).one()
    return Failures(**row._mapping)
