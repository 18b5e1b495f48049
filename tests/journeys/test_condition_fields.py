"""Where people are in journeys, and in which segments, as conditions ask of it; the words are people's own."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.conditions import compile_sql, explain, parse
from app.customers import custom_fields
from app.customers.models import Customer
from app.infra import clock
from app.infra.db import transaction
from app.journeys import lifecycle
from app.road import condition_names
from app.segments import service as segments
from app.segments.models import SegmentMember
from tests.journeys import helpers as journeys


def yes(tenant_id: UUID, *rules: Any) -> set[UUID]:
    """Return who is found by conditions."""
    tree = parse(list(rules), custom_fields.catalogue(tenant_id=tenant_id))
    with transaction(tenant_id) as session:
        return set(session.scalars(select(Customer.id).where(compile_sql(tree).is_(True))))


def rule(name: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": name, "operator": operator} | ({} if value is None else {"value": value})


def in_words(tenant_id: UUID, *rules: Any) -> str:
    names = {field: dict(some) for field, some in condition_names(tenant_id).items()}
    return explain(parse(list(rules), custom_fields.catalogue(tenant_id=tenant_id)), names=names)


def test_who_is_in_a_journey_was_in_it_and_where_they_stand(tenant: Any) -> None:
    start = journeys.step("start", "TRIGGER", "pause", {"event_type": "MANUAL", "conditions": []})
    steps = [start, journeys.wait("pause", "end", "3 days"), journeys.step("end", "END")]
    long = journeys.journey(tenant.id, steps, name="Long", trigger_type="MANUAL")
    ends = [journeys.step("start", "TRIGGER", "end", {"event_type": "MANUAL", "conditions": []}), steps[2]]
    short = journeys.journey(tenant.id, ends, name="Short", trigger_type="MANUAL")
    waits, done, both, none = journeys.people(tenant.id, 4)
    journeys.admit(tenant.id, long.id, [waits, both])
    journeys.admit(tenant.id, short.id, [done, both])
    while journeys.advance_batch(tenant_id=tenant.id, now=journeys.NOW):
        pass
    assert yes(tenant.id, rule("journeys", "contains", str(long.id))) == {waits, both}
    assert yes(tenant.id, rule("journeys", "contains", str(short.id))) == set()
    assert yes(tenant.id, rule("journeys_finished", "contains", str(short.id))) == {done, both}
    assert yes(tenant.id, rule("journeys_ever", "in", [str(long.id), str(short.id)])) == {waits, done, both}
    assert yes(tenant.id, rule("journeys_ever", "isNull")) == {none}
    assert yes(tenant.id, rule("journeys", "not_in", [str(long.id)])) == {done, none}
    at = rule("journey_steps", "contains", f"{long.id}/pause")
    assert yes(tenant.id, at) == {waits, both}
    assert yes(tenant.id, rule("journey_steps", "contains", f"{long.id}/end")) == set()
    assert "Long: Wait" in in_words(tenant.id, at)
    lifecycle.archive(tenant_id=tenant.id, journey_id=short.id, actor="system")
    assert "Short (archived)" in in_words(tenant.id, rule("journeys_ever", "contains", str(short.id)))


def test_who_is_in_a_segment(tenant: Any, other_tenant: Any) -> None:
    made = segments.create(tenant_id=tenant.id, actor="system", name="Lapsed", type="STATIC")
    ann, ben = journeys.people(tenant.id, 2)
    with transaction(tenant.id) as session:
        session.add(SegmentMember(tenant_id=tenant.id, segment_id=made.id, customer_id=ann, entered_at=clock.now()))
    asked = rule("segments", "contains", str(made.id))
    assert yes(tenant.id, asked) == {ann}
    assert yes(tenant.id, rule("segments", "not_contains", str(made.id))) == {ben}
    assert yes(tenant.id, rule("segments", "isNull")) == {ben}
    assert "Lapsed" in in_words(tenant.id, asked)
    assert str(made.id) not in in_words(tenant.id, asked)
    assert condition_names(other_tenant.id)["segments"] == []


def test_the_card_of_a_step_names_what_it_asks_for(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    made = segments.create(tenant_id=tenant.id, actor="system", name="Lapsed & gone", type="STATIC")
    one = journeys.journey(
        tenant.id,
        [
            journeys.step("start", "TRIGGER", "ask", {"event_type": "MANUAL", "conditions": []}),
            journeys.asks("ask", "end", "end", rule("segments", "contains", str(made.id))),
            journeys.step("end", "END"),
        ],
        active=False,
    )
    assert "Lapsed &amp; gone" in client.get(f"/journeys/{one.id}").text
