"""What those who keep it running see: health, queues, failed jobs, the mounted dashboard."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty
from sqlalchemy import text
from time_machine import travel

from app.analytics import work
from app.campaigns import awaiting
from app.cli.worker import TickScheduler, Worker
from app.infra import clock, queue
from app.infra.db import dispatching, look_up_by_index, transaction
from app.infra.heartbeat import beat, silent_for
from app.infra.queue import Work
from app.tasks import work as tasks
from tests.journeys.helpers import admit, journey, people, wait
from tests.page_client import PageClient
from tests.plans import plan_of, read


def test_health_needs_nobody(app: Flask) -> None:
    assert app.test_client().get("/health").get_json() == {"status": "ok"}


def test_ready_names_what_is_missing(app: Flask) -> None:
    answer = app.test_client().get("/ready")
    assert answer.status_code == 503
    assert answer.get_json()["checks"] == {
        "database": "ok",
        "redis": "ok",
        "migrations": "ok",
        "scheduler": "has not ticked yet",
    }
    beat("tick")
    assert app.test_client().get("/ready").status_code == 200


def test_ready_tells_of_a_scheduler_that_stopped(app: Flask) -> None:
    beat("tick")
    with transaction(None) as session:
        session.execute(text("UPDATE heartbeat SET at = now() - interval '5 minutes'"))
    assert "ago" in app.test_client().get("/ready").get_json()["checks"]["scheduler"]


@pytest.mark.parametrize("minutes", [5, -5])
def test_ready_goes_by_one_clock_whatever_the_database_s_is(app: Flask, minutes: int) -> None:
    beat("tick")
    with travel(clock.now() + timedelta(minutes=minutes)):
        assert app.test_client().get("/ready").get_json()["checks"]["scheduler"] == "ok"


def run_waiting_jobs() -> None:
    """Run everything that is queued, in this process."""
    worker = Worker([queue.queue(one) for one in Work], connection=queue.redis(), serializer=JSONSerializer)
    worker.death_penalty_class = TimerDeathPenalty
    worker.work(burst=True, logging_level="CRITICAL")


@pytest.fixture
def failed_job(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A wake-up of `tenant` whose work raised something with a customer's address in it."""

    def broken(**_values: Any) -> int:
        raise ValueError("ann@example.com is not to be seen by ops")

    monkeypatch.setattr(tasks.sender, "send_batch", broken)
    queue.enqueue(Work.SEND_MESSAGES, tenant.id)
    run_waiting_jobs()
    (job,) = queue.failed(tenant.id)
    return job.id


def test_a_failed_job_shows_its_cause_without_personal_data(
    failed_job: str, client: PageClient, sign_in: Callable[..., UUID]
) -> None:
    sign_in("ops")
    page = client.get("/ops/queues").text
    assert "ValueError, reference" in page
    assert "ann@example.com" not in page


def test_a_failed_job_can_be_retried(
    failed_job: str, tenant: Any, client: PageClient, sign_in: Callable[..., UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in("ops")
    client.post(f"/ops/jobs/{failed_job}/retry", status=302)
    assert queue.waiting()[Work.SEND_MESSAGES] == 1
    assert queue.failed(tenant.id) == []
    monkeypatch.undo()
    run_waiting_jobs()
    assert queue.failed(tenant.id) == []


def test_a_failed_job_can_be_forgotten_once(
    failed_job: str, tenant: Any, client: PageClient, sign_in: Callable[..., UUID]
) -> None:
    sign_in("ops")
    client.post(f"/ops/jobs/{failed_job}/remove", status=302)
    assert queue.failed(tenant.id) == []
    client.post(f"/ops/jobs/{failed_job}/remove", status=404)


def test_another_tenants_jobs_are_nobodys_here(
    failed_job: str, other_tenant: Any, client: PageClient, sign_in: Callable[..., UUID]
) -> None:
    sign_in("ops", other_tenant)
    assert "ValueError" not in client.get("/ops/queues").text
    client.post(f"/ops/jobs/{failed_job}/retry", status=404)
    assert len(queue.queue(Work.SEND_MESSAGES).failed_job_registry.get_job_ids()) == 1


@pytest.mark.parametrize("role", ["marketer", "staff", "viewer"])
def test_queues_are_for_ops(role: str, client: PageClient, sign_in: Callable[..., UUID]) -> None:
    sign_in(role)
    client.get("/ops/queues", status=403)
    client.get("/ops/rq/", status=403)


def test_the_dashboard_is_mounted_for_ops_with_csrf(
    failed_job: str, app: Flask, client: PageClient, sign_in: Callable[..., UUID]
) -> None:
    assert app.test_client().get("/ops/rq/").status_code == 302
    sign_in("ops")
    answer = client.http.get("/ops/rq/")
    assert answer.status_code == 200
    cookie = client.http.get_cookie("_csrf_token", path="/ops/rq")
    assert cookie is not None
    delete = f"/ops/rq/job/{failed_job}/delete"
    assert client.http.post(delete).status_code == 400
    assert client.http.get(f"/ops/rq/requeue/{Work.SEND_MESSAGES}").status_code == 405
    assert client.http.post(delete, headers={"X-CSRFToken": cookie.value}).status_code == 200


def test_wake_ups_of_one_tenant_are_one_job(tenant: Any) -> None:
    for _ in range(5):
        queue.enqueue(Work.PROCESS_EVENTS, tenant.id)
    assert queue.waiting()[Work.PROCESS_EVENTS] == 1
    queue.awake(Work.PROCESS_EVENTS, tenant.id)
    queue.enqueue(Work.PROCESS_EVENTS, tenant.id)
    assert queue.waiting()[Work.PROCESS_EVENTS] == 2


def test_who_saw_a_wake_up_does_not_look_again_as_long_as_its_job_waits(
    tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(queue.time, "sleep", waited.append)
    monkeypatch.setattr(queue, "SEEN_SECONDS", 60.0)
    queue.enqueue(Work.PROCESS_EVENTS, tenant.id)
    # A worker, which is another process, takes the mark down: it will not begin before 60 seconds are over.
    queue.redis().delete(queue.mark(Work.PROCESS_EVENTS, tenant.id))
    queue.enqueue(Work.PROCESS_EVENTS, tenant.id)
    assert queue.waiting()[Work.PROCESS_EVENTS] == 1
    monkeypatch.setattr(queue, "SEEN_SECONDS", 0.0)
    queue.enqueue(Work.PROCESS_EVENTS, tenant.id)
    assert queue.waiting()[Work.PROCESS_EVENTS] == 2
    monkeypatch.setattr(queue, "SEEN_SECONDS", 60.0)
    queue.awake(Work.PROCESS_EVENTS, tenant.id)
    queue.awake(Work.SEND_MESSAGES, tenant.id)
    assert waited == [60.0]


def test_the_scheduler_puts_its_tick_back_and_never_piles_it_up() -> None:
    scheduler = TickScheduler(connection=queue.redis(), interval=1)
    scheduler.enqueue_jobs()
    assert queue.waiting()[Work.TICK] == 1
    queue.redis().flushdb()
    scheduler.enqueue_jobs()
    (job_id,) = queue.queue(Work.TICK).get_job_ids()
    job = Job.fetch(job_id, connection=queue.redis(), serializer=JSONSerializer)
    scheduler.enqueue_job(job)
    assert queue.waiting()[Work.TICK] == 1


def test_a_clock_that_is_set_back_keeps_no_tick_waiting() -> None:
    now = clock.now()
    scheduler = TickScheduler(connection=queue.redis(), interval=1)
    with travel(now, tick=False):
        scheduler.enqueue_jobs()
        queue.queue(Work.TICK).empty()
        scheduler.enqueue_jobs()
    assert queue.waiting()[Work.TICK] == 0, "it is not due yet"
    with travel(now - timedelta(hours=1), tick=False):
        scheduler.enqueue_jobs()
    assert queue.waiting()[Work.TICK] == 1


def test_the_tick_beats_and_wakes_who_has_work_due(tenant: Any, other_tenant: Any) -> None:
    with transaction(tenant.id) as session:
        session.execute(
            text("""INSERT INTO inbound_event (tenant_id, source, event_id, type, occurred_at, identity, payload)
                    VALUES (:t, 's', '1', 'x', now(), '{}', '{}')"""),
            {"t": tenant.id},
        )
    tasks.tick()
    assert silent_for("tick") is not None
    (job_id,) = queue.queue(Work.PROCESS_EVENTS).get_job_ids()
    job = Job.fetch(job_id, connection=queue.redis(), serializer=JSONSerializer)
    assert list(job.args) == [str(tenant.id)]


def test_a_warning_that_fails_keeps_back_no_campaign_and_tells_ops_nothing_of_customers(
    tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("thandi@club.example")

    done: list[UUID] = []
    monkeypatch.setattr(awaiting, "warn", fail)
    monkeypatch.setattr(tasks.campaigns, "run_step", lambda tenant_id, **_: done.append(tenant_id) or 0)
    with pytest.raises(tasks.WorkFailed) as told:
        tasks.run_campaigns(str(tenant.id))
    assert done == [tenant.id]
    assert "thandi" not in str(told.value)


def test_the_tick_looks_for_due_work_by_indexes_alone(tenant: Any) -> None:
    """Hashing what is due of all tenants would read it all, however much has been left lying."""
    with dispatching() as session:
        look_up_by_index(session, in_order=True)
        plan = list(session.scalars(text(f"EXPLAIN {tasks.DUE.text}"), {"now": clock.now()}))
    assert [line for line in plan if any(word in line for word in ("hashed", "Hash", "Bitmap", "Seq Scan"))] == [], plan
    of_people = [line for line in plan if "journey_enrollment" in line]
    assert len(of_people) == 1
    assert "ix_journey_enrollment_turn" in of_people[0]


def test_backlogs_count_what_is_due_and_what_was_done(tenant: Any) -> None:
    now = clock.now()
    work.record(tenant_id=tenant.id, work=Work.SEND_MESSAGES, done=40, now=now - timedelta(minutes=1))
    work.record(tenant_id=tenant.id, work=Work.SEND_MESSAGES, done=2, now=now - timedelta(minutes=1))
    with transaction(tenant.id) as session:
        session.execute(
            text("""INSERT INTO message (tenant_id, channel, purpose, dedupe_key, status, due_at)
                    SELECT :t, 'EMAIL', 'marketing', n::text, 'queued', now() + make_interval(hours => n)
                    FROM generate_series(-2, 2) n"""),
            {"t": tenant.id},
        )
    found = {one.work: one for one in work.backlogs(tenant_id=tenant.id, now=clock.now())}
    sending = found[Work.SEND_MESSAGES]
    assert (sending.due, sending.parked, sending.done_last_hour) == (3, 2, 42)


def test_a_backlog_of_people_is_read_no_further_than_is_counted(tenant: Any) -> None:
    now = clock.now()
    for name in ("First", "Second", "Third"):
        made = journey(tenant.id, [wait("w", None, "1 day")], name=name)
        admit(tenant.id, made.id, people(tenant.id, 3))
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE journey_enrollment SET due_at = :at"), {"at": now - timedelta(hours=1)})
    found = {one.work: one for one in work.backlogs(tenant_id=tenant.id, now=now)}[Work.ADVANCE_JOURNEYS]
    assert (found.due, found.parked, found.oldest_due) == (9, 0, now - timedelta(hours=1))
    with transaction(tenant.id) as session:
        look_up_by_index(session, in_order=True)
        asked = {"tenant_id": tenant.id, "now": now, "counted": 2}
        query = work._BACKLOG[Work.ADVANCE_JOURNEYS][2]
        assert session.execute(text(query), asked).one().due == 2
        plan = plan_of(session, query, asked, run=True)
    # Two of all that are due, and the first of each journey for who waits longest.
    assert max(read(node) for node in plan if node.get("Relation Name") == "journey_enrollment") <= 3, plan


def test_old_counts_are_forgotten(tenant: Any) -> None:
    long_ago = clock.now().replace(minute=30) - work.KEPT
    work.record(tenant_id=tenant.id, work=Work.SEND_MESSAGES, done=40, now=long_ago)
    work.record(
        tenant_id=tenant.id,
        work=Work.SEND_MESSAGES,
        done=2,
        now=(long_ago + work.KEPT + timedelta(hours=1)).replace(minute=0),
    )
    with transaction(tenant.id) as session:
        assert session.execute(text("SELECT done FROM work_count")).scalars().all() == [2]


def test_an_unknown_job_is_gone(client: PageClient, sign_in: Callable[..., UUID]) -> None:
    sign_in("owner")
    client.post(f"/ops/jobs/{uuid4()}/retry", status=404)


def test_a_turn_does_not_end_while_something_was_left_for_later(tenant: Any) -> None:
    left: list[str] = []

    def step(_: UUID) -> int:
        if left:
            left.clear()
            return 1
        left.append("what another worker held up")
        return 0

    tasks._turn(Work.PROCESS_EVENTS, tenant.id, step, more=lambda _: bool(left))
    assert left == []


@pytest.mark.parametrize(("waits", "done"), [(None, 4), (Work.TICK, 4), (Work.REFRESH_SEGMENTS, 1)])
def test_a_backlog_lets_other_work_in_after_a_batch(tenant: Any, waits: Work | None, done: int) -> None:
    if waits:
        queue.enqueue(waits, tenant.id)
    left = [1] * 4
    tasks._turn(Work.SEND_MESSAGES, tenant.id, lambda _: left.pop() if left else 0)
    assert 4 - len(left) == done
    # What is left has a turn of its own.
    assert queue.queue(Work.SEND_MESSAGES).count == (1 if left else 0)
