"""Walking: what each step does, where people end, and that the numbers agree with the log."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.accounts.models import Tenant
from app.infra.db import transaction
from app.journeys import lifecycle, queries, service
from app.journeys.drafts import WrongStatus
from app.journeys.engine import advance, exits, plan, writes
from app.journeys.engine.advance import advance_batch
from app.journeys.graph import Graph
from app.journeys.step_type import StepBatch
from app.journeys.steps.update import UpdateStep
from tests.journeys.helpers import (
    NOW,
    admit,
    asks,
    check_counters,
    give_up,
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
from tests.journeys.test_graph import edited

GOLD = {"field": "membership_tier", "operator": "eq", "value": "Gold"}
DAY = timedelta(days=1)


def reference(tenant_id: UUID, **values: Any) -> Any:
    """The seeds' reference journey: TRIGGER → CONDITION → UPDATE → WAIT → SEND → END."""
    return journey(
        tenant_id,
        [
            asks("ask", "mark", "bye", GOLD),
            tag("mark", "rest", "vip"),
            wait("rest", "mail", "2 hours"),
            send("mail", "end", template(tenant_id)),
            step("end", "END"),
            step("bye", "END"),
        ],
        **values,
    )


def test_the_reference_journey(tenant: Tenant) -> None:
    made = reference(tenant.id)
    gold, silver = people(tenant.id, membership_tier="Gold")[0], people(tenant.id, membership_tier="Silver")[0]
    unknown = people(tenant.id)[0]
    admit(tenant.id, made.id, [gold, silver, unknown])
    assert run(tenant.id) == 3
    assert paths(tenant.id) == {
        gold: [("trigger", "COMPLETED"), ("ask", "COMPLETED"), ("mark", "COMPLETED"), ("rest", "IN_PROGRESS")],
        silver: [("trigger", "COMPLETED"), ("ask", "COMPLETED"), ("bye", "COMPLETED")],
        unknown: [("trigger", "COMPLETED"), ("ask", "COMPLETED"), ("bye", "COMPLETED")],
    }
    assert tags(tenant.id, gold) == ["vip"]
    assert statuses(tenant.id) == {
        gold: ("ACTIVE", None), silver: ("COMPLETED", "completed"), unknown: ("COMPLETED", "completed")
    }  # fmt: skip
    assert rows(tenant.id, "SELECT 1 FROM message") == []
    check_counters(tenant.id, made.id)
    assert run(tenant.id, NOW + timedelta(hours=2)) == 1
    message = rows(tenant.id, "SELECT * FROM message")[0]
    assert (message.customer_id, message.step_key, message.purpose) == (gold, "mail", "marketing")
    assert statuses(tenant.id)[gold] == ("COMPLETED", "completed")
    check_counters(tenant.id, made.id)
    counts = queries.step_counts(tenant_id=tenant.id, journey_id=made.id)
    assert counts["ask"].ways == {"yes": 1, "no": 2}
    assert counts["mail"].left_by("next") == 1
    numbers = queries.analytics(tenant_id=tenant.id, journey_id=made.id)
    asked = next(one for one in numbers.steps if one.key == "ask")
    assert [(one.exit, one.label, one.passed) for one in asked.exits] == [("yes", "Yes", 1), ("no", "No", 2)]
    ways = rows(tenant.id, "SELECT DISTINCT step_key, exit FROM journey_enrollment_step WHERE exit IS NOT NULL")
    assert {tuple(one) for one in ways} == {("ask", "yes"), ("ask", "no")}


def test_results_have_the_shapes_of_the_seeds(tenant: Tenant) -> None:
    made = reference(tenant.id)
    [gold] = people(tenant.id, membership_tier="Gold")
    enrollment = admit(tenant.id, made.id, [gold])[gold]
    run(tenant.id)
    run(tenant.id, NOW + DAY)
    path = queries.enrollment_path(tenant_id=tenant.id, enrollment_id=enrollment)
    results = {taken.step_key: taken.result for taken in path.steps}
    message_id = str(rows(tenant.id, "SELECT id FROM message")[0].id)
    assert results == {
        "trigger": None,
        "ask": {
            "result": True,
            "evaluated_rules": [{"field": "membership_tier", "operator": "eq", "matched": True}],
        },
        "mark": {"updated": ["tags"]},
        "rest": {"waiting_until": "2026-11-20T11:00:00Z"},
        "mail": {"sent": True, "channel": "EMAIL", "message_id": message_id},
        "end": {"completed": True},
    }
    rest = next(taken for taken in path.steps if taken.step_key == "rest")
    assert (rest.entered_at, rest.completed_at, rest.type) == (NOW, NOW + DAY, "WAIT")


def test_branches_that_meet_go_on_together(tenant: Tenant) -> None:
    steps = [asks("ask", "a", "b", GOLD), tag("a", "j", "left"), tag("b", "j", "right"), tag("j", None, "both")]
    made = journey(tenant.id, steps)
    gold, other = people(tenant.id, membership_tier="Gold")[0], people(tenant.id)[0]
    admit(tenant.id, made.id, [gold, other])
    run(tenant.id)
    assert (tags(tenant.id, gold), tags(tenant.id, other)) == (["left", "both"], ["right", "both"])
    check_counters(tenant.id, made.id)


def test_a_branch_that_leads_nowhere_completes(tenant: Tenant) -> None:
    made = journey(tenant.id, [asks("ask", "a", None, GOLD), tag("a", None, "x")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    assert statuses(tenant.id) == {who: ("COMPLETED", "completed")}


def test_update_sets_fields_and_leaves_tags_in_order(tenant: Tenant) -> None:
    updates = [
        {"field": "tags", "operation": "add", "value": "new"},
        {"field": "tags", "operation": "remove", "value": "old"},
        {"field": "lifecycle_stage", "operation": "set", "value": "MEMBER"},
        {"field": "title", "operation": "set", "value": ""},
    ]
    made = journey(tenant.id, [step("u", "UPDATE", None, {"updates": updates})])
    [who] = people(tenant.id, tags=["a", "old", "b"], title="Dr")
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    row = rows(tenant.id, "SELECT * FROM customer")[0]
    assert (row.tags, row.lifecycle_stage, row.title) == (["a", "b", "new"], "MEMBER", None)
    assert set(row.facts_at) == {"lifecycle_stage", "title"}


def poison(monkeypatch: pytest.MonkeyPatch, victims: set[UUID]) -> list[int]:
    """Make UPDATE fail in the database whenever one of the victims is in the batch; return the sizes tried."""
    sizes: list[int] = []
    real = UpdateStep.run

    def bad(self: UpdateStep, batch: StepBatch[Any]) -> None:
        sizes.append(len(batch.walkers))
        real(self, batch)
        if victims & set(batch.customer_ids):
            batch.session.execute(advance.text("SELECT 1 / 0"))

    monkeypatch.setattr(UpdateStep, "run", bad)
    return sizes


def test_one_poisoned_person_holds_up_nobody(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    made = journey(tenant.id, [tag("u", "s", "x"), send("s", None, template(tenant.id))])
    who = people(tenant.id, 17)
    sizes = poison(monkeypatch, {who[5]})
    admit(tenant.id, made.id, who)
    assert advance_batch(tenant_id=tenant.id, now=NOW) == 17
    assert len(sizes) < 17
    assert statuses(tenant.id)[who[5]] == ("ACTIVE", None)
    check_counters(tenant.id, made.id)
    give_up(tenant.id)
    assert statuses(tenant.id)[who[5]] == ("FAILED", "error")
    assert sum(status == ("COMPLETED", "completed") for status in statuses(tenant.id).values()) == 16
    assert tags(tenant.id, who[5]) == []
    assert all(tags(tenant.id, one) == ["x"] for one in who if one != who[5])
    assert len(rows(tenant.id, "SELECT 1 FROM message")) == 16
    failed = rows(tenant.id, "SELECT error FROM journey_enrollment WHERE status = 'FAILED'")[0]
    assert failed.error == "DivisionByZero: division by zero"
    assert paths(tenant.id)[who[5]] == [("trigger", "COMPLETED"), ("u", "FAILED")]
    check_counters(tenant.id, made.id)
    assert run(tenant.id) == 0


def test_a_step_that_forgets_somebody_fails_them_alone(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    made = journey(tenant.id, [tag("u", None, "x")])
    who = people(tenant.id, 3)

    def forgetful(_: UpdateStep, batch: StepBatch[Any]) -> None:
        for walker in batch.walkers:
            if walker.customer_id != who[0]:
                batch.leave(walker)

    monkeypatch.setattr(UpdateStep, "run", forgetful)
    admit(tenant.id, made.id, who)
    give_up(tenant.id)
    assert [statuses(tenant.id)[one][0] for one in who] == ["FAILED", "COMPLETED", "COMPLETED"]


def test_a_template_gone_meanwhile_fails_with_a_reason(tenant: Tenant) -> None:
    gone = template(tenant.id)
    made = journey(tenant.id, [wait("w", "s", "1 hour"), send("s", None, gone)])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    with transaction(tenant.id) as session:
        session.execute(advance.text("DELETE FROM template"))
    run(tenant.id, NOW + DAY)
    assert statuses(tenant.id)[who] == ("FAILED", "error")
    assert "template" in rows(tenant.id, "SELECT error FROM journey_enrollment")[0].error


def test_paused_people_stay_and_their_waits_run_on(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", "u", "1 day"), tag("u", None, "x")])
    early, late = people(tenant.id, 2)
    admit(tenant.id, made.id, [early])
    run(tenant.id)
    admit(tenant.id, made.id, [late], now=NOW + timedelta(hours=20))
    run(tenant.id, NOW + timedelta(hours=20))
    lifecycle.pause(tenant_id=tenant.id, journey_id=made.id, actor="system")
    with pytest.raises(WrongStatus):
        admit(tenant.id, made.id, people(tenant.id))
    run(tenant.id, NOW + DAY)
    assert statuses(tenant.id)[early] == ("ACTIVE", None)
    assert advance_batch(tenant_id=tenant.id, now=NOW + DAY) == 0, "off the clock, they cost nothing"
    assert rows(tenant.id, "SELECT 1 FROM journey_enrollment WHERE due_at <= :now", now=NOW + DAY) == []
    lifecycle.resume(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW + DAY)
    run(tenant.id, NOW + DAY)
    assert (statuses(tenant.id)[early][0], statuses(tenant.id)[late][0]) == ("COMPLETED", "ACTIVE")
    run(tenant.id, NOW + timedelta(hours=44))
    assert statuses(tenant.id)[late][0] == "COMPLETED"
    check_counters(tenant.id, made.id)


def test_archiving_takes_everybody_out(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "AT_ONCE", 2)
    made = journey(tenant.id, [wait("w", None, "1 day")])
    who = people(tenant.id, 5)
    admit(tenant.id, made.id, who)
    run(tenant.id)
    assert lifecycle.archive(tenant_id=tenant.id, journey_id=made.id, actor="system").total_exited == 2
    run(tenant.id)
    assert set(statuses(tenant.id).values()) == {("EXITED", "archived")}
    assert {path[-1] for path in paths(tenant.id).values()} == {("w", "SKIPPED")}
    check_counters(tenant.id, made.id)
    assert run(tenant.id, NOW + 2 * DAY) == 0


def test_people_follow_the_published_version(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", "u", "1 day"), tag("u", None, "first")])
    [who] = people(tenant.id)
    enrollment = admit(tenant.id, made.id, [who])[who]
    run(tenant.id)
    steps = [wait("w", "u", "9 days"), tag("u", "v", "second"), tag("v", None, "third")]
    service.put_steps(tenant_id=tenant.id, journey_id=made.id, actor="system", steps=steps)
    assert queries.draft_differs(tenant_id=tenant.id, journey=queries.journey(tenant_id=tenant.id, journey_id=made.id))
    assert run(tenant.id, NOW + DAY / 2) == 0
    lifecycle.publish(tenant_id=tenant.id, journey_id=made.id, actor="system")
    run(tenant.id, NOW + DAY)
    assert tags(tenant.id, who) == ["second", "third"], "the wait keeps its time, the rest is new"
    path = queries.enrollment_path(tenant_id=tenant.id, enrollment_id=enrollment)
    assert [(taken.step_key, taken.version) for taken in path.steps] == [("trigger", 1), ("w", 1), ("u", 2), ("v", 2)]


def test_unpublished_edits_touch_nobody(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", "u", "1 day"), tag("u", None, "first")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    service.put_steps(tenant_id=tenant.id, journey_id=made.id, actor="system", steps=[tag("u", None, "draft")])
    run(tenant.id)
    run(tenant.id, NOW + DAY)
    assert tags(tenant.id, who) == ["first"]


def test_a_removed_step_lets_its_people_out(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", "u", "1 day"), tag("u", None, "x")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    service.put_steps(tenant_id=tenant.id, journey_id=made.id, actor="system", steps=[tag("u", None, "x")])
    lifecycle.publish(tenant_id=tenant.id, journey_id=made.id, actor="system")
    run(tenant.id, NOW + DAY)
    assert statuses(tenant.id)[who] == ("EXITED", "step_removed")
    assert tags(tenant.id, who) == []
    check_counters(tenant.id, made.id)


def test_leaving_by_hand(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "1 day")])
    one, two = people(tenant.id, 2)
    enrolled = admit(tenant.id, made.id, [one, two])
    run(tenant.id)
    assert exits.exit_enrollments(tenant_id=tenant.id, enrollment_ids=[enrolled[one]], now=NOW) == 1
    assert exits.exit_enrollments(tenant_id=tenant.id, enrollment_ids=[enrolled[one]], now=NOW) == 0
    assert statuses(tenant.id)[one] == ("EXITED", "manual")
    assert run(tenant.id, NOW + DAY) == 1
    check_counters(tenant.id, made.id)


def test_a_merged_profile_walks_no_further(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", "u", "1 day"), tag("u", None, "x")])
    loser, winner = people(tenant.id, 2)
    admit(tenant.id, made.id, [loser])
    run(tenant.id)
    with transaction(tenant.id) as session:
        session.execute(
            advance.text("UPDATE customer SET status = 'MERGED', merged_into_id = :winner WHERE id = :loser"),
            {"winner": winner, "loser": loser},
        )
    run(tenant.id, NOW + DAY)
    assert statuses(tenant.id)[loser] == ("EXITED", "merged")
    check_counters(tenant.id, made.id)


def test_a_long_path_takes_several_turns(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advance, "MAX_STEPS_A_TURN", 4)
    steps = [tag(f"u{one}", f"u{one + 1}" if one < 9 else None, f"t{one}") for one in range(10)]
    made = journey(tenant.id, steps)
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    assert run(tenant.id) == 3
    assert len(paths(tenant.id)[who]) == 11
    assert statuses(tenant.id)[who][0] == "COMPLETED"
    check_counters(tenant.id, made.id)


def ready(found: Graph, sent: UUID) -> list[dict[str, Any]]:
    """Return the steps of a graph with settings that can be activated."""
    configs = {
        "CONDITION": {"rules": [GOLD], "combinator": "AND"},
        "SEND": {"channel": "EMAIL", "template_id": str(sent)},
        "UPDATE": {"updates": [{"field": "tags", "operation": "add", "value": "x"}]},
    }
    return [{**one, "config": configs.get(one["type"], one["config"])} for one in found.to_json()["steps"]]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(edited().filter(lambda found: len(found) > 1), st.integers(1, 4))
def test_everybody_comes_to_an_end_of_any_graph(tenant: Tenant, found: Graph, count: int) -> None:
    with transaction(tenant.id) as session:
        apart = session.begin_nested()
        made = journey(tenant.id, ready(found, template(tenant.id)))
        who = [people(tenant.id, membership_tier="Gold" if one % 2 else "Silver")[0] for one in range(count)]
        admit(tenant.id, made.id, who)
        for day in range(len(found) + 1):
            run(tenant.id, NOW + day * DAY)
        assert {statuses(tenant.id)[one] for one in who} == {("COMPLETED", "completed")}
        check_counters(tenant.id, made.id)
        apart.rollback()


def test_an_end_says_what_it_means(tenant: Tenant) -> None:
    made = journey(
        tenant.id, [asks("ask", "yes", "no", GOLD), step("yes", "END", None, {"reason": "Is gold"}), step("no", "END")]
    )
    gold, other = people(tenant.id, membership_tier="Gold")[0], people(tenant.id)[0]
    enrolled = admit(tenant.id, made.id, [gold, other])
    run(tenant.id)
    ends = {
        who: queries.enrollment_path(tenant_id=tenant.id, enrollment_id=one).steps[-1].result
        for who, one in enrolled.items()
    }
    assert ends == {gold: {"completed": True, "reason": "Is gold"}, other: {"completed": True}}
    numbers = queries.analytics(tenant_id=tenant.id, journey_id=made.id).steps
    assert [(one.name, one.completed) for one in numbers if one.type == "END"] == [("Is gold", 1), (None, 1)]


def test_plans_in_hand_stay_when_others_take_their_room(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_KEPT", 1)
    first, second = (journey(tenant.id, [tag("u", None, name)], name=name) for name in ("One", "Two"))
    admit(tenant.id, first.id, people(tenant.id))
    run(tenant.id)
    (who,) = people(tenant.id)
    for made in (first, second):
        admit(tenant.id, made.id, [who])
    run(tenant.id)
    assert sorted(tags(tenant.id, who)) == ["One", "Two"]


@pytest.mark.committed  # In a database of its own: statistics of rows that are gone are no such plan's.
def test_of_all_people_those_of_a_batch_are_read_though_the_plan_was_made_while_there_were_few(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "1 day")])
    read = text("SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = :of")

    def reads(enrollments: list[UUID]) -> int:
        record = writes.Record()
        record.states += [(one, "ACTIVE", "w", 1, None, NOW, None, None, 0, None) for one in enrollments]
        with transaction(tenant.id) as session:
            # As of a connection that has asked often enough.
            session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
            before = session.scalar(read, {"of": "journey_enrollment"})
            writes.write(session, tenant.id, NOW, record)
            return int(session.scalar(read, {"of": "journey_enrollment"}) - before)

    for one in admit(tenant.id, made.id, people(tenant.id, 7)).values():
        reads([one])
    came = admit(tenant.id, made.id, people(tenant.id, 3_000))
    assert reads(list(came.values())[:10]) < 100
