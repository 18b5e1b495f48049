"""What a wake-up does.

Each function is one kind of work (app.infra.queue.Work) of one tenant. It works until nothing is due or its time is
over, then wakes itself again: a job stays short, and tenants take turns.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import text

from app.analytics import work as analytics
from app.campaigns import awaiting
from app.campaigns import running as campaigns
from app.capture import service as capture
from app.capture.imports import work as imports
from app.content import link_checks
from app.customers import notices
from app.infra import clock, queue
from app.infra.db import dispatching, look_up_by_index
from app.infra.heartbeat import beat, silent_for
from app.infra.queue import Work
from app.journeys import backtest, calls
from app.journeys.engine import advance, timed
from app.messaging import sender
from app.messaging import service as messaging
from app.messaging.runs import READY
from app.privacy import work as privacy
from app.road import HANDLERS, SEGMENT_TELLERS
from app.segments import work as segments
from app.segments.sync import work as segment_sync

log = logging.getLogger(__name__)
# Long enough to be worth the wake-up, short enough that another tenant's turn comes soon.
TURN_SECONDS = 5.0
# Events that are posted one by one are gathered for so long: a batch of one costs as much as one of fifty, and takes
# the processors away from those who post.
GATHER_SECONDS = 0.2
# How often every tenant's kept answers and files are looked through for those whose time is over, and its campaigns
# for those that lack approval.
FORGET_EVERY = timedelta(hours=1)
# A first batch of this size means that there is enough for a second worker, who else would come with the next tick.
ENOUGH_FOR_TWO = 25


def process_events(tenant_id: str) -> None:
    """Apply the tenant's accepted events to its customers, and let journeys and messages know of them."""
    # Before the turn takes the mark down: whoever posts meanwhile need not wake anybody. A wake-up that has waited for
    # other tenants' work has gathered already.
    time.sleep(max(0.0, GATHER_SECONDS - queue.SEEN_SECONDS - queue.waited()))
    left: capture.Left = {}
    _turn(
        Work.PROCESS_EVENTS,
        UUID(tenant_id),
        lambda tenant: capture.process_batch(tenant_id=tenant, now=clock.now(), handlers=HANDLERS, left=left),
        # What comes in after a batch was claimed has asked for a turn of its own, which gathers before it begins.
        # What was left for later is this turn's, though: nobody else need come by.
        more=lambda done: done >= capture.LEAST - capture.LEFT_FOR_LATER or bool(left),
    )


def advance_journeys(tenant_id: str) -> None:
    """Let in whose date or time has come, and walk the people who are due through the tenant's journeys."""
    _turn(Work.ADVANCE_JOURNEYS, UUID(tenant_id), _let_in_and_on)


def _let_in_and_on(tenant_id: UUID) -> int:
    now = clock.now()
    return timed.run_due(tenant_id=tenant_id, now=now) or advance.advance_batch(tenant_id=tenant_id, now=now)


def send_messages(tenant_id: str) -> None:
    """Gate and send the tenant's due messages."""
    _turn(
        Work.SEND_MESSAGES,
        UUID(tenant_id),
        lambda tenant: sender.send_batch(tenant_id=tenant, now=clock.now()),
    )


def import_rows(tenant_id: str) -> None:
    """Take in, or undo, the tenant's imports: a batch of rows in a transaction."""
    _turn(
        Work.IMPORT_ROWS,
        UUID(tenant_id),
        lambda tenant: imports.run_batch(tenant_id=tenant, now=clock.now(), handlers=HANDLERS),
        spread=False,
    )


def refresh_segments(tenant_id: str) -> None:
    """Let the tenant's segments look again at people something happened to, and refresh those that are due."""
    _turn(
        Work.REFRESH_SEGMENTS,
        UUID(tenant_id),
        lambda tenant: segments.run_step(tenant_id=tenant, tellers=SEGMENT_TELLERS),
    )
    campaigns.segments_told(tenant_id=UUID(tenant_id), now=clock.now())


def sync_segments(tenant_id: str) -> None:
    """Tell receivers who is in the tenant's segments that are pushed somewhere, and who entered and left."""
    _turn(
        Work.SYNC_SEGMENTS,
        UUID(tenant_id),
        lambda tenant: segment_sync.push_one(tenant_id=tenant, now=clock.now()),
        spread=False,
    )


def run_campaigns(tenant_id: str) -> None:
    """Begin the tenant's campaigns that are due, put people into them, see what is over and what lacks approval."""
    _turn(
        Work.RUN_CAMPAIGNS,
        UUID(tenant_id),
        lambda tenant: campaigns.run_step(tenant_id=tenant, now=clock.now()),
        spread=False,
    )
    # Last: whatever is wrong with a warning, campaigns go on.
    with _guarded(Work.RUN_CAMPAIGNS, UUID(tenant_id)):
        awaiting.warn(tenant_id=UUID(tenant_id), now=clock.now())


def privacy_jobs(tenant_id: str) -> None:
    """Collect or erase all of a person, a step in a transaction; delete what is kept for a while, once that is over."""
    privacy.forget_old(tenant_id=UUID(tenant_id), now=clock.now())
    calls.forget_old(tenant_id=UUID(tenant_id), now=clock.now())
    notices.forget_old(tenant_id=UUID(tenant_id), now=clock.now())
    _turn(
        Work.PRIVACY_JOBS,
        UUID(tenant_id),
        lambda tenant: privacy.run_batch(tenant_id=tenant, now=clock.now()),
        spread=False,
    )


def check_links(tenant_id: str) -> None:
    """Try the links of the tenant's letters that somebody wants tried, some at once."""
    _turn(
        Work.CHECK_LINKS,
        UUID(tenant_id),
        lambda tenant: link_checks.run_batch(tenant_id=tenant, now=clock.now()),
        spread=False,
    )


def call_webhooks(tenant_id: str) -> None:
    """Call other systems about people in journeys, as their steps say."""
    _turn(Work.CALL_WEBHOOKS, UUID(tenant_id), lambda tenant: calls.call_batch(tenant_id=tenant, now=clock.now()))


def backtest_journeys(tenant_id: str) -> None:
    """Walk drafts of the tenant's journeys over what happened in the past, some people at a time."""
    _turn(
        Work.BACKTEST_JOURNEYS,
        UUID(tenant_id),
        lambda tenant: backtest.run_batch(tenant_id=tenant, now=clock.now()),
        spread=False,
    )


def tick() -> None:
    """Look, for all tenants, for work that is due, and wake it; settle what a dead worker left in the middle."""
    now = clock.now()
    beat("tick")
    forgotten = silent_for("forget")
    forget = forgotten is None or forgotten > FORGET_EVERY
    if forget:
        beat("forget")
    for work, tenant_id in [*_due(now), *(_everybody() if forget else ())]:
        queue.enqueue(work, tenant_id)
    messaging.settle(now=now)
    for tenant_id in _stuck(now):
        messaging.reconcile(tenant_id=tenant_id, now=now)


class WorkFailed(RuntimeError):
    """A turn failed. Ops see this line, and ops must not see customers' data: the rest is in the worker's log."""


@contextlib.contextmanager
def _guarded(work: Work, tenant_id: UUID) -> Iterator[None]:
    """Let an exception out as WorkFailed, and write what it says to the log."""
    try:
        yield
    except Exception as error:
        reference = uuid4().hex[:12]
        log.exception("%s of %s failed, reference %s", work, tenant_id, reference)
        raise WorkFailed(f"{type(error).__name__}, reference {reference} in the worker's log") from None


def _turn(
    work: Work,
    tenant_id: UUID,
    step: Callable[[UUID], int],
    *,
    more: Callable[[int], bool] = bool,
    spread: bool = True,
) -> None:
    """Call `step` until there is no `more` after what it did, or the turn is over and the next one is asked for.

    `spread`: several workers may do this work for one tenant at once.
    """
    queue.awake(work, tenant_id)
    ends = time.monotonic() + TURN_SECONDS
    alone = spread
    with _guarded(work, tenant_id):
        while True:
            done = step(tenant_id)
            if done:
                analytics.record(tenant_id=tenant_id, work=work, done=done, now=clock.now())
            if not more(done):
                return
            if done >= ENOUGH_FOR_TWO and alone:
                queue.enqueue(work, tenant_id)
                alone = False
            # A backlog of one kind of work must not keep the others waiting until it is done.
            if time.monotonic() > ends or queue.others_wait(work):
                queue.enqueue(work, tenant_id)
                return


# One look into an index a tenant (or journey, or run) and kind: the partial indexes hold only rows that may be due.
# With OFFSET each EXISTS stays a look: the planner would read what is due of all tenants to compare it with them all.
DUE = text(f"""
    SELECT 'process_events' AS work, id FROM tenant t WHERE EXISTS
        (SELECT FROM inbound_event e WHERE e.tenant_id = t.id AND e.status = 'received' OFFSET 0)
    UNION ALL
    SELECT 'advance_journeys', id FROM tenant t WHERE EXISTS
        (SELECT FROM journey j WHERE j.tenant_id = t.id AND
            (SELECT e.due_at FROM journey_enrollment e WHERE e.tenant_id = t.id AND e.journey_id = j.id
                AND e.status = 'ACTIVE' AND e.due_at IS NOT NULL ORDER BY e.due_at LIMIT 1) <= :now OFFSET 0)
        OR EXISTS (SELECT FROM journey j
            WHERE j.tenant_id = t.id AND j.status = 'ACTIVE' AND j.next_run_at <= :now OFFSET 0)
        OR EXISTS (SELECT FROM journey_settling s WHERE s.tenant_id = t.id OFFSET 0)
    UNION ALL
    SELECT 'import_rows', id FROM tenant t WHERE EXISTS
        (SELECT FROM import_run r WHERE r.tenant_id = t.id AND r.status IN ('PENDING', 'RUNNING') OFFSET 0)
    UNION ALL
    SELECT 'refresh_segments', id FROM tenant t WHERE EXISTS
        (SELECT FROM segment_due d WHERE d.tenant_id = t.id OFFSET 0)
        OR EXISTS (SELECT FROM segment_later l WHERE l.tenant_id = t.id AND l.at <= :now OFFSET 0)
        OR EXISTS (SELECT FROM segment s WHERE s.tenant_id = t.id AND s.refresh_due_at <= :now OFFSET 0)
    UNION ALL
    SELECT 'sync_segments', id FROM tenant t WHERE EXISTS
        (SELECT FROM segment_sync s WHERE s.tenant_id = t.id AND (s.due_at <= :now OR s.due_at IS NULL
            AND s.status = 'FULL' AND EXISTS (SELECT FROM segment g WHERE g.tenant_id = t.id AND g.id = s.segment_id
                AND g.refresh_tells OFFSET 0)
            OR s.due_at IS NULL AND s.status = 'LIVE' AND (EXISTS (SELECT FROM segment_sync_change c
                WHERE c.tenant_id = t.id AND c.segment_id = s.segment_id OFFSET 0)
            OR EXISTS (SELECT FROM segment g WHERE g.tenant_id = t.id AND g.id = s.segment_id
                AND g.version <> s.version AND g.refresh_tells OFFSET 0))) OFFSET 0)
    UNION ALL
    SELECT 'run_campaigns', id FROM tenant t WHERE EXISTS
        (SELECT FROM campaign c WHERE c.tenant_id = t.id AND c.due_at <= :now OFFSET 0)
        OR EXISTS (SELECT FROM campaign_run r WHERE r.tenant_id = t.id AND r.look_at <= :now OFFSET 0)
    UNION ALL
    SELECT 'privacy_jobs', id FROM tenant t WHERE EXISTS
        (SELECT FROM privacy_request r WHERE r.tenant_id = t.id AND r.due_at <= :now OFFSET 0)
    UNION ALL
    SELECT 'check_links', id FROM tenant t WHERE EXISTS
        (SELECT FROM link_check c WHERE c.tenant_id = t.id AND c.due_at <= :now OFFSET 0)
    UNION ALL
    SELECT 'backtest_journeys', id FROM tenant t WHERE EXISTS
        (SELECT FROM journey_backtest b WHERE b.tenant_id = t.id AND b.due_at <= :now OFFSET 0)
    UNION ALL
    SELECT 'call_webhooks', id FROM tenant t WHERE EXISTS
        (SELECT FROM journey_webhook w WHERE w.tenant_id = t.id AND w.status = 'QUEUED' AND w.due_at <= :now OFFSET 0)
    UNION ALL
    SELECT 'send_messages', id FROM tenant t WHERE EXISTS
        (SELECT FROM message m WHERE m.tenant_id = t.id AND m.status IN ('queued', 'held') AND m.due_at <= :now
            AND m.run_id IS NULL OFFSET 0)
        OR EXISTS (SELECT FROM message_run run WHERE run.tenant_id = t.id AND run.status IN ('open', 'filling')
            AND (run.ready_at IS NULL OR {READY})
            AND EXISTS (SELECT FROM message m WHERE m.tenant_id = t.id AND m.run_id = run.id
                AND m.status IN ('queued', 'held') AND m.due_at <= :now OFFSET 0) OFFSET 0)
""")  # noqa: S608 - of parts written here
_STUCK = text("""
    SELECT id FROM tenant t WHERE EXISTS (SELECT FROM message m
        WHERE m.tenant_id = t.id AND m.status = 'sending' AND m.sending_at < :now - :patience OFFSET 0)
""")


def _due(now: object) -> list[tuple[Work, UUID]]:
    with dispatching() as session:
        look_up_by_index(session, in_order=True)
        return [(Work(row.work), row.id) for row in session.execute(DUE, {"now": now})]


def _everybody() -> list[tuple[Work, UUID]]:
    with dispatching() as session:
        everybody = list(session.scalars(text("SELECT id FROM tenant")))
    return [(work, id_) for work in (Work.PRIVACY_JOBS, Work.RUN_CAMPAIGNS) for id_ in everybody]


def _stuck(now: object) -> list[UUID]:
    with dispatching() as session:
        look_up_by_index(session)
        rows = session.execute(_STUCK, {"now": now, "patience": messaging.STUCK_AFTER})
        return [row.id for row in rows]
