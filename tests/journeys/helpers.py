"""People, templates and journeys for tests."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.capture.batch import AppliedEvent, Batch
from app.content.models import Template
from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.ids import new_id
from app.journeys import lifecycle, queries, service
from app.journeys.engine import enrol
from app.journeys.engine.advance import advance_batch
from app.journeys.models import Journey

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
JOINED = "scl.member.created"
Json = dict[str, Any]


def people(tenant_id: UUID, count: int = 1, **values: Any) -> list[UUID]:
    """Create customers who may be written to, and return their ids."""
    with transaction(tenant_id) as session:
        made = []
        for one in range(count):
            usual = {"first_name": f"Thandi{one}", "email": f"thandi{new_id()}@example.com", "email_opt_in": True}
            made.append(Customer(tenant_id=tenant_id, **{**usual, **values}))
        session.add_all(made)
        session.flush()
        return [one.id for one in made]


def template(tenant_id: UUID, name: str = "Welcome") -> UUID:
    """Create an e-mail template and return its id."""
    with transaction(tenant_id) as session:
        made = Template(tenant_id=tenant_id, name=name, channel="EMAIL", subject="Hello", html="<p>Hi</p>", text="Hi")
        session.add(made)
        session.flush()
        return made.id


def step(key: str, type: str, to: str | None = None, config: Json | None = None, **targets: Any) -> Json:
    """Return a step as the API takes it."""
    return {"key": key, "type": type, "name": None, "config": config or {}, "next": to, **targets}


def wait(key: str, to: str | None, duration: str) -> dict[str, Any]:
    return step(key, "WAIT", to, {"duration": duration})


def tag(key: str, to: str | None, name: str) -> dict[str, Any]:
    return step(key, "UPDATE", to, {"updates": [{"field": "tags", "operation": "add", "value": name}]})


def send(key: str, to: str | None, template_id: UUID) -> dict[str, Any]:
    return step(key, "SEND", to, {"channel": "EMAIL", "template_id": str(template_id)})


def asks(key: str, yes: str | None, no: str | None, *rules: dict[str, Any], combinator: str = "AND") -> dict[str, Any]:
    return step(key, "CONDITION", None, {"rules": list(rules), "combinator": combinator}, next_yes=yes, next_no=no)


def journey(
    tenant_id: UUID, steps: Sequence[dict[str, Any]], *, name: str = "Welcome", active: bool = True, **settings: Any
) -> Journey:
    """Create a journey of these steps (its TRIGGER leads to the first) and activate it."""
    made = service.create(tenant_id=tenant_id, actor="system", name=name, **settings)
    service.put_steps(tenant_id=tenant_id, journey_id=made.id, actor="system", steps=steps)
    if active:
        lifecycle.activate(tenant_id=tenant_id, journey_id=made.id, actor="system", now=NOW)
    return queries.journey(tenant_id=tenant_id, journey_id=made.id)


def voucher_journey(tenant_id: UUID, *, active: bool = True) -> Journey:
    """Create a journey whose people get a voucher after two days."""
    steps = [
        step("t", "TRIGGER", "rest", {"event_type": "MANUAL"}),
        wait("rest", "gift", "2 days"),
        {**send("gift", None, template(tenant_id, "Voucher")), "name": "Voucher"},
    ]
    return journey(tenant_id, steps, active=active)


def in_the_way(tenant_id: UUID, journey_id: UUID) -> dict[str, str]:
    """Return what stands in the way of activating a journey, by field."""
    with pytest.raises(lifecycle.NotReady) as refused:
        lifecycle.activate(tenant_id=tenant_id, journey_id=journey_id, actor="system", now=NOW)
    return dict(refused.value.errors)


def admit(tenant_id: UUID, journey_id: UUID, customer_ids: Sequence[UUID], now: datetime = NOW) -> dict[UUID, UUID]:
    """Let people in by hand."""
    return enrol.enrol_manually(tenant_id=tenant_id, journey_id=journey_id, customer_ids=customer_ids, now=now)


def run(tenant_id: UUID, now: datetime = NOW) -> int:
    """Walk everybody on who is due and return how many that were."""
    total = 0
    while moved := advance_batch(tenant_id=tenant_id, now=now):
        total += moved
    return total


def give_up(tenant_id: UUID, now: datetime = NOW) -> datetime:
    """Walk people on until the engine tries nothing again that failed; return the moment of the last try."""
    while True:
        run(tenant_id, now)
        later = rows(tenant_id, "SELECT min(due_at) FROM journey_enrollment WHERE attempts > 0 AND status = 'ACTIVE'")
        if later[0][0] is None:
            return now
        now = later[0][0]


def event(customer_id: UUID, payload: dict[str, Any] | None = None, *, type: str = JOINED) -> AppliedEvent:
    return AppliedEvent(
        id=new_id(),
        type=type,
        source="scl",
        occurred_at=NOW - timedelta(days=3),
        payload=payload or {},
        customer_id=customer_id,
        is_new=False,
    )


def happen(tenant_id: UUID, *events: AppliedEvent, now: datetime = NOW) -> None:
    """Let journeys know of events, as capture does."""
    enrol.on_events(Batch(tenant_id=tenant_id, now=now, events=list(events)))


def rows(tenant_id: UUID, statement: str, **values: Any) -> list[Any]:
    with transaction(tenant_id) as session:
        return list(session.execute(text(statement), values).all())


def paths(tenant_id: UUID) -> dict[UUID, list[tuple[str, str]]]:
    """Return (key, status) of the steps taken, in order, by customer."""
    found: dict[UUID, list[tuple[str, str]]] = {}
    for row in rows(
        tenant_id,
        "SELECT e.customer_id, s.step_key, s.status FROM journey_enrollment_step s"
        " JOIN journey_enrollment e ON e.id = s.enrollment_id ORDER BY e.id, s.step_number",
    ):
        found.setdefault(row.customer_id, []).append((row.step_key, row.status))
    return found


def statuses(tenant_id: UUID) -> dict[UUID, tuple[str, str | None]]:
    """Return (status, exit reason) of the latest enrollment by customer."""
    found = rows(tenant_id, "SELECT customer_id, status, exit_reason FROM journey_enrollment ORDER BY id")
    return {row.customer_id: (row.status, row.exit_reason) for row in found}


def tags(tenant_id: UUID, customer_id: UUID) -> list[str]:
    found: list[str] = rows(tenant_id, "SELECT tags FROM customer WHERE id = :id", id=customer_id)[0].tags
    return found


def check_counters(tenant_id: UUID, journey_id: UUID) -> None:
    """Fail unless the counters say what the enrollments and the log say."""
    logged = rows(
        tenant_id,
        "SELECT s.step_key, count(*) FILTER (WHERE s.status = 'COMPLETED') AS completed,"
        " count(*) FILTER (WHERE s.status = 'FAILED') AS failed FROM journey_enrollment_step s"
        " JOIN journey_enrollment e ON e.id = s.enrollment_id WHERE e.journey_id = :id GROUP BY 1",
        id=journey_id,
    )
    standing = rows(
        tenant_id,
        "SELECT current_step_key AS key, count(*) AS people FROM journey_enrollment"
        " WHERE journey_id = :id AND status = 'ACTIVE' GROUP BY 1",
        id=journey_id,
    )
    counts = queries.step_counts(tenant_id=tenant_id, journey_id=journey_id)
    for key, count in counts.items():
        here = next((row for row in logged if row.step_key == key), None)
        assert (count.completed, count.failed) == ((here.completed, here.failed) if here else (0, 0)), key
        assert count.active == next((row.people for row in standing if row.key == key), 0), key
        assert count.entered == count.active + count.completed + count.failed + count.skipped, key
    ways = rows(
        tenant_id,
        "SELECT s.step_key, s.exit, count(*) AS people FROM journey_enrollment_step s"
        " JOIN journey_enrollment e ON e.id = s.enrollment_id"
        " WHERE e.journey_id = :id AND s.exit IS NOT NULL GROUP BY 1, 2",
        id=journey_id,
    )
    passed = {(key, exit): number for key, count in counts.items() for exit, number in count.ways.items()}
    assert passed == {(row.step_key, row.exit): row.people for row in ways}
    found = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    statement = "SELECT status, count(*) FROM journey_enrollment WHERE journey_id = :id GROUP BY 1"
    by_status = dict(rows(tenant_id, statement, id=journey_id))
    assert found.total_enrolled == sum(by_status.values())
    assert found.total_completed == by_status.get("COMPLETED", 0)
    assert found.total_exited == by_status.get("EXITED", 0)
    assert found.total_failed == by_status.get("FAILED", 0)
    check_cohorts(tenant_id, journey_id)


def check_cohorts(tenant_id: UUID, journey_id: UUID) -> None:
    """Fail unless the weeks and versions say what the enrollments say."""
    told = rows(
        tenant_id,
        "SELECT week, version, entered, completed, exited, failed, converted FROM journey_cohort"
        " WHERE journey_id = :id ORDER BY 1, 2",
        id=journey_id,
    )
    true = rows(
        tenant_id,
        "SELECT entered_week, entered_version, count(*), count(*) FILTER (WHERE status = 'COMPLETED'),"
        " count(*) FILTER (WHERE status = 'EXITED'), count(*) FILTER (WHERE status = 'FAILED'), count(converted_at)"
        " FROM journey_enrollment WHERE journey_id = :id GROUP BY 1, 2 ORDER BY 1, 2",
        id=journey_id,
    )
    assert told == true
    brought = (
        "SELECT week, version, currency, people, amount FROM journey_revenue WHERE journey_id = :id ORDER BY 1, 2, 3"
    )
    paid = (
        "SELECT entered_week, entered_version, converted_currency, count(*), sum(converted_amount)"
        " FROM journey_enrollment WHERE journey_id = :id AND converted_currency IS NOT NULL"
        " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    assert rows(tenant_id, brought, id=journey_id) == rows(tenant_id, paid, id=journey_id)
