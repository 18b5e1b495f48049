"""Who is let in: triggers, their conditions, clubs, re-entry, limits."""

from uuid import UUID

import pytest
from sqlalchemy import text

from app.accounts.models import Club, Tenant
from app.capture.batch import Batch
from app.infra.db import transaction
from app.infra.ids import new_id
from app.journeys import lifecycle, queries, service
from app.journeys.drafts import WrongStatus
from app.journeys.engine import enrol
from tests.journeys.helpers import (
    JOINED,
    NOW,
    admit,
    check_counters,
    event,
    happen,
    journey,
    people,
    rows,
    run,
    statuses,
    tag,
    wait,
)

STEPS = [wait("w", None, "1 day")]
GOLDEN = {"conditions": [{"field": "membershipTier", "operator": "in", "value": ["Gold", "Platinum"]}]}


def inside(tenant_id: UUID) -> list[UUID]:
    return [row.customer_id for row in rows(tenant_id, "SELECT customer_id FROM journey_enrollment ORDER BY id")]


def test_an_event_lets_its_customer_in(tenant: Tenant) -> None:
    made = journey(tenant.id, STEPS, trigger_type=JOINED)
    one, other = people(tenant.id, 2)
    payload = {"membershipTier": "Gold", "n": [1, {"a": None}]}
    came = event(one, payload)
    happen(tenant.id, came, event(other, type="teetime.booked"))
    row = rows(tenant.id, "SELECT * FROM journey_enrollment")[0]
    assert (row.customer_id, row.trigger_event_id, row.trigger_data, row.entry) == (one, came.id, payload, "")
    assert (row.status, row.current_step_key, row.due_at) == ("ACTIVE", "trigger", NOW)
    assert queries.journey(tenant_id=tenant.id, journey_id=made.id).total_enrolled == 1
    check_counters(tenant.id, made.id)


def test_conditions_are_asked_of_the_payload(tenant: Tenant) -> None:
    journey(tenant.id, STEPS, trigger_type=JOINED, trigger_config=GOLDEN)
    who = people(tenant.id, 8)
    payloads: list[dict[str, object]] = [
        {"membershipTier": "Gold"},
        {"membership_tier": "platinum"},
        {"tier": "Gold"},
        {"membershipTier": "Silver"},
        {"membership_tier": "Silver", "tier": "Gold"},
        {"membershipTier": None},
        {"membershipTier": ["x", 1]},
        {},
    ]
    happen(tenant.id, *(event(one, payload) for one, payload in zip(who, payloads, strict=True)))
    assert set(inside(tenant.id)) == set(who[:3])


@pytest.mark.parametrize("act", ["draft", "pause", "archive"])
def test_only_active_journeys_let_people_in(tenant: Tenant, act: str) -> None:
    made = journey(tenant.id, STEPS, trigger_type=JOINED, active=act != "draft")
    if act != "draft":
        getattr(lifecycle, act)(tenant_id=tenant.id, journey_id=made.id, actor="system")
    [who] = people(tenant.id)
    happen(tenant.id, event(who))
    assert inside(tenant.id) == []
    with pytest.raises(WrongStatus):
        admit(tenant.id, made.id, [who])


def test_a_journey_of_one_club(tenant: Tenant) -> None:
    with transaction(tenant.id) as session:
        far = Club(tenant_id=tenant.id, name="Far", country="ZA", timezone="UTC", locale="en_ZA", currency="ZAR")
        session.add(far)
        session.flush()
        near = session.scalar(text("SELECT id FROM club WHERE name <> 'Far'"))
    journey(tenant.id, STEPS, trigger_type=JOINED, club_id=far.id)
    theirs, elsewhere, nowhere, visiting = (people(tenant.id, club_id=club)[0] for club in (far.id, near, None, near))
    happen(tenant.id, event(theirs), event(elsewhere), event(nowhere), event(visiting, {"club": "far "}))
    assert set(inside(tenant.id)) == {theirs, visiting}
    happen(tenant.id, event(nowhere, {"club_id": str(far.id)}))
    assert nowhere in inside(tenant.id)


def test_once_only_without_reentry(tenant: Tenant) -> None:
    made = journey(tenant.id, STEPS, trigger_type=JOINED)
    [who] = people(tenant.id)
    happen(tenant.id, event(who), event(who))
    run(tenant.id)
    run(tenant.id, NOW.replace(day=25))
    assert statuses(tenant.id)[who][0] == "COMPLETED"
    happen(tenant.id, event(who))
    assert len(inside(tenant.id)) == 1
    assert queries.journey(tenant_id=tenant.id, journey_id=made.id).total_enrolled == 1


def test_with_reentry_once_an_event_and_one_walk_at_a_time(tenant: Tenant) -> None:
    made = journey(tenant.id, STEPS, trigger_type=JOINED, allow_reentry=True)
    [who] = people(tenant.id)
    first, second = event(who), event(who)
    happen(tenant.id, first, second)
    assert len(inside(tenant.id)) == 1, "the second came while the first walk was on"
    run(tenant.id)
    run(tenant.id, NOW.replace(day=25))
    happen(tenant.id, first)
    assert len(inside(tenant.id)) == 1, "the same event lets nobody in twice"
    happen(tenant.id, event(who))
    assert len(inside(tenant.id)) == 2
    check_counters(tenant.id, made.id)


def test_switching_reentry_off_holds_for_earlier_walks(tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("u", None, "x")], trigger_type=JOINED, allow_reentry=True)
    [who] = people(tenant.id)
    happen(tenant.id, event(who))
    run(tenant.id)
    service.update_settings(tenant_id=tenant.id, journey_id=made.id, actor="system", changes={"allow_reentry": False})
    happen(tenant.id, event(who))
    assert len(inside(tenant.id)) == 1


def test_a_full_journey_lets_in_as_many_as_leave(tenant: Tenant) -> None:
    made = journey(tenant.id, STEPS, trigger_type=JOINED, max_enrollments=3)
    who = people(tenant.id, 5)
    happen(tenant.id, event(who[0]))
    happen(tenant.id, *(event(one) for one in who))
    assert set(inside(tenant.id)) == set(who[:3]), "those inside already take no further place"
    run(tenant.id)
    run(tenant.id, NOW.replace(day=25))
    happen(tenant.id, *(event(one) for one in who))
    assert set(inside(tenant.id)) == set(who)
    check_counters(tenant.id, made.id)


def test_events_know_only_journeys_of_their_tenant(tenant: Tenant, other_tenant: Tenant) -> None:
    journey(tenant.id, STEPS, trigger_type=JOINED)
    theirs = journey(other_tenant.id, STEPS, trigger_type=JOINED)
    [who] = people(tenant.id)
    happen(tenant.id, event(who))
    assert inside(tenant.id) == [who]
    assert inside(other_tenant.id) == []
    with pytest.raises(queries.NoSuchJourney):
        admit(tenant.id, theirs.id, [who])
    assert admit(other_tenant.id, theirs.id, [who]) == {}, "a stranger's customer is nobody"


def test_a_changed_trigger_counts_from_its_publication(tenant: Tenant) -> None:
    made = journey(tenant.id, STEPS, trigger_type=JOINED)
    service.configure_step(
        tenant_id=tenant.id, journey_id=made.id, actor="system", key="trigger", config={"event_type": "teetime.booked"}
    )
    one, other = people(tenant.id, 2)
    happen(tenant.id, event(one), event(other, type="teetime.booked"))
    assert inside(tenant.id) == [one]
    lifecycle.publish(tenant_id=tenant.id, journey_id=made.id, actor="system")
    happen(tenant.id, event(other, type="teetime.booked"))
    assert inside(tenant.id) == [one, other]


def test_merged_profiles_leave(tenant: Tenant) -> None:
    made = journey(tenant.id, STEPS)
    loser, winner = people(tenant.id, 2)
    admit(tenant.id, made.id, [loser])
    run(tenant.id)
    enrol.on_events(Batch(tenant_id=tenant.id, now=NOW, merged={loser: winner}))
    assert statuses(tenant.id)[loser] == ("EXITED", "merged")
    check_counters(tenant.id, made.id)


def test_why_somebody_can_not_enter(tenant: Tenant) -> None:
    made = journey(tenant.id, STEPS, max_enrollments=1)
    one, other, merged = people(tenant.id, 3)

    def refusal(customer_id: UUID) -> str:
        with pytest.raises((enrol.NotAdmitted, enrol.NoSuchPerson)) as refused:
            enrol.enrol_one(tenant_id=tenant.id, journey_id=made.id, customer_id=customer_id, now=NOW)
        return str(refused.value)

    with transaction(tenant.id) as session:
        session.execute(text("UPDATE customer SET status = 'MERGED' WHERE id = :id"), {"id": merged})
    assert enrol.enrol_one(tenant_id=tenant.id, journey_id=made.id, customer_id=one, now=NOW)
    assert "already" in refusal(one)
    assert "full" in refusal(other)
    assert "merged" in refusal(merged)
    assert "no such customer" in refusal(new_id())
    run(tenant.id)
    run(tenant.id, NOW.replace(day=25))
    assert "before" in refusal(one)
