"""Publishing beside people: where those of removed steps go on, waits counted anew, nothing sent twice."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.accounts.models import Tenant
from app.infra.db import transaction
from app.journeys import lifecycle, publishing, queries, service
from app.journeys.drafts import DraftChanged
from app.journeys.engine import plan, settling
from app.journeys.engine.advance import advance_batch
from app.journeys.graph import Graph
from app.journeys.steps.wait import FIRST_LOOK
from tests.journeys.helpers import (
    JOINED,
    NOW,
    admit,
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
from tests.journeys.test_engine import ready
from tests.journeys.test_graph import edited

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def edit(tenant: Tenant, journey_id: UUID, *steps: dict[str, Any]) -> None:
    service.put_steps(tenant_id=tenant.id, journey_id=journey_id, actor="system", steps=steps)


def publish(tenant: Tenant, journey_id: UUID, **more: Any) -> Any:
    return lifecycle.publish(tenant_id=tenant.id, journey_id=journey_id, actor="system", **more)


def inside(tenant: Tenant, *steps: dict[str, Any], count: int = 1) -> tuple[UUID, list[UUID]]:
    """A running journey with people who have walked as far as they come."""
    made = journey(tenant.id, steps)
    who = people(tenant.id, count)
    admit(tenant.id, made.id, who)
    run(tenant.id)
    return made.id, who


def waits(tenant: Tenant) -> list[Any]:
    return [row.until for row in rows(tenant.id, "SELECT waiting_until AS until FROM journey_enrollment ORDER BY id")]


def settling_rows(tenant: Tenant) -> list[str]:
    return [row.step_key for row in rows(tenant.id, "SELECT step_key FROM journey_settling ORDER BY step_key")]


def review(tenant: Tenant, journey_id: UUID) -> publishing.Review:
    found = queries.journey(tenant_id=tenant.id, journey_id=journey_id)
    return publishing.review(tenant_id=tenant.id, journey=found, known=queries.known(tenant_id=tenant.id))


def test_the_review_says_who_is_touched_and_where_they_would_go_on(tenant: Tenant) -> None:
    id, _ = inside(tenant, wait("a", "b", "3 days"), tag("b", "c", "x"), wait("c", None, "1 day"), count=3)
    edit(tenant, id, tag("b", "c", "x"), wait("c", None, "2 days"))
    found = review(tenant, id)
    assert [(one.sentence, touched.here, touched.before) for one, touched in found.changes] == [
        ("“Wait 3 days” after “Trigger: When somebody is enrolled by hand” is removed.", 3, 0),
        ("Wait 1 day → Wait 2 days.", 0, 3),
    ]
    assert found.removed == [publishing.Removed("a", "“Wait 3 days”", 3, "b")]
    assert list(found.places) == ["b", "c"]
    assert found.waits == []


def test_places_that_are_called_alike_are_told_apart(tenant: Tenant) -> None:
    id, _ = inside(tenant, wait("a", "b", "3 days"), tag("b", "c", "x"), wait("c", None, "1 day"))
    edit(tenant, id, wait("d", "b", "1 day"), tag("b", "c", "x"), wait("c", None, "1 day"))
    assert review(tenant, id).places == {
        "d": "“Wait 1 day” after “Trigger: When somebody is enrolled by hand”",
        "b": "“Add tag ‘x’”",
        "c": "“Wait 1 day” after “Add tag ‘x’”",
    }


def test_people_of_a_removed_wait_go_on_at_once_where_they_were_put(tenant: Tenant) -> None:
    id, who = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"), count=5)
    edit(tenant, id, tag("b", "c", "x"), tag("c", None, "y"))
    publish(tenant, id, placements={"a": "c"})
    assert settling_rows(tenant) == ["a"]
    run(tenant.id, NOW + HOUR)
    assert settling_rows(tenant) == []
    assert set(statuses(tenant.id).values()) == {("COMPLETED", "completed")}
    assert tags(tenant.id, who[0]) == ["y"]
    assert paths(tenant.id)[who[0]] == [("trigger", "COMPLETED"), ("a", "SKIPPED"), ("c", "COMPLETED")]
    [result] = {
        str(row.result) for row in rows(tenant.id, "SELECT result FROM journey_enrollment_step WHERE step_key = 'a'")
    }
    assert result == str({"placed": "c", "removed": True})
    check_counters(tenant.id, id)


def test_who_is_put_at_a_wait_begins_it_then(tenant: Tenant) -> None:
    id, _ = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"))
    edit(tenant, id, wait("w", "b", "2 days"), tag("b", None, "x"))
    publish(tenant, id, placements={"a": "w"})
    run(tenant.id, NOW + HOUR)
    assert waits(tenant) == [NOW + HOUR + 2 * DAY]
    check_counters(tenant.id, id)


def test_who_is_to_leave_leaves_at_once(tenant: Tenant) -> None:
    id, who = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"))
    edit(tenant, id, tag("b", None, "x"))
    publish(tenant, id, placements={"a": None})
    run(tenant.id, NOW + HOUR)
    assert statuses(tenant.id)[who[0]] == ("EXITED", "step_removed")
    check_counters(tenant.id, id)


def test_without_a_word_they_leave_when_their_wait_is_over(tenant: Tenant) -> None:
    id, who = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"))
    edit(tenant, id, tag("b", None, "x"))
    publish(tenant, id)
    assert settling_rows(tenant) == []
    run(tenant.id, NOW + HOUR)
    assert statuses(tenant.id)[who[0]] == ("ACTIVE", None)
    run(tenant.id, NOW + 3 * DAY)
    assert statuses(tenant.id)[who[0]] == ("EXITED", "step_removed")


@pytest.mark.parametrize(
    ("given", "at"),
    [({}, "placements.a"), ({"a": "gone"}, "placements.a"), ({"a": "trigger"}, "placements.a"),
     ({"a": "b", "b": None}, "placements.b"), ({"a": "b", "z": "b"}, "placements.z")],
)  # fmt: skip
def test_places_that_are_missing_or_wrong_publish_nothing(tenant: Tenant, given: dict[str, Any], at: str) -> None:
    id, _ = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"))
    edit(tenant, id, tag("b", None, "x"))
    with pytest.raises(publishing.PlacesNeeded) as refused:
        publish(tenant, id, placements=given)
    assert list(refused.value.errors) == [at]
    assert queries.journey(tenant_id=tenant.id, journey_id=id).published_version == 1


def test_who_publishes_is_asked_again_when_many_have_come(tenant: Tenant) -> None:
    id, _ = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"), count=20)
    edit(tenant, id, tag("b", None, "x"))
    with pytest.raises(publishing.PlacesNeeded) as refused:
        publish(tenant, id, placements={"a": "b"}, seen={"a": 4})
    assert "There are 20 people here; there were 4" in refused.value.errors["placements.a"]
    assert publish(tenant, id, placements={"a": "b"}, seen={"a": 11}).published_version == 2


def test_a_draft_that_changed_since_is_not_published(tenant: Tenant) -> None:
    id, _ = inside(tenant, wait("a", None, "3 days"))
    edit(tenant, id, wait("a", None, "2 days"))
    with pytest.raises(DraftChanged):
        publish(tenant, id, draft_revision=1)


def test_places_hold_for_whoever_still_stands_there_in_later_versions(tenant: Tenant) -> None:
    id, who = inside(tenant, wait("a", "b", "3 days"), wait("b", "c", "1 day"), tag("c", None, "x"))
    edit(tenant, id, wait("b", "c", "1 day"), tag("c", None, "x"))
    publish(tenant, id, placements={"a": "b"})
    edit(tenant, id, tag("c", None, "x"))
    publish(tenant, id, placements={})
    run(tenant.id, NOW + HOUR)
    assert paths(tenant.id)[who[0]][1:] == [("a", "SKIPPED"), ("c", "COMPLETED")]
    check_counters(tenant.id, id)


def test_a_step_that_is_back_is_nobodys_business_any_more(tenant: Tenant) -> None:
    steps = wait("a", "b", "3 days"), tag("b", None, "x")
    id, who = inside(tenant, *steps)
    edit(tenant, id, tag("b", None, "x"))
    publish(tenant, id, placements={"a": "b"})
    edit(tenant, id, *steps)
    publish(tenant, id)
    assert settling_rows(tenant) == []
    run(tenant.id, NOW + HOUR)
    assert statuses(tenant.id)[who[0]] == ("ACTIVE", None)
    assert waits(tenant) == [NOW + 3 * DAY]


def test_a_wait_keeps_the_moment_unless_it_is_counted_anew(tenant: Tenant) -> None:
    id, _ = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"))
    edit(tenant, id, wait("a", "b", "2 days"), tag("b", None, "x"))
    assert [(one.key, one.people) for one in review(tenant, id).waits] == [("a", 1)]
    publish(tenant, id)
    run(tenant.id, NOW + HOUR)
    assert waits(tenant) == [NOW + 3 * DAY]
    edit(tenant, id, wait("a", "b", "5 days"), tag("b", None, "x"))
    publish(tenant, id, rebase_waits=True)
    run(tenant.id, NOW + 2 * HOUR)
    assert waits(tenant) == [NOW + 5 * DAY]
    [logged] = rows(tenant.id, "SELECT version, result FROM journey_enrollment_step WHERE step_key = 'a'")
    assert logged.version == 3
    assert logged.result == {"waiting_until": (NOW + 5 * DAY).isoformat().replace("+00:00", "Z")}
    check_counters(tenant.id, id)


def test_who_has_waited_long_enough_for_a_shorter_wait_goes_on_at_once(tenant: Tenant) -> None:
    id, who = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"))
    edit(tenant, id, wait("a", "b", "1 day"), tag("b", None, "x"))
    publish(tenant, id, rebase_waits=True)
    run(tenant.id, NOW + 2 * DAY)
    assert statuses(tenant.id)[who[0]] == ("COMPLETED", "completed")
    check_counters(tenant.id, id)


def test_who_had_no_date_ahead_goes_the_way_of_those_when_it_is_counted_anew(tenant: Tenant) -> None:
    others = [tag("b", None, "came"), tag("c", None, "over")]
    id, who = inside(tenant, wait("a", "b", "3 days"), others[0])
    rows(tenant.id, "UPDATE customer SET date_of_birth = '2026-11-19' WHERE id = :id RETURNING 1", id=who[0])
    date = {"date": {"field": "date_of_birth", "every": "once", "missed": "branch"}}
    edit(tenant, id, step("a", "WAIT", "b", date, next_missed="c"), *others)
    publish(tenant, id, rebase_waits=True)
    run(tenant.id, NOW + HOUR)
    assert tags(tenant.id, who[0]) == ["over"]
    [logged] = rows(tenant.id, "SELECT exit, result FROM journey_enrollment_step WHERE step_key = 'a'")
    assert (logged.exit, logged.result) == ("missed", {"missed": True})
    check_counters(tenant.id, id)


def test_a_wait_for_a_time_becomes_one_for_an_event(tenant: Tenant) -> None:
    id, who = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"))
    awaited = {"event_type": JOINED, "timeout": "2 days"}
    edit(tenant, id, step("a", "WAIT", "b", awaited, next_timeout=None), tag("b", None, "x"))
    publish(tenant, id, rebase_waits=True)
    run(tenant.id, NOW + HOUR)
    assert waits(tenant) == [NOW + 2 * DAY]
    happen(tenant.id, event(who[0]), now=NOW + HOUR)
    run(tenant.id, NOW + 2 * HOUR)
    assert tags(tenant.id, who[0]) == ["x"]
    check_counters(tenant.id, id)


def test_a_wait_for_something_becomes_one_for_a_time_and_its_time_out_stays(tenant: Tenant) -> None:
    awaited = step("a", "WAIT", "b", {"event_type": JOINED, "timeout": "20 days"}, next_timeout="b")
    id, who = inside(tenant, awaited, tag("b", None, "x"))
    edit(tenant, id, wait("a", "b", "30 days"), tag("b", None, "x"))
    publish(tenant, id)
    run(tenant.id, NOW + HOUR)
    assert tags(tenant.id, who[0]) == [], "the look that was due lets nobody go"
    happen(tenant.id, event(who[0]), now=NOW + 2 * HOUR)
    run(tenant.id, NOW + 2 * HOUR)
    assert waits(tenant) == [NOW + 20 * DAY]
    run(tenant.id, NOW + 20 * DAY)
    assert tags(tenant.id, who[0]) == ["x"]
    check_counters(tenant.id, id)


def test_a_wait_that_cannot_be_counted_anew_holds_nobody_up(tenant: Tenant) -> None:
    id, _ = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"))
    edit(tenant, id, wait("a", "b", "2 days"), tag("b", None, "x"))
    publish(tenant, id, rebase_waits=True)
    rows(
        tenant.id,
        "UPDATE journey_version SET graph = jsonb_set(graph, '{steps,1,config}', CAST(:config AS jsonb))"
        " WHERE number = 2 RETURNING 1",
        config='{"rules": [{"field": "gone", "operator": "eq", "value": 1}], "timeout": "1 day"}',
    )
    run(tenant.id, NOW + HOUR)
    assert settling_rows(tenant) == []
    assert waits(tenant) == [NOW + 3 * DAY]


def test_who_waits_for_an_event_at_a_removed_step_goes_on_like_the_others(tenant: Tenant) -> None:
    awaited = step("a", "WAIT", "b", {"event_type": JOINED, "timeout": "9 days"}, next_timeout="b")
    id, who = inside(tenant, awaited, tag("b", None, "x"), count=2)
    edit(tenant, id, wait("w", "b", "1 day"), tag("b", None, "x"))
    publish(tenant, id, placements={"a": "w"})
    run(tenant.id, NOW + HOUR)
    assert waits(tenant) == [NOW + HOUR + DAY] * 2
    assert rows(tenant.id, "SELECT 1 FROM journey_enrollment WHERE waits_for IS NOT NULL") == []
    run(tenant.id, NOW + 2 * DAY)
    assert [tags(tenant.id, one) for one in who] == [["x"], ["x"]]
    check_counters(tenant.id, id)


def test_what_was_sent_is_not_sent_again_because_it_moved(tenant: Tenant) -> None:
    mail = template(tenant.id)
    id, who = inside(tenant, send("s", "w", mail), wait("w", "x", "3 days"), tag("x", None, "x"))
    edit(tenant, id, wait("w", "s", "3 days"), send("s", "x", mail), tag("x", None, "x"))
    [moved] = [(one, touched) for one, touched in review(tenant, id).changes if one.what == "moved"]
    publish(tenant, id)
    late = people(tenant.id, 1, email="late@example.com")
    admit(tenant.id, id, late)
    for day in (0, 3):
        run(tenant.id, NOW + day * DAY)
    sent = rows(tenant.id, "SELECT customer_id FROM message ORDER BY id")
    assert sorted(row.customer_id for row in sent) == sorted([*who, *late])
    assert set(statuses(tenant.id).values()) == {("COMPLETED", "completed")}
    assert moved[1].here + moved[1].before + moved[1].past == 1
    check_counters(tenant.id, id)


def test_who_is_put_at_a_message_they_had_does_not_get_it_again(tenant: Tenant) -> None:
    mail = template(tenant.id)
    id, who = inside(tenant, send("s", "w", mail), wait("w", "x", "3 days"), tag("x", None, "x"))
    edit(tenant, id, send("s", "x", mail), tag("x", None, "x"))
    publish(tenant, id, placements={"w": "s"})
    run(tenant.id, NOW + HOUR)
    assert len(rows(tenant.id, "SELECT 1 FROM message")) == 1
    assert tags(tenant.id, who[0]) == ["x"]
    check_counters(tenant.id, id)


def test_who_waits_at_a_step_that_moved_goes_through_with_it(tenant: Tenant) -> None:
    awaited = wait("w", "j", "3 days")
    back = step("j", "JUMP", None, {"to": "w", "max_times": 5})
    inside(tenant, awaited, back)
    run(tenant.id, NOW + 3 * DAY)
    run(tenant.id, NOW + 3 * DAY)
    assert waits(tenant) == [NOW + 6 * DAY], "the second round"
    rows(tenant.id, "UPDATE journey_version SET once = '{\"w\": 2}' RETURNING 1")
    plan._plans.clear()
    run(tenant.id, NOW + 6 * DAY)
    found = rows(tenant.id, "SELECT result FROM journey_enrollment_step WHERE step_key = 'w' ORDER BY step_number")
    assert [row.result for row in found][:2] == [{"waiting_until": f"2026-11-{day}T09:00:00Z"} for day in (23, 26)]


def test_a_paused_journey_places_people_when_it_goes_on(tenant: Tenant) -> None:
    id, who = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"))
    lifecycle.pause(tenant_id=tenant.id, journey_id=id, actor="system", now=NOW)
    edit(tenant, id, tag("b", None, "x"))
    publish(tenant, id, placements={"a": "b"})
    run(tenant.id, NOW + HOUR)
    assert statuses(tenant.id)[who[0]] == ("ACTIVE", None)
    lifecycle.resume(tenant_id=tenant.id, journey_id=id, actor="system", now=NOW + 2 * HOUR)
    run(tenant.id, NOW + 2 * HOUR)
    assert statuses(tenant.id)[who[0]] == ("COMPLETED", "completed")
    check_counters(tenant.id, id)


def test_many_are_placed_in_batches_none_twice(tenant: Tenant) -> None:
    id, _ = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"), count=25)
    edit(tenant, id, wait("w", "b", "1 day"), tag("b", None, "x"))
    publish(tenant, id, placements={"a": "w"})
    batches = 0
    while advance_batch(tenant_id=tenant.id, now=NOW + HOUR, limit=10):
        batches += 1
    assert batches >= 3
    assert settling_rows(tenant) == []
    assert len(rows(tenant.id, "SELECT 1 FROM journey_enrollment_step WHERE step_key = 'w'")) == 25
    check_counters(tenant.id, id)


def test_a_crash_loses_nobody(tenant: Tenant) -> None:
    id, _ = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"), count=3)
    edit(tenant, id, tag("b", None, "x"))
    publish(tenant, id, placements={"a": "b"})
    with transaction(tenant.id) as session:
        crash = session.begin_nested()
        assert settling.settle(session, tenant.id, NOW, 2) == 2
        crash.rollback()
    run(tenant.id, NOW + HOUR)
    assert settling_rows(tenant) == []
    assert set(statuses(tenant.id).values()) == {("COMPLETED", "completed")}


def test_a_step_of_another_kind_under_the_same_key(tenant: Tenant) -> None:
    id, who = inside(tenant, wait("a", "b", "3 days"), tag("b", None, "x"))
    edit(tenant, id, step("a", "UPDATE", "b", {"updates": [{"field": "tags", "operation": "add", "value": "q"}]}),
         tag("b", None, "x"))  # fmt: skip
    publish(tenant, id, rebase_waits=True)
    run(tenant.id, NOW + 3 * DAY)
    assert tags(tenant.id, who[0]) == ["q", "x"]
    check_counters(tenant.id, id)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(edited().filter(lambda found: len(found) > 1), edited().filter(lambda found: len(found) > 1), st.data())
def test_whatever_is_published_nobody_is_lost_and_no_message_is_sent_twice(
    tenant: Tenant, first: Graph, second: Graph, data: st.DataObject
) -> None:
    with transaction(tenant.id) as session:
        apart = session.begin_nested()
        mail = template(tenant.id)
        id, who = inside(tenant, *ready(first, mail), count=3)
        edit(tenant, id, *ready(second, mail))
        found = review(tenant, id)
        chosen = {one.key: data.draw(st.sampled_from([*found.places, None])) for one in found.removed}
        publish(tenant, id, placements=chosen, rebase_waits=data.draw(st.booleans()))
        for day in range(len(first) + len(second) + 2):
            run(tenant.id, NOW + day * DAY)
        ended = {("COMPLETED", "completed"), ("EXITED", "step_removed")}
        assert {statuses(tenant.id)[one] for one in who} <= ended
        assert settling_rows(tenant) == []
        twice = "SELECT 1 FROM message WHERE step_key IS NOT NULL GROUP BY customer_id, step_key HAVING count(*) > 1"
        assert rows(tenant.id, twice) == []
        check_counters(tenant.id, id)
        apart.rollback()


def test_who_waits_hears_of_the_event_that_is_published(tenant: Tenant) -> None:
    def awaited(type: str) -> dict[str, Any]:
        return step("a", "WAIT", "b", {"event_type": type, "timeout": "20 days"}, next_timeout=None)

    id, who = inside(tenant, awaited("booking.created"), tag("b", None, "x"), count=2)
    run(tenant.id, NOW + FIRST_LOOK)
    edit(tenant, id, awaited(JOINED), tag("b", None, "x"))
    publish(tenant, id)
    run(tenant.id, NOW + HOUR)
    assert waits(tenant) == [NOW + 20 * DAY] * 2, "their time stays"
    happen(tenant.id, event(who[0], type="booking.created"), event(who[1]), now=NOW + 2 * HOUR)
    run(tenant.id, NOW + 2 * HOUR)
    assert [tags(tenant.id, one) for one in who] == [[], ["x"]]
    assert settling_rows(tenant) == []
    check_counters(tenant.id, id)


def test_who_waited_for_a_time_hears_of_the_event_that_is_published(tenant: Tenant) -> None:
    id, who = inside(tenant, wait("a", "b", "20 days"), tag("b", None, "x"))
    lifecycle.pause(tenant_id=tenant.id, journey_id=id, actor="system", now=NOW)
    edit(tenant, id, step("a", "WAIT", "b", {"event_type": JOINED, "timeout": "1 day"}, next_timeout=None),
         tag("b", None, "x"))  # fmt: skip
    publish(tenant, id)
    run(tenant.id, NOW + HOUR)
    lifecycle.resume(tenant_id=tenant.id, journey_id=id, actor="system", now=NOW + HOUR)
    run(tenant.id, NOW + HOUR)
    assert waits(tenant) == [NOW + 20 * DAY]
    happen(tenant.id, event(who[0]), now=NOW + 2 * HOUR)
    run(tenant.id, NOW + 2 * HOUR)
    assert tags(tenant.id, who[0]) == ["x"]


def test_what_happened_while_the_wait_changed_is_found_a_little_later(tenant: Tenant) -> None:
    def awaited(type: str) -> dict[str, Any]:
        return step("a", "WAIT", None, {"event_type": type, "timeout": "20 days"}, next_timeout=None)

    id, _ = inside(tenant, awaited("booking.created"))
    run(tenant.id, NOW + FIRST_LOOK)
    edit(tenant, id, awaited(JOINED))
    publish(tenant, id)
    run(tenant.id, NOW + HOUR)
    due = rows(tenant.id, "SELECT due_at FROM journey_enrollment")[0].due_at
    assert due == NOW + HOUR + FIRST_LOOK
    run(tenant.id, due)
    assert rows(tenant.id, "SELECT due_at FROM journey_enrollment")[0].due_at == NOW + 20 * DAY


def test_counting_anew_is_not_forgotten_for_a_wait_that_is_looked_at(tenant: Tenant) -> None:
    awaited = {"event_type": JOINED, "timeout": "2 days"}
    id, _ = inside(tenant, wait("a", None, "9 days"))
    edit(tenant, id, wait("a", None, "3 days"))
    publish(tenant, id, rebase_waits=True)
    edit(tenant, id, step("a", "WAIT", None, awaited, next_timeout=None))
    publish(tenant, id)
    run(tenant.id, NOW + HOUR)
    assert waits(tenant) == [NOW + 2 * DAY]
