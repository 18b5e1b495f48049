"""`flask worker` and `flask scheduler`: the processes behind the pages."""

import gc
import logging
import time
from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import with_appcontext
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import DequeueStrategy
from rq_scheduler import Scheduler

from app.infra import queue
from app.infra.db import db

log = logging.getLogger(__name__)
# A worker that vanished is forgotten after this; rq's own 420 s would show dead workers as alive for minutes.
WORKER_TTL_SECONDS = 60
MAINTENANCE_SECONDS = 30
RETRY_SECONDS = 1
TICK_ID = "tick"
COLLECT_AFTER = (50_000, 20, 100)
"""A batch makes tens of thousands of objects at once, and none of them in a circle."""


class Worker(SimpleWorker):
    """Runs jobs in its own process: forking for each costs 13 ms, and a job here is one short batch of work.

    What a fork would protect from is covered elsewhere: due work stands in Postgres, and the process is restarted.
    """

    def perform_job(self, job: Job, queue: Queue) -> bool:
        """Run one job, and give its database connection back whatever happens."""
        try:
            return bool(super().perform_job(job, queue))
        finally:
            db.session.remove()


class TickJob(Job):
    """A job that always reads and writes JSON: rq-scheduler forgets to pass the serializer on, and pickles."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["serializer"] = JSONSerializer
        super().__init__(*args, **kwargs)


class TickScheduler(Scheduler):  # type: ignore[misc]  # rq-scheduler is untyped
    """Fires the tick, and puts its recurrence back whenever it is gone, or the clock was set back behind it.

    rq-scheduler loses a recurrence when it dies between taking it and putting it back, and a flushed Redis loses all
    (measured; app/infra/queue.py tells why that must not matter).
    """

    job_class = TickJob

    def enqueue_jobs(self) -> Any:
        """Queue the tick when it is due."""
        due = self.connection.zscore(self.scheduled_jobs_key, TICK_ID)
        if due is None or due > time.time() + queue.TICK_SECONDS:
            self.schedule(
                datetime.now(UTC).replace(tzinfo=None),  # rq-scheduler reads naive times as UTC
                f"app.tasks.work.{queue.Work.TICK}",
                interval=queue.TICK_SECONDS,
                id=TICK_ID,
                queue_name=queue.Work.TICK.value,
            )
        return super().enqueue_jobs()

    def enqueue_job(self, job: Job) -> None:
        """Queue `job`, unless the last one still waits: hours without workers must not pile up hours of ticks."""
        if self.get_queue_for_job(job).count:
            self.change_execution_time(job, datetime.now(UTC).replace(tzinfo=None) + queue.tick_interval())
        else:
            super().enqueue_job(job)


def collect_seldom() -> None:
    """Let this process look for circles of objects less often, and not among those it began with.

    Python looks after every 700 objects, and now and then at all there are: that took a tenth to a quarter of the
    processor time in which batches of letters are made.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


@click.command("worker")
@with_appcontext
def worker() -> None:
    """Do the work that is due, until stopped."""
    collect_seldom()
    while True:
        try:
            queues = [queue.queue(work) for work in queue.Work]
            made = Worker(
                queues,
                connection=queue.redis(),
                serializer=JSONSerializer,
                worker_ttl=WORKER_TTL_SECONDS,
                maintenance_interval=MAINTENANCE_SECONDS,
            )
            # By turns: events that never end would let nothing else begin.
            made.work(logging_level="WARNING", dequeue_strategy=DequeueStrategy.ROUND_ROBIN)
            return
        except RedisError as error:
            log.warning("Redis does not answer (%s); trying again in %s s", error, RETRY_SECONDS)
            time.sleep(RETRY_SECONDS)


@click.command("scheduler")
@with_appcontext
def scheduler() -> None:
    """Fire the tick, until stopped. Several may run; one fires, the others stand by."""
    while True:
        try:
            TickScheduler(connection=queue.redis(), interval=1).run()
        except RedisError as error:
            log.warning("Redis does not answer (%s); trying again in %s s", error, RETRY_SECONDS)
            time.sleep(RETRY_SECONDS)


COMMANDS = (worker, scheduler)
