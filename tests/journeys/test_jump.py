"""Going back: how often, how soon, and what is refused."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.accounts.models import Tenant
from app.infra.db import transaction
from app.journeys import editing, lifecycle, parts, queries, service
from app.journeys.engine.advance import advance_batch
from app.journeys.graph import Graph
from app.journeys.kinds import check_graph, read_graph, words_of
from app.journeys.step_type import Known, step_types
from tests.journeys.helpers import (
    NOW,
    admit,
    check_counters,
    journey,
    paths,
    people,
    rows,
    run,
    send,
    statuses,
    step,
    tag,
    template,
    wait,
)

DAY = timedelta(days=1)


def jump(key: str, next: str | None, to: str, **config: Any) -> dict[str, Any]:
    return step(key, "JUMP", next, {"to": to, "max_times": 2, **config})


def graph(*steps: dict[str, Any]) -> Graph:
    return read_graph({"steps": [step("t", "TRIGGER", steps[0]["key"], {"event_type": "MANUAL"}), *steps]})


def wrong(*steps: dict[str, Any]) -> dict[tuple[str | None, str | None], str]:
    return {(one.step_key, one.field): one.message for one in check_graph(graph(*steps), Known())}


def test_a_loop_goes_round_so_often_and_logs_each_pass(tenant: Tenant) -> None:
    made = journey(
        tenant.id,
        [send("s", "w", template(tenant.id)), wait("w", "j", "1 day"), jump("j", "u", "s"), tag("u", None, "x")],
    )
    [who] = people(tenant.id)
    enrollment = admit(tenant.id, made.id, [who])[who]
    for day in range(5):
        run(tenant.id, NOW + day * DAY)
        check_counters(tenant.id, made.id)
    lap = [("s", "COMPLETED"), ("w", "COMPLETED"), ("j", "COMPLETED")]
    assert paths(tenant.id)[who] == [("trigger", "COMPLETED"), *lap * 3, ("u", "COMPLETED")]
    assert statuses(tenant.id)[who] == ("COMPLETED", "completed")
    assert len(rows(tenant.id, "SELECT 1 FROM message")) == 3
    taken = queries.enrollment_path(tenant_id=tenant.id, enrollment_id=enrollment).steps
    assert [one.step_number for one in taken] == list(range(1, 12))
    assert [one.result for one in taken if one.step_key == "j"] == [
        {"jumped_to": "s", "times": 1, "at_most": 2},
        {"jumped_to": "s", "times": 2, "at_most": 2},
        {"times": 2, "at_most": 2},
    ]


def test_a_round_takes_so_long_at_least(tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("a", "j", "x"), jump("j", None, "a", at_least="3 days")])
    one, two = people(tenant.id, 2)
    admit(tenant.id, made.id, [one])
    run(tenant.id)
    assert paths(tenant.id)[one] == [("trigger", "COMPLETED"), ("a", "COMPLETED"), ("j", "IN_PROGRESS")]
    admit(tenant.id, made.id, [two], NOW + DAY)
    run(tenant.id, NOW + DAY)
    assert run(tenant.id, NOW + 3 * DAY - timedelta(seconds=1)) == 0
    run(tenant.id, NOW + 3 * DAY)
    assert len(paths(tenant.id)[one]) == 5
    assert len(paths(tenant.id)[two]) == 3
    run(tenant.id, NOW + 6 * DAY)
    run(tenant.id, NOW + 9 * DAY)
    assert [key for key, _ in paths(tenant.id)[one]] == ["trigger", "a", "j", "a", "j", "a", "j"]
    assert statuses(tenant.id)[one] == ("COMPLETED", "completed")
    check_counters(tenant.id, made.id)


def test_a_round_takes_longer_by_a_pause_that_moves_waits(tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("a", "j", "x"), jump("j", None, "a", at_least="3 days")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    act: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    lifecycle.pause(**act, now=NOW + 2 * DAY)
    run(tenant.id, NOW + 3 * DAY)
    lifecycle.resume(**act, now=NOW + 4 * DAY, move_waits=True)
    run(tenant.id, NOW + 4 * DAY)
    assert len(paths(tenant.id)[who]) == 3
    run(tenant.id, NOW + 5 * DAY)
    assert len(paths(tenant.id)[who]) == 5
    check_counters(tenant.id, made.id)


def test_a_round_that_took_long_enough_is_not_held_up(tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("a", "w", "x"), wait("w", "j", "5 days"), jump("j", None, "a", at_least="3 days")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    run(tenant.id, NOW + 5 * DAY)
    assert [key for key, _ in paths(tenant.id)[who]] == ["trigger", "a", "w", "j", "a", "w"]


def test_a_jump_is_a_batch_of_its_own(tenant: Tenant) -> None:
    """However little time the way takes, nobody goes round more than once in a transaction."""
    made = journey(tenant.id, [wait("w", "a", "1 hour"), tag("a", "j", "x"), jump("j", None, "w")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE journey_version SET graph = replace(graph::text, '1 hour', '0 hours')::jsonb"))
    lengths = []
    while advance_batch(tenant_id=tenant.id, now=NOW):
        lengths.append(len(paths(tenant.id)[who]))
        check_counters(tenant.id, made.id)
    assert lengths == [4, 7, 10]


def test_a_jump_forward_needs_no_time(tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("a", "j", "x"), jump("j", "b", "c"), tag("b", "c", "y"), tag("c", None, "z")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    assert [key for key, _ in paths(tenant.id)[who]] == ["trigger", "a", "j", "c"]


@pytest.mark.parametrize(
    ("steps", "at", "words"),
    [
        ([jump("j", None, "j")], ("j", "to"), "itself"),
        ([jump("j", None, "gone")], ("j", "to"), "not in the journey"),
        ([jump("j", None, "t")], ("j", "to"), "trigger"),
        ([tag("a", "j", "x"), jump("j", None, "a")], ("j", "at_least"), "nothing takes time"),
        ([wait("a", "j", "0 days"), jump("j", None, "a")], ("j", "at_least"), "nothing takes time"),
        ([tag("a", "j", "x"), jump("j", None, "a", at_least="soon")], ("j", "at_least"), "duration"),
        ([tag("a", "j", "x"), jump("j", None, "a", at_least="0 days")], ("j", "at_least"), "longer than nothing"),
        ([wait("a", "j", "1 day"), jump("j", None, "a", max_times=0)], ("j", "max_times"), "from 1"),
        ([wait("a", "j", "1 day"), step("j", "JUMP", None)], ("j", "to"), "Fill this in"),
        # Two jumps that make one loop: each leads past no wait.
        (
            [tag("a", "j", "x"), jump("j", "k", "b"), jump("k", "b", "a"), tag("b", None, "y")],
            ("k", "at_least"),
            "time",
        ),
    ],
)
def test_what_is_refused(steps: list[dict[str, Any]], at: tuple[str, str], words: str) -> None:
    assert words in wrong(*steps)[at]


def test_a_wait_on_every_way_is_enough() -> None:
    assert wrong(wait("a", "j", "1 day"), jump("j", None, "a")) == {}
    assert wrong(tag("a", "j", "x"), jump("j", None, "a", at_least="1 hour")) == {}


def test_a_step_only_a_jump_leads_to_can_be_reached() -> None:
    assert wrong(jump("j", None, "b"), tag("b", None, "x")) == {}


def test_a_jump_to_a_step_that_was_deleted_is_flagged_and_one_that_moved_is_kept() -> None:
    found = graph(wait("a", "b", "1 day"), tag("b", "j", "x"), jump("j", None, "a"))
    moved = parts.move(found, ["a"], "b")
    assert check_graph(moved, Known()) == []
    gone = editing.delete(found, "a")
    assert [(one.step_key, one.field) for one in check_graph(gone, Known())] == [("j", "to")]


def test_an_unfinished_jump_can_not_be_published(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("a", "j", "1 day"), jump("j", None, "a")])
    service.delete_step(tenant_id=tenant.id, journey_id=made.id, actor="system", key="a")
    with pytest.raises(lifecycle.NotReady) as refused:
        lifecycle.publish(tenant_id=tenant.id, journey_id=made.id, actor="system")
    assert list(refused.value.errors) == ["steps.j.to"]


def test_words() -> None:
    kind = step_types().get("JUMP")
    known = Known(steps={"a": "Reminder"})
    assert words_of(graph(jump("j", None, "a")).steps["j"], known) == "Go to “Reminder”, at most 2 times"
    apart = graph(jump("j", None, "a", max_times=1, at_least="3 days")).steps["j"]
    assert words_of(apart, known) == "Go to “Reminder”, once, at least 3 days apart"
    assert words_of(apart, Known()) == "Go to a step that is gone, once, at least 3 days apart"
    assert kind.retargeted({"to": "a"}, str.upper) == {"to": "A"}
    assert kind.retargeted({"max_times": 3}, str.upper) == {"max_times": 3}
