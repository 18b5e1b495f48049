"""Journeys that begin with the end of another one, that start another one, and what is known of who enters by hand."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from app.capture.service import process_batch
from app.conditions import InvalidConditions
from app.infra import clock
from app.infra.db import transaction
from app.journeys import lifecycle, queries, service
from app.journeys.engine import circles, enrol, exits
from app.journeys.engine.advance import advance_batch
from app.journeys.kinds import words_of
from app.journeys.models import Journey, JourneyVersion
from app.road import HANDLERS
from app.segments import service as segments
from tests.journeys.helpers import (
    NOW,
    admit,
    check_counters,
    in_the_way,
    journey,
    people,
    rows,
    run,
    send,
    statuses,
    step,
    tag,
    tags,
    template,
    wait,
)

ACTOR = "system"


def start(key: str, to: str | None, journey_id: UUID) -> dict[str, Any]:
    return step(key, "START_JOURNEY", to, {"journey_id": str(journey_id)})


def after(tenant: Any, first: Journey, *, end: str = "journey.completed", **settings: Any) -> Journey:
    """Return an active journey that begins with the end of another one."""
    return journey(
        tenant.id,
        [tag("mark", None, "after")],
        name="After",
        trigger_type=end,
        trigger_config={"journey_id": str(first.id)},
        **settings,
    )


def go_on(tenant: Any) -> None:
    while process_batch(tenant_id=tenant.id, now=NOW, handlers=HANDLERS) or advance_batch(tenant_id=tenant.id, now=NOW):
        pass


def test_who_completes_a_journey_enters_the_one_that_waits_for_it(tenant: Any) -> None:
    first = journey(tenant.id, [tag("mark", None, "first")])
    other = journey(tenant.id, [tag("mark", None, "other")], name="Other")
    second = after(tenant, first)
    [member, stranger] = people(tenant.id, 2)
    admit(tenant.id, first.id, [member])
    admit(tenant.id, other.id, [stranger])
    go_on(tenant)
    assert tags(tenant.id, member) == ["first", "after"]
    assert tags(tenant.id, stranger) == ["other"]
    [entered] = rows(tenant.id, "SELECT trigger_data FROM journey_enrollment WHERE journey_id = :id", id=second.id)
    assert entered.trigger_data["journey"] == "Welcome"
    check_counters(tenant.id, second.id)


def test_who_leaves_before_the_end_enters_the_one_that_waits_for_that(tenant: Any) -> None:
    first = journey(tenant.id, [wait("rest", None, "3 days")])
    after(tenant, first, end="journey.left")
    [gone, stays] = people(tenant.id, 2)
    made = admit(tenant.id, first.id, [gone, stays])
    run(tenant.id)
    exits.exit_enrollments(tenant_id=tenant.id, enrollment_ids=[made[gone]], now=NOW)
    go_on(tenant)
    assert tags(tenant.id, gone) == ["after"]
    assert tags(tenant.id, stays) == []


def test_nothing_is_told_where_no_journey_waits(tenant: Any) -> None:
    first = journey(tenant.id, [tag("mark", None, "first")])
    admit(tenant.id, first.id, people(tenant.id))
    run(tenant.id)
    assert rows(tenant.id, "SELECT id FROM inbound_event") == []


def test_two_journeys_that_wait_for_each_other_stop(tenant: Any) -> None:
    one = journey(tenant.id, [tag("mark", None, "one")], allow_reentry=True)
    two = after(tenant, one, allow_reentry=True)
    config = {"event_type": "journey.completed", "journey_id": str(two.id)}
    service.configure_step(tenant_id=tenant.id, journey_id=one.id, actor=ACTOR, key="trigger", config=config)
    lifecycle.publish(tenant_id=tenant.id, journey_id=one.id, actor=ACTOR, now=NOW)
    admit(tenant.id, one.id, people(tenant.id))
    go_on(tenant)
    counts = rows(tenant.id, "SELECT count(*) AS walks FROM journey_enrollment GROUP BY journey_id ORDER BY 1")
    assert [row.walks for row in counts] == [circles.MOST, circles.MOST + 1]


@pytest.mark.parametrize(
    ("config", "words"),
    [({}, "Choose the journey."), ({"journey_id": "01990000-0000-7000-8000-000000000000"}, "does not exist")],
)
def test_the_journey_that_ends_must_be_there(tenant: Any, config: dict[str, Any], words: str) -> None:
    made = journey(tenant.id, [tag("mark", None, "x")], active=False)
    config = {"event_type": "journey.completed", **config}
    service.configure_step(tenant_id=tenant.id, journey_id=made.id, actor=ACTOR, key="trigger", config=config)
    assert words in in_the_way(tenant.id, made.id)["steps.trigger.journey_id"]


def test_a_journey_does_not_wait_for_itself(tenant: Any) -> None:
    made = journey(tenant.id, [tag("mark", None, "x")], active=False)
    config = {"event_type": "journey.completed", "journey_id": str(made.id)}
    service.configure_step(tenant_id=tenant.id, journey_id=made.id, actor=ACTOR, key="trigger", config=config)
    assert "its own end" in in_the_way(tenant.id, made.id)["steps.trigger.journey_id"]


def test_a_segment_can_t_ask_for_the_end_of_a_journey(tenant: Any) -> None:
    criteria = {"combinator": "AND", "rules": [{"event": "journey.completed", "operator": "gte", "value": 1}]}
    with pytest.raises(InvalidConditions) as refused:
        segments.create(tenant_id=tenant.id, actor=ACTOR, name="Done", criteria=criteria, now=NOW)
    assert "Ask which journeys" in "".join(refused.value.errors.values())


def test_a_step_starts_another_journey_and_goes_on(tenant: Any) -> None:
    other = journey(tenant.id, [tag("mark", None, "other")], name="Other")
    first = journey(tenant.id, [start("start", "mark", other.id), tag("mark", None, "first")])
    members = people(tenant.id, 3)
    enrol.enrol_manually(
        tenant_id=tenant.id, journey_id=first.id, customer_ids=members, data={"voucher": "A-1"}, now=NOW
    )
    run(tenant.id)
    assert all(sorted(tags(tenant.id, one)) == ["first", "other"] for one in members)
    entered = rows(tenant.id, "SELECT trigger_data FROM journey_enrollment WHERE journey_id = :id", id=other.id)
    assert [row.trigger_data for row in entered] == [{"voucher": "A-1", "from_journey_id": str(first.id)}] * 3
    for one in (first, other):
        check_counters(tenant.id, one.id)
    graph = queries.draft(first)
    assert words_of(graph.steps["start"], queries.known(tenant_id=tenant.id)) == "Start “Other”"


def results(tenant: Any) -> dict[UUID, dict[str, Any]]:
    found = rows(
        tenant.id,
        "SELECT e.customer_id, s.result FROM journey_enrollment_step s"
        " JOIN journey_enrollment e ON e.id = s.enrollment_id WHERE s.step_key = 'start'",
    )
    return {row.customer_id: row.result for row in found}


def test_who_may_not_enter_goes_on_and_the_path_tells_why(tenant: Any) -> None:
    other = journey(tenant.id, [wait("rest", None, "3 days")], name="Other", max_enrollments=2)
    first = journey(tenant.id, [start("start", "mark", other.id), tag("mark", None, "first")])
    [inside, fresh, late] = people(tenant.id, 3)
    admit(tenant.id, other.id, [inside])
    for one in (inside, fresh, late):
        admit(tenant.id, first.id, [one])
        run(tenant.id)
    told = results(tenant)
    assert [(one["started"], one.get("reason", "")[:22]) for one in map(told.get, (inside, fresh, late)) if one] == [
        (False, "This customer is in th"),
        (True, ""),
        (False, "The journey is full: i"),
    ]
    lifecycle.pause(tenant_id=tenant.id, journey_id=other.id, actor=ACTOR)
    [another] = people(tenant.id)
    admit(tenant.id, first.id, [another])
    run(tenant.id)
    assert results(tenant)[another]["reason"] == "People can enter an active journey only; this one is paused."
    assert statuses(tenant.id)[another][0] == "COMPLETED"
    check_counters(tenant.id, other.id)


def test_a_circle_without_a_wait_is_refused(tenant: Any) -> None:
    one = journey(tenant.id, [tag("mark", None, "one")], name="One")
    two = journey(tenant.id, [start("start", None, one.id)], name="Two")
    back = [start("start", None, two.id)]
    service.put_steps(tenant_id=tenant.id, journey_id=one.id, actor=ACTOR, steps=back)
    assert "starts this journey again" in in_the_way(tenant.id, one.id)["steps.start.journey_id"]
    waits = [wait("rest", "start", "1 day"), start("start", None, two.id)]
    service.put_steps(tenant_id=tenant.id, journey_id=one.id, actor=ACTOR, steps=waits)
    lifecycle.activate(tenant_id=tenant.id, journey_id=one.id, actor=ACTOR, now=NOW)


def test_a_journey_does_not_start_itself(tenant: Any) -> None:
    made = journey(tenant.id, [tag("mark", None, "one")], active=False)
    service.put_steps(tenant_id=tenant.id, journey_id=made.id, actor=ACTOR, steps=[start("start", None, made.id)])
    assert "can't start itself" in in_the_way(tenant.id, made.id)["steps.start.journey_id"]


def test_a_circle_that_slipped_by_stops(tenant: Any) -> None:
    """Both were checked while the other was another one: the floor catches what the checks can't see."""
    one = journey(tenant.id, [tag("mark", None, "one")], name="One", allow_reentry=True)
    two = journey(tenant.id, [start("start", None, one.id)], name="Two", allow_reentry=True)
    graph = {"steps": [step("trigger", "TRIGGER", "start", {"event_type": "MANUAL"}), start("start", None, two.id)]}
    service.put_steps(tenant_id=tenant.id, journey_id=one.id, actor=ACTOR, steps=[wait("rest", None, "1 day")])
    lifecycle.publish(tenant_id=tenant.id, journey_id=one.id, actor=ACTOR, now=NOW)
    with transaction(tenant.id) as session:
        session.execute(
            update(JourneyVersion)
            .where(JourneyVersion.journey_id == one.id, JourneyVersion.number == 2)
            .values(graph=graph)
        )
    admit(tenant.id, two.id, people(tenant.id))
    run(tenant.id)
    assert any(one.get("reason") == circles.REASON for one in results(tenant).values())


def test_what_is_known_by_the_api_is_the_event_of_templates(tenant: Any, api: Any) -> None:
    made = journey(tenant.id, [send("mail", None, template(tenant.id))])
    [member] = people(tenant.id)
    body = {"customer_id": str(member), "data": {"voucher": "A-1", "places": 2}}
    assert api.post(f"/journeys/{made.id}/enrollments", json=body).status_code == 201
    run(tenant.id, clock.now())
    [message] = rows(tenant.id, "SELECT context FROM message")
    assert message.context["event"] == {"voucher": "A-1", "places": 2}


def test_data_that_is_too_much_is_refused(tenant: Any, api: Any) -> None:
    made = journey(tenant.id, [tag("mark", None, "one")])
    [member] = people(tenant.id)
    body = {"customer_id": str(member), "data": {"text": "x" * 20_000}}
    assert api.post(f"/journeys/{made.id}/enrollments", json=body).status_code == 422
