"""Leaving by oneself: conditions, unsubscribing, a goal; and GOAL steps that people are taken to."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.accounts.models import Tenant
from app.customers import consents
from app.customers.consents import Proof, State, Word
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.journeys import lifecycle, queries, service
from app.journeys.engine import watching
from app.journeys.kinds import check_graph, exit_labels, words_of
from app.journeys.step_type import Known
from tests.journeys.helpers import (
    JOINED,
    NOW,
    Json,
    admit,
    asks,
    check_counters,
    event,
    happen,
    journey,
    paths,
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

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GOLD: Json = {"field": "membership_tier", "operator": "eq", "value": "Gold"}
IS_GOLD: Json = {"combinator": "AND", "rules": [GOLD]}
BOOKED = "booking.created"


def goal(key: str, next: str | None, **config: Any) -> Json:
    return step(key, "GOAL", next, config or {"rules": [GOLD]})


def becomes_gold(tenant_id: UUID, *customer_ids: UUID) -> None:
    with transaction(tenant_id) as session:
        for one in customer_ids:
            session.execute(text("UPDATE customer SET membership_tier = 'Gold' WHERE id = :id"), {"id": one})


def left(tenant_id: UUID) -> set[tuple[Any, ...]]:
    found = "SELECT customer_id, exit_reason, journey_id FROM journey_enrollment WHERE status = 'EXITED'"
    return {tuple(row) for row in rows(tenant_id, found)}


def converted(tenant_id: UUID) -> set[UUID]:
    found = "SELECT customer_id FROM journey_enrollment WHERE converted_at IS NOT NULL"
    return {row.customer_id for row in rows(tenant_id, found)}


def test_who_meets_the_conditions_leaves_when_something_happens_to_them(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", "u", "9 days"), tag("u", None, "x")], exit_conditions=IS_GOLD)
    other = journey(tenant.id, [wait("w", None, "9 days")], name="Other")
    one, two = people(tenant.id, 2)
    for each in (made, other):
        admit(tenant.id, each.id, [one, two])
    run(tenant.id)
    becomes_gold(tenant.id, one, two)
    happen(tenant.id, event(one), now=NOW + HOUR)
    assert left(tenant.id) == {(one, "exit_condition", made.id)}
    check_counters(tenant.id, made.id)
    run(tenant.id, NOW + 9 * DAY)
    assert tags(tenant.id, two) == [], "and else before their next step"
    check_counters(tenant.id, made.id)
    check_counters(tenant.id, other.id)


def test_conditions_are_asked_before_each_step_also_of_one_turn(tenant: Tenant) -> None:
    rule = {"combinator": "AND", "rules": [{"field": "tags", "operator": "contains", "value": "done"}]}
    made = journey(tenant.id, [tag("a", "b", "done"), tag("b", None, "more")], exit_conditions=rule)
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    assert tags(tenant.id, who) == ["done"]
    assert statuses(tenant.id)[who] == ("EXITED", "exit_condition")
    assert paths(tenant.id)[who] == [("trigger", "COMPLETED"), ("a", "COMPLETED")]
    check_counters(tenant.id, made.id)


def unsubscribe(tenant_id: UUID, customer_id: UUID, channel: str = "EMAIL") -> None:
    """Say no on a channel, and let journeys know as capture does."""
    consents.record(
        tenant_id=tenant_id,
        customer_id=customer_id,
        words=[Word(channel, State.UNSUBSCRIBED)],
        proof=Proof(source="fairway", how="link"),
        now=NOW + HOUR,
    )


def test_who_unsubscribes_leaves_if_the_journey_says_so(tenant: Tenant) -> None:
    steps = [wait("w", "s", "9 days"), send("s", None, template(tenant.id))]
    made = journey(tenant.id, steps, exit_on_unsubscribe=True)
    other = journey(tenant.id, steps, name="Other")
    one, two, three = people(tenant.id, 3)
    for each in (made, other):
        admit(tenant.id, each.id, [one, two, three])
    run(tenant.id)
    unsubscribe(tenant.id, one)
    unsubscribe(tenant.id, two, "SMS")
    happen(tenant.id, event(one), event(two), now=NOW + 2 * HOUR)
    assert left(tenant.id) == {(one, "unsubscribed", made.id)}
    unsubscribe(tenant.id, three, "ALL")
    run(tenant.id, NOW + 9 * DAY)
    assert left(tenant.id) == {(who, "unsubscribed", made.id) for who in (one, three)}, "or before their next step"
    check_counters(tenant.id, made.id)


def test_a_no_of_before_does_not_count(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", "s", "1 day"), send("s", None, template(tenant.id))], exit_on_unsubscribe=True)
    [who] = people(tenant.id)
    unsubscribe(tenant.id, who)
    admit(tenant.id, made.id, [who], NOW + 2 * HOUR)
    run(tenant.id, NOW + 2 * HOUR)
    happen(tenant.id, event(who), now=NOW + 3 * HOUR)
    assert statuses(tenant.id)[who] == ("ACTIVE", None)


def test_the_goal_of_a_journey_is_an_event_or_conditions(tenant: Tenant) -> None:
    said = {"event_type": BOOKED, "conditions": [{"field": "holes", "operator": "eq", "value": 18}]}
    made = journey(tenant.id, [wait("w", None, "9 days")], goal=said)
    asked = journey(tenant.id, [wait("w", None, "9 days")], name="Asked", goal={"conditions": IS_GOLD})
    one, two, three = people(tenant.id, 3)
    for each in (made, asked):
        admit(tenant.id, each.id, [one, two, three])
    run(tenant.id)
    becomes_gold(tenant.id, three)
    events = [event(one, {"holes": 18}, type=BOOKED), event(two, {"holes": 9}, type=BOOKED), event(three)]
    happen(tenant.id, *events, now=NOW + HOUR)
    assert left(tenant.id) == {(one, "goal", made.id), (three, "goal", asked.id)}
    assert converted(tenant.id) == {one, three}
    for each in (made, asked):
        check_counters(tenant.id, each.id)


def about(tenant: Tenant, said: Json) -> None:
    """Let something be said of the one person there is."""
    [row] = rows(tenant.id, "SELECT DISTINCT customer_id FROM journey_enrollment")
    happen(tenant.id, event(row.customer_id, said, type="booking.cancelled"), now=NOW + HOUR)


def standing(tenant_id: UUID) -> set[tuple[str, str | None]]:
    return {
        (row.entry, row.exit_reason) for row in rows(tenant_id, "SELECT entry, exit_reason FROM journey_enrollment")
    }


def test_people_leave_by_an_event_of_their_own_booking(tenant: Tenant) -> None:
    id = journey(
        tenant.id, [step("trigger", "TRIGGER", "w", {"event_type": BOOKED}), wait("w", None, "9 days")],
        reentry="each", reentry_key="booking_id",
        exit_event={"event_type": "booking.cancelled", "same": "booking_id"},
    ).id  # fmt: skip
    [who] = people(tenant.id)
    for booking in ("A", 7):
        happen(tenant.id, event(who, {"booking_id": booking}, type=BOOKED))
    run(tenant.id)
    about(tenant, {"booking_id": "B"})
    about(tenant, {"reason": "rain"})
    assert standing(tenant.id) == {("each:A", None), ("each:7", None)}
    # Other systems spell names otherwise, and write numbers as text.
    about(tenant, {"bookingId": "7"})
    assert standing(tenant.id) == {("each:A", None), ("each:7", "exit_event")}
    lifecycle.pause(tenant_id=tenant.id, journey_id=id, actor="system", now=NOW)
    about(tenant, {"booking_id": "A"})
    assert standing(tenant.id) == {("each:A", "exit_event"), ("each:7", "exit_event")}
    check_counters(tenant.id, id)


def test_without_a_field_any_such_event_lets_people_leave(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "9 days")], exit_event={"event_type": "booking.cancelled"})
    admit(tenant.id, made.id, people(tenant.id))
    run(tenant.id)
    about(tenant, {})
    assert [reason for _, reason in standing(tenant.id)] == ["exit_event"]
    service.update_settings(
        tenant_id=tenant.id, journey_id=made.id, actor="system", changes={"exit_event": {"event_type": ""}}
    )
    kept = queries.journey(tenant_id=tenant.id, journey_id=made.id)
    assert (kept.exit_event, kept.watches) == (None, False)


def test_a_goal_of_another_booking_is_not_theirs(tenant: Tenant) -> None:
    goal_event = {"event_type": "payment.received", "same": "booking_id"}
    start = step("trigger", "TRIGGER", "w", {"event_type": BOOKED})
    journey(tenant.id, [start, wait("w", None, "9 days")], goal=goal_event)
    [who] = people(tenant.id)
    happen(tenant.id, event(who, {"booking_id": "A"}, type=BOOKED))
    run(tenant.id)
    happen(tenant.id, event(who, {"booking_id": "B"}, type="payment.received"), now=NOW + HOUR)
    assert statuses(tenant.id) == {who: ("ACTIVE", None)}
    happen(tenant.id, event(who, {"booking_id": "A"}, type="payment.received"), now=NOW + HOUR)
    assert statuses(tenant.id) == {who: ("EXITED", "goal")}


def test_they_are_set_on_the_page_and_over_the_api(client: Any, sign_in: Any, api: Any, tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "9 days")])
    sign_in("marketer")
    page = f"/journeys/{made.id}/settings"
    client.get(page)
    typed = {
        "name": "Welcome", "reentry": "never", "timezone": "UTC", "exit_event_type": "booking.cancelled",
        "exit_same": "booking_id", "goal_event": "payment.received", "goal_same": "reference",
    }  # fmt: skip
    client.post(page, typed, status=302)
    kept = queries.journey(tenant_id=tenant.id, journey_id=made.id)
    assert kept.exit_event == {"event_type": "booking.cancelled", "same": "booking_id"}
    assert kept.goal == {"event_type": "payment.received", "conditions": [], "same": "reference"}
    shown = client.get(page).text
    assert 'value="booking_id"' in shown
    assert 'value="reference"' in shown
    here = f"/journeys/{made.id}"
    assert api.get(here).get_json()["exit_event"] == kept.exit_event
    answer = api.patch(here, json={"exit_event": {"event_type": "competition.full", "same": "competition_id"}})
    assert answer.get_json()["exit_event"]["same"] == "competition_id"
    assert api.patch(here, json={"exit_event": None}).get_json()["exit_event"] is None
    assert api.patch(here, json={"exit_event": {"type": "x"}}).status_code == 422


def test_a_goal_counts_that_comes_in_one_batch_after_what_let_them_in(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "9 days")], trigger_type=JOINED, goal={"event_type": BOOKED})
    again = journey(tenant.id, [wait("w", None, "9 days")], name="Again", trigger_type=BOOKED,
                    goal={"event_type": BOOKED})  # fmt: skip
    after, before = people(tenant.id, 2)
    happen(tenant.id, event(after), event(after, type=BOOKED), event(before, type=BOOKED), event(before))
    assert left(tenant.id) == {(after, "goal", made.id)}
    assert converted(tenant.id) == {after}
    run(tenant.id)
    inside = rows(tenant.id, "SELECT customer_id, journey_id FROM journey_enrollment WHERE status = 'ACTIVE'")
    assert {tuple(row) for row in inside} == {(before, made.id), (after, again.id), (before, again.id)}
    for each in (made, again):
        check_counters(tenant.id, each.id)


def test_who_is_through_converts_within_the_days_of_the_goal(tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("u", None, "x")], goal={"event_type": BOOKED}, goal_days=7)
    one, two, three = people(tenant.id, 3)
    admit(tenant.id, made.id, [one, two, three])
    run(tenant.id)
    happen(tenant.id, event(one, type=BOOKED), now=NOW + 6 * DAY)
    happen(tenant.id, event(one, type=BOOKED), event(two, type=BOOKED), now=NOW + 8 * DAY)
    assert converted(tenant.id) == {one}
    assert statuses(tenant.id)[one] == ("COMPLETED", "completed")
    assert rows(tenant.id, "SELECT max(converted_at) FROM journey_enrollment")[0][0] == NOW + 6 * DAY


def test_a_goal_step_takes_people_from_anywhere_before_it(tenant: Tenant) -> None:
    steps = [
        asks("ask", "w", "v", {"field": "tags", "operator": "contains", "value": "a"}),
        wait("w", "s", "9 days"),
        wait("v", "g", "9 days"),
        send("s", "g", template(tenant.id)),
        goal("g", "u"),
        tag("u", "z", "reached"),
        wait("z", None, "1 day"),
    ]
    made = journey(tenant.id, steps)
    one, two, three = people(tenant.id, 1, tags=["a"])[0], *people(tenant.id, 2)
    enrolled = admit(tenant.id, made.id, [one, two, three])
    run(tenant.id)
    becomes_gold(tenant.id, one, two)
    happen(tenant.id, event(one), event(two), event(three), now=NOW + HOUR)
    check_counters(tenant.id, made.id)
    run(tenant.id, NOW + HOUR)
    ways = [("g", "COMPLETED"), ("u", "COMPLETED"), ("z", "IN_PROGRESS")]
    assert paths(tenant.id)[one] == [("trigger", "COMPLETED"), ("ask", "COMPLETED"), ("w", "SKIPPED"), *ways]
    assert paths(tenant.id)[two] == [("trigger", "COMPLETED"), ("ask", "COMPLETED"), ("v", "SKIPPED"), *ways]
    assert paths(tenant.id)[three][-1] == ("v", "IN_PROGRESS")
    assert rows(tenant.id, "SELECT 1 FROM message") == []
    happen(tenant.id, event(one), now=NOW + 2 * HOUR)
    assert paths(tenant.id)[one][-1] == ("z", "IN_PROGRESS"), "nobody is taken back to a goal"
    path = queries.enrollment_path(tenant_id=tenant.id, enrollment_id=enrolled[one])
    assert next(taken.result for taken in path.steps if taken.step_key == "g") == {"reached": True, "from": "w"}
    run(tenant.id, NOW + 9 * DAY)
    assert tags(tenant.id, three) == ["reached"], "who walks there goes on"
    check_counters(tenant.id, made.id)


def test_a_goal_step_by_an_event_and_who_misses_it_leaves(tenant: Tenant) -> None:
    steps = [wait("w", "g", "9 days"), goal("g", "u", event_type=BOOKED, otherwise="leave"), tag("u", None, "reached")]
    made = journey(tenant.id, steps)
    one, two = people(tenant.id, 2)
    admit(tenant.id, made.id, [one, two])
    happen(tenant.id, event(one, type=BOOKED), now=NOW + HOUR)
    check_counters(tenant.id, made.id)
    run(tenant.id, NOW + HOUR)
    run(tenant.id, NOW + 10 * DAY)
    assert tags(tenant.id, one) == ["reached"]
    assert statuses(tenant.id) == {one: ("COMPLETED", "completed"), two: ("EXITED", "goal_missed")}
    check_counters(tenant.id, made.id)


def test_a_goal_at_the_end_completes(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", "g", "9 days"), goal("g", None)])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    becomes_gold(tenant.id, who)
    happen(tenant.id, event(who), now=NOW + HOUR)
    assert statuses(tenant.id)[who] == ("COMPLETED", "completed")
    check_counters(tenant.id, made.id)


def test_a_paused_journey_lets_people_leave_and_keeps_those_at_a_goal(tenant: Tenant) -> None:
    steps = [wait("w", "g", "9 days"), goal("g", "u", event_type=BOOKED), tag("u", None, "reached")]
    made = journey(tenant.id, steps, exit_conditions=IS_GOLD)
    one, two = people(tenant.id, 2)
    admit(tenant.id, made.id, [one, two])
    run(tenant.id)
    lifecycle.pause(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
    becomes_gold(tenant.id, one)
    happen(tenant.id, event(one), event(two, type=BOOKED), now=NOW + HOUR)
    run(tenant.id, NOW + HOUR)
    assert statuses(tenant.id) == {one: ("EXITED", "exit_condition"), two: ("ACTIVE", None)}
    assert tags(tenant.id, two) == []
    lifecycle.resume(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW + DAY)
    run(tenant.id, NOW + DAY)
    assert tags(tenant.id, two) == ["reached"]
    check_counters(tenant.id, made.id)


def test_journeys_without_such_settings_are_not_looked_at(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    made = journey(tenant.id, [wait("w", None, "9 days")], trigger_type=JOINED)
    monkeypatch.setattr(watching, "PEOPLE", None)
    monkeypatch.setattr(watching, "watch", None)
    [who] = people(tenant.id)
    happen(tenant.id, event(who))
    run(tenant.id)
    assert statuses(tenant.id)[who] == ("ACTIVE", None)
    assert not queries.journey(tenant_id=tenant.id, journey_id=made.id).watches


def test_what_is_watched_follows_settings_and_the_published_graph(tenant: Tenant) -> None:
    act: Any = {"tenant_id": tenant.id, "actor": "system"}
    made = journey(tenant.id, [goal("g", "w"), wait("w", None, "9 days")])

    def watches() -> bool:
        return queries.journey(tenant_id=tenant.id, journey_id=made.id).watches

    assert watches()
    service.put_steps(**act, journey_id=made.id, steps=[wait("w", None, "9 days")])
    service.update_settings(**act, journey_id=made.id, changes={"name": "Hello"})
    assert watches(), "the published graph has the goal still"
    lifecycle.publish(**act, journey_id=made.id)
    assert not watches()
    service.update_settings(**act, journey_id=made.id, changes={"exit_on_unsubscribe": True})
    assert watches()
    service.update_settings(**act, journey_id=made.id, changes={"exit_on_unsubscribe": False})
    assert not watches()


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"exit_conditions": {"ruels": []}}, "exit_conditions"),
        ({"exit_conditions": {"rules": [{"field": "nonsense", "operator": "eq", "value": 1}]}}, "exit_conditions"),
        ({"goal": {"rules": []}}, "goal"),
        ({"goal": "booking"}, "goal"),
        ({"goal": {"conditions": {"rules": [{"field": "nonsense", "operator": "eq", "value": 1}]}}}, "goal"),
        ({"goal": {"event_type": BOOKED, "conditions": [{"field": "n", "operator": "nonsense"}]}}, "goal"),
        ({"goal_days": 0}, "goal_days"),
    ],
)
def test_what_is_refused(tenant: Tenant, changes: dict[str, Any], at: str) -> None:
    made = service.create(tenant_id=tenant.id, actor="system", name="Welcome")
    with pytest.raises(Invalid) as refused:
        service.update_settings(tenant_id=tenant.id, journey_id=made.id, actor="system", changes=changes)
    assert all(one.startswith(at) for one in refused.value.errors)


def test_words_and_checks_of_a_goal_step(tenant: Tenant) -> None:
    made = journey(tenant.id, [goal("g", None), goal("h", None, event_type=BOOKED)], active=False)
    graph = queries.draft(made)
    assert words_of(graph.steps["g"], Known()) == "Reached when Membership tier is Gold"
    assert words_of(graph.steps["h"], Known()) == "Reached when “Booking created” happens"
    both = journey(tenant.id, [goal("g", None, event_type=BOOKED, rules=[GOLD])], name="Both", active=False)
    none = journey(tenant.id, [goal("g", None, rules=[])], name="None", active=False)
    assert [one.field for one in check_graph(queries.draft(both), Known())] == ["event_type"]
    assert [one.field for one in check_graph(queries.draft(none), Known())] == ["rules"]
    assert exit_labels(graph.steps["g"]) == {"next": "next"}
