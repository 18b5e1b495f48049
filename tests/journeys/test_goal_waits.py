"""GOAL: who comes to it without having reached it may wait there."""

from datetime import timedelta
from typing import Any

import pytest

from app.accounts.models import Tenant
from app.capture.batch import AppliedEvent
from app.infra.ids import new_id
from app.journeys import lifecycle, service
from app.journeys.kinds import check_graph, read_graph, words_of
from app.journeys.step_type import Known
from app.journeys.steps.goal import FIRST_LOOK, LOOK_EVERY
from tests.journeys.helpers import (
    NOW,
    Json,
    admit,
    check_counters,
    event,
    happen,
    journey,
    paths,
    people,
    rows,
    run,
    statuses,
    step,
    tag,
    tags,
)

BOOKED = "teetime.completed"
DAY = timedelta(days=1)


def goal(**config: Any) -> Json:
    return step("g", "GOAL", "after", {"otherwise": "wait", "at_most": "3 days", **config})


def test_they_wait_until_the_event_and_go_on_then(tenant: Tenant) -> None:
    made = journey(tenant.id, [goal(event_type=BOOKED), tag("after", None, "on")])
    who, late, other = everybody = people(tenant.id, 3)
    admit(tenant.id, made.id, everybody)
    run(tenant.id)
    assert {path[-1] for path in paths(tenant.id).values()} == {("g", "IN_PROGRESS")}
    happen(tenant.id, event(who, type=BOOKED), event(other, type="scl.member.updated"), now=NOW + DAY)
    run(tenant.id, NOW + DAY)
    assert (tags(tenant.id, who), tags(tenant.id, late), tags(tenant.id, other)) == (["on"], [], [])
    told = rows(tenant.id, "SELECT result FROM journey_enrollment_step WHERE step_key = 'g' AND status = 'COMPLETED'")
    assert told[0].result == {"reached": True}
    check_counters(tenant.id, made.id)
    run(tenant.id, NOW + 3 * DAY)
    assert statuses(tenant.id)[late] == statuses(tenant.id)[other] == ("EXITED", "goal_missed")
    check_counters(tenant.id, made.id)


def test_who_has_waited_in_vain_may_go_on(tenant: Tenant) -> None:
    made = journey(tenant.id, [goal(event_type=BOOKED, then="go_on"), tag("after", None, "on")])
    (who,) = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    run(tenant.id, NOW + 3 * DAY - timedelta(seconds=1))
    assert statuses(tenant.id)[who][0] == "ACTIVE"
    run(tenant.id, NOW + 3 * DAY)
    assert (tags(tenant.id, who), statuses(tenant.id)[who][0]) == (["on"], "COMPLETED")


def test_conditions_are_looked_at_when_something_happens_and_by_and_by(tenant: Tenant) -> None:
    rule = {"field": "tags", "operator": "contains", "value": "played"}
    made = journey(tenant.id, [goal(rules=[rule]), tag("after", None, "on")])
    told, silent = people(tenant.id, 2)
    admit(tenant.id, made.id, [told, silent])
    run(tenant.id)
    rows(tenant.id, "UPDATE customer SET tags = '{played}' RETURNING id")
    happen(tenant.id, event(told, type="scl.member.updated"), now=NOW + timedelta(hours=1))
    run(tenant.id, NOW + timedelta(hours=1))
    assert (statuses(tenant.id)[told][0], statuses(tenant.id)[silent][0]) == ("COMPLETED", "ACTIVE")
    run(tenant.id, NOW + LOOK_EVERY)
    assert statuses(tenant.id)[silent][0] == "COMPLETED"


def test_what_happened_in_the_moment_they_came_is_found_by_the_log(tenant: Tenant) -> None:
    made = journey(tenant.id, [goal(event_type=BOOKED), tag("after", None, "on")])
    (who,) = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    one = AppliedEvent(new_id(), BOOKED, "teetime", NOW, {}, who, is_new=False)
    rows(
        tenant.id,
        "INSERT INTO activity (tenant_id, id, customer_id, type, category, source, occurred_at, title)"
        " VALUES (:tenant, :id, :who, :type, 'OTHER', 'teetime', :at, 'Played') RETURNING id",
        tenant=tenant.id, id=one.id, who=who, type=BOOKED, at=NOW,
    )  # fmt: skip
    run(tenant.id, NOW + FIRST_LOOK)
    assert statuses(tenant.id)[who][0] == "COMPLETED"


def test_who_is_told_of_another_date_misses_no_event_of_that_moment(tenant: Tenant) -> None:
    settings: Json = {"trigger_type": "teetime.booked", "reentry": "each", "reentry_key": "booking_id"}
    journey(tenant.id, [goal(event_type=BOOKED), tag("after", None, "on")], **settings)
    (who,) = people(tenant.id)
    happen(tenant.id, event(who, {"booking_id": "B1", "tee_time": "2026-12-05"}, type="teetime.booked"))
    run(tenant.id)
    run(tenant.id, NOW + FIRST_LOOK)
    happen(tenant.id, event(who, {"booking_id": "B1", "tee_time": "2026-12-06"}, type="teetime.booked"), now=NOW + DAY)
    run(tenant.id, NOW + DAY)
    due = "SELECT due_at FROM journey_enrollment"
    assert [row.due_at for row in rows(tenant.id, due)] == [NOW + DAY + FIRST_LOOK]
    run(tenant.id, NOW + DAY + FIRST_LOOK)
    assert [row.due_at for row in rows(tenant.id, due)] == [NOW + 3 * DAY]


def test_a_rerun_of_those_who_wait_parks_them_no_longer(tenant: Tenant) -> None:
    made = journey(tenant.id, [goal(event_type=BOOKED), tag("after", None, "on")])
    (who,) = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    for hours in (1, 5, 30):
        rows(tenant.id, "UPDATE journey_enrollment SET due_at = :now RETURNING id", now=NOW)
        run(tenant.id, NOW + timedelta(hours=hours))
    until = rows(tenant.id, "SELECT waiting_until, due_at FROM journey_enrollment")[0]
    assert (until.waiting_until, until.due_at) == (NOW + 3 * DAY, NOW + 3 * DAY)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"event_type": BOOKED, "otherwise": "wait"}, "at_most"),
        ({"event_type": BOOKED, "otherwise": "wait", "at_most": "0 days"}, "at_most"),
        ({"event_type": BOOKED, "otherwise": "stay"}, "otherwise"),
    ],
)
def test_what_is_wrong_is_told(config: Json, field: str) -> None:
    graph = read_graph(
        {"steps": [step("t", "TRIGGER", "g", {"event_type": "MANUAL"}), step("g", "GOAL", None, config)]}
    )
    assert [one.field for one in check_graph(graph, Known()) if one.step_key == "g"] == [field]


def test_words() -> None:
    graph = read_graph({"steps": [goal(event_type=BOOKED)]})
    known = Known(event_types={BOOKED: "Round played"})
    assert words_of(graph.steps["g"], known) == "Reached when “Round played” happens; they wait for it, at most 3 days"


def test_who_waits_hears_of_the_goal_that_is_published(tenant: Tenant) -> None:
    made = journey(tenant.id, [goal(event_type=BOOKED), tag("after", None, "on")])
    who, other = everybody = people(tenant.id, 2)
    admit(tenant.id, made.id, everybody)
    run(tenant.id)
    run(tenant.id, NOW + FIRST_LOOK)
    on: Json = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    service.put_steps(**on, steps=[goal(event_type="visit.logged"), tag("after", None, "on")])
    lifecycle.publish(**on)
    run(tenant.id, NOW + DAY)
    assert {row.due_at for row in rows(tenant.id, "SELECT due_at FROM journey_enrollment")} == {NOW + DAY + FIRST_LOOK}
    run(tenant.id, NOW + DAY + FIRST_LOOK)
    assert {row.due_at for row in rows(tenant.id, "SELECT due_at FROM journey_enrollment")} == {NOW + 3 * DAY}
    happen(tenant.id, event(who, type="visit.logged"), event(other, type=BOOKED), now=NOW + 2 * DAY)
    run(tenant.id, NOW + 2 * DAY)
    assert (tags(tenant.id, who), tags(tenant.id, other)) == (["on"], [])
    check_counters(tenant.id, made.id)
