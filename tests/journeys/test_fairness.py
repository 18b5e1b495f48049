"""Nobody's backlog keeps others waiting for long: tenants take turns, and within one who is due first goes first."""

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


def test_a_journey_with_a_backlog_keeps_nobody_waiting_who_was_due_before(tenant: Any) -> None:
    crowded = journey(tenant.id, [wait("wait", None, "2 hours")], name="Crowded")
    small = journey(tenant.id, [wait("wait", None, "1 hour")], name="Small")
    admit(tenant.id, crowded.id, people(tenant.id, 6))
    admit(tenant.id, small.id, people(tenant.id, 1), now=NOW + timedelta(minutes=59))
    run(tenant.id, NOW + timedelta(minutes=59))
    advance_batch(tenant_id=tenant.id, now=NOW + timedelta(hours=3), limit=2)
    done = rows(tenant.id, "SELECT journey_id FROM journey_enrollment WHERE status = 'COMPLETED'")
    assert sorted(row.journey_id for row in done) == sorted([small.id, crowded.id])
