"""The alarm clock: RQ jobs that say "this tenant has this kind of work", and nothing more.

What is due stands in Postgres. A wake-up may be lost, doubled or late: the scheduler's tick looks for due work every
TICK_SECONDS and wakes whoever has some.
"""

import logging
from datetime import timedelta
from enum import StrEnum
from functools import cache
from uuid import UUID

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

from app.infra.config import load
from app.infra.db import after_commit

log = logging.getLogger(__name__)

TICK_SECONDS = 2
JOB_TIMEOUT_SECONDS = 120
# A worker that dies with a wake-up in hand must not silence its tenant for longer than this.
COALESCE_SECONDS = 10


class Work(StrEnum):
    """The kinds of work; each is the name of its queue and of its function in app.tasks."""

    PROCESS_EVENTS = "process_events"
    ADVANCE_JOURNEYS = "advance_journeys"
    SEND_MESSAGES = "send_messages"
    TICK = "tick"


@cache
def redis() -> Redis:
    """Return the process's Redis client; connections are made when first used and checked when idle."""
    return Redis.from_url(load().redis_url, socket_timeout=5, socket_connect_timeout=5, health_check_interval=30)


def queue(work: Work) -> Queue:
    """Return the RQ queue of one kind of work."""
    return Queue(work.value, connection=redis(), serializer=JSONSerializer, default_timeout=JOB_TIMEOUT_SECONDS)


def _mark(work: Work, tenant_id: UUID) -> str:
    return f"fairway:awake:{work}:{tenant_id}"


def wake(work: Work, tenant_id: UUID) -> None:
    """Wake a worker for `work` of the tenant once the open transaction has committed."""
    after_commit(lambda: enqueue(work, tenant_id))


def enqueue(work: Work, tenant_id: UUID) -> None:
    """Put one wake-up on the queue, unless one is waiting there already; without Redis, leave it to the tick."""
    try:
        if redis().set(_mark(work, tenant_id), 1, nx=True, ex=COALESCE_SECONDS):
            queue(work).enqueue(f"app.tasks.work.{work}", str(tenant_id), result_ttl=0, failure_ttl=7 * 86400)
    except RedisError as error:
        log.warning("No wake-up for %s of %s (the tick will find it): %s", work, tenant_id, error)


def awake(work: Work, tenant_id: UUID) -> None:
    """Take down the mark of a waiting wake-up: called first by the job, so that work arriving now wakes again."""
    redis().delete(_mark(work, tenant_id))


def tick_interval() -> timedelta:
    """Return how long the scheduler lets pass between two looks for due work."""
    return timedelta(seconds=TICK_SECONDS)
