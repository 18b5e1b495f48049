"""Nobody's backlog keeps others waiting for long: tenants take turns, and so do the journeys of each."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from app.infra import clock, queue
from app.infra.queue import Work
from app.journeys.engine import advance
from app.journeys.engine.advance import advance_batch
from app.tasks import work
from tests.journeys.helpers import NOW, admit, journey, people, rows, run, statuses, step, wait


def waiting_wake_ups() -> list[str]:
    return [job.args[0] for job in queue.queue(Work.ADVANCE_JOURNEYS).jobs]


def test_a_tenant_with_a_backlog_lets_the_next_one_have_its_turn(
    tenant: Any, other_tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(advance, "advance_batch", partial(advance_batch, limit=2))
    for one, many in ((tenant, 5), (other_tenant, 1)):
        admit(one.id, journey(one.id, [step("end", "END")]).id, people(one.id, many), now=clock.now())
    assert waiting_wake_ups() == [str(tenant.id), str(other_tenant.id)]
    queue.queue(Work.ADVANCE_JOURNEYS).pop_job_id()
    work.advance_journeys(str(tenant.id))
    assert list(statuses(tenant.id).values()).count(("COMPLETED", "completed")) == 2
    assert waiting_wake_ups() == [str(other_tenant.id), str(tenant.id)]


def waiting(tenant_id: Any, name: str, many: int, hours: int) -> Any:
    """Return a journey of that name in which so many wait until so many hours have passed."""
    made = journey(tenant_id, [wait("wait", None, f"{hours} hours")], name=name)
    admit(tenant_id, made.id, people(tenant_id, many))
    return made.id


def done(tenant_id: Any) -> dict[Any, int]:
    """Return how many are through, by journey."""
    through = "SELECT journey_id, count(*) FROM journey_enrollment WHERE status = 'COMPLETED' GROUP BY 1"
    return dict(tuple(row) for row in rows(tenant_id, through))


def test_a_journey_with_a_backlog_keeps_nobody_of_another_one_waiting(tenant: Any) -> None:
    crowded = waiting(tenant.id, "Crowded", 60, 1)
    small = waiting(tenant.id, "Small", 1, 2)
    run(tenant.id)
    later = NOW + timedelta(hours=3)
    assert advance_batch(tenant_id=tenant.id, now=later, limit=10) == 10
    assert done(tenant.id) == {crowded: 9, small: 1}


def test_what_some_journeys_leave_of_a_batch_others_get(tenant: Any) -> None:
    many, more, few = (waiting(tenant.id, name, size, 1) for name, size in (("A", 30), ("B", 30), ("C", 2)))
    run(tenant.id)
    assert advance_batch(tenant_id=tenant.id, now=NOW + timedelta(hours=3), limit=20) == 20
    assert done(tenant.id) == {many: 9, more: 9, few: 2}
    assert run(tenant.id, NOW + timedelta(hours=3)) == 42


def test_with_more_journeys_than_places_those_go_who_were_due_first(tenant: Any) -> None:
    late, early, middle = (waiting(tenant.id, name, 3, hours) for name, hours in (("A", 3), ("B", 1), ("C", 2)))
    run(tenant.id)
    assert advance_batch(tenant_id=tenant.id, now=NOW + timedelta(hours=4), limit=2) == 2
    assert done(tenant.id) == {early: 1, middle: 1}
    assert run(tenant.id, NOW + timedelta(hours=4)) == 7
    assert done(tenant.id)[late] == 3
