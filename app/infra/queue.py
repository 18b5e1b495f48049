"""The alarm clock: RQ jobs that say "this tenant has this kind of work", and nothing more.

What is due stands in Postgres. A wake-up may be lost, doubled or late: the scheduler's tick looks for due work every
TICK_SECONDS and wakes whoever has some.
"""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from uuid import UUID

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker, get_current_job
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from app.infra import clock
from app.infra.config import load
from app.infra.db import after_commit
from app.infra.errors import NotFound

log = logging.getLogger(__name__)

TICK_SECONDS = 2
JOB_TIMEOUT_SECONDS = 120
LONG_JOB_TIMEOUT_SECONDS = 3600
# A worker that dies with a wake-up in hand must not silence its tenant for longer than this.
COALESCE_SECONDS = 10
# Who has seen a wake-up waiting need not look again for so long: the job begins that long after taking its mark down.
# Asking Redis after every post took a tenth of what a post takes.
SEEN_SECONDS = 0.05
_MAX_SEEN = 1_000


class Work(StrEnum):
    """The kinds of work; each is the name of its queue and of its function in app.tasks."""

    PROCESS_EVENTS = "process_events"
    ADVANCE_JOURNEYS = "advance_journeys"
    SEND_MESSAGES = "send_messages"
    IMPORT_ROWS = "import_rows"
    REFRESH_SEGMENTS = "refresh_segments"
    SYNC_SEGMENTS = "sync_segments"
    RUN_CAMPAIGNS = "run_campaigns"
    PRIVACY_JOBS = "privacy_jobs"
    CHECK_LINKS = "check_links"
    CALL_WEBHOOKS = "call_webhooks"
    BACKTEST_JOURNEYS = "backtest_journeys"
    TICK = "tick"


GATHERED = frozenset((Work.PROCESS_EVENTS,))
"""Kinds of work that is asked for with every request, and may begin SEEN_SECONDS later for it."""


@cache
def redis() -> Redis:
    """Return the process's Redis client; connections are made when first used and checked when idle."""
    return Redis.from_url(load().redis_url, socket_timeout=5, socket_connect_timeout=5, health_check_interval=30)


def queue(work: Work) -> Queue:
    """Return the RQ queue of one kind of work."""
    # One statement tells the whole of a segment, however many customers there are.
    timeout = LONG_JOB_TIMEOUT_SECONDS if work is Work.REFRESH_SEGMENTS else JOB_TIMEOUT_SECONDS
    return Queue(work.value, connection=redis(), serializer=JSONSerializer, default_timeout=timeout)


def mark(work: Work, tenant_id: UUID) -> str:
    """Return the key in Redis that is there while a wake-up waits, so that nobody puts another one beside it."""
    return f"fairway:awake:{work}:{tenant_id}"


def wake(work: Work, tenant_id: UUID) -> None:
    """Wake a worker for `work` of the tenant once the open transaction has committed."""
    after_commit(lambda: enqueue(work, tenant_id))


_seen: dict[str, float] = {}


def enqueue(work: Work, tenant_id: UUID) -> None:
    """Put one wake-up on the queue, unless one is waiting there already; without Redis, leave it to the tick."""
    key = mark(work, tenant_id)
    now = time.monotonic()
    if work in GATHERED and now < _seen.get(key, 0.0) + SEEN_SECONDS:
        return
    try:
        fresh = redis().set(key, 1, nx=True, ex=COALESCE_SECONDS)
        if len(_seen) >= _MAX_SEEN:
            _seen.clear()
        # From before it was asked: the mark may have been taken down since.
        _seen[key] = now
        if fresh:
            queue(work).enqueue(f"app.tasks.work.{work}", str(tenant_id), result_ttl=0, failure_ttl=7 * 86400)
    except RedisError as error:
        log.warning("No wake-up for %s of %s (the tick will find it): %s", work, tenant_id, error)


def awake(work: Work, tenant_id: UUID) -> None:
    """Take down the mark of a waiting wake-up: called first by the job, so that work arriving now wakes again.

    Of work that is gathered, others may believe for SEEN_SECONDS more that the mark is up; so long the job is not to
    begin.
    """
    key = mark(work, tenant_id)
    redis().delete(key)
    _seen.pop(key, None)
    if work in GATHERED:
        time.sleep(SEEN_SECONDS)


def others_wait(work: Work) -> bool:
    """Return whether other work than this waits for a worker; the tick, which is short, does not count."""
    try:
        return bool(redis().exists(*(queue(one).key for one in Work if one not in (work, Work.TICK))))
    except RedisError:
        return False


def waited() -> float:
    """Return for how many seconds the job that this process works on has been waiting; 0 outside of one."""
    job = get_current_job()
    queued = _aware(job.enqueued_at) if job else None
    return max(0.0, (clock.now() - queued).total_seconds()) if queued else 0.0


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker process as Redis knows it; `idle` when it holds no job."""

    name: str
    pid: int
    state: str
    work: str | None
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A wake-up whose function raised; `cause` is the exception's kind and reference, never a customer's data."""

    id: str
    work: str
    failed_at: datetime | None
    cause: str


class JobGone(NotFound):
    """The failed job was retried or removed meanwhile."""

    def __init__(self) -> None:
        super().__init__("This job is no longer in the list: somebody retried or removed it.")


def workers() -> list[WorkerState]:
    """Return the workers that are alive."""
    found = []
    for worker in Worker.all(connection=redis(), serializer=JSONSerializer):
        seen = _aware(worker.last_heartbeat)
        job_id = worker.get_current_job_id()
        job = _fetch(job_id) if job_id else None
        work = job.origin if job else None
        found.append(WorkerState(worker.name[:8], worker.pid or 0, worker.get_state(), work, seen))
    return sorted(found, key=lambda one: one.name)


def waiting() -> dict[Work, int]:
    """Return how many wake-ups wait on each queue."""
    return {work: queue(work).count for work in Work}


def failed(tenant_id: UUID, limit: int = 50) -> list[FailedJob]:
    """Return the tenant's failed wake-ups, the newest first, and those of the tick, which is everybody's."""
    found = []
    for work in Work:
        registry = queue(work).failed_job_registry
        for job_id in registry.get_job_ids(desc=True, end=limit):
            job = _fetch(job_id)
            if job is not None and job.args in ((str(tenant_id),), [str(tenant_id)], (), []):
                outcome = job.latest_result()
                cause = ((outcome and outcome.exc_string) or "unknown").strip().splitlines()[-1]
                found.append(FailedJob(job_id, work.value, _aware(job.ended_at), cause))
    return sorted(found, key=lambda one: (one.failed_at is not None, one.failed_at), reverse=True)[:limit]


def retry(tenant_id: UUID, job_id: str) -> None:
    """Put a failed wake-up of the tenant back on its queue."""
    job = _own(tenant_id, job_id)
    queue(Work(job.origin)).failed_job_registry.requeue(job)


def remove(tenant_id: UUID, job_id: str) -> None:
    """Forget a failed wake-up of the tenant. The work itself stays due in Postgres."""
    job = _own(tenant_id, job_id)
    queue(Work(job.origin)).failed_job_registry.remove(job, delete_job=True)


def _own(tenant_id: UUID, job_id: str) -> Job:
    if job_id not in {job.id for job in failed(tenant_id)}:
        raise JobGone
    job = _fetch(job_id)
    if job is None:
        raise JobGone
    return job


def _fetch(job_id: str) -> Job | None:
    try:
        return Job.fetch(job_id, connection=redis(), serializer=JSONSerializer)
    except NoSuchJobError:
        return None


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def tick_interval() -> timedelta:
    """Return how long the scheduler lets pass between two looks for due work."""
    return timedelta(seconds=TICK_SECONDS)
