"""Merging: nothing is left behind, the stricter consent holds, old ids lead on."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.capture import merging
from app.customers.merge import HAD_ALREADY, MOVED, CannotMerge
from app.infra.db import Base, transaction
from app.infra.errors import NotFound
from tests.capture.people import NOW, STAFF, event, member, owner, post, query

# Tables whose rows of a customer move by a statement of their own.
BY_RULE = {*HAD_ALREADY, "consent", "journey_enrollment"}
# What is about profiles and not about a person: rows that name a merged one stand for whom it went into.
STAYS = {"customer_merge", "merge_suggestion"}


def two(tenant: Any, **more: Any) -> tuple[UUID, UUID]:
    """Return the ids of Ann and of Bob, who share nothing."""
    post(
        tenant, member(1, "Ann", "M1", email="ann@example.com", **more), member(2, "Bob", "M2", email="bob@example.com")
    )
    return owner(tenant, 1), owner(tenant, 2)


def test_every_table_of_a_customer_is_taken_care_of() -> None:
    holding = {
        table.name
        for table in Base.metadata.tables.values()
        for key in table.foreign_key_constraints
        if key.referred_table.name == "customer"
    }
    # The log has no foreign key: it outlives who it speaks of.
    assert holding | {"inbound_event"} == {*MOVED, *BY_RULE, *STAYS}


def test_what_the_loser_had_is_the_winners(tenant: Any) -> None:
    ann, bob = two(tenant)
    post(tenant, event(3, "contactPreference.updated", {"sms_opt_in": True}, scl_member_id="M2"))
    query(tenant, "UPDATE customer SET tags = '{vip,old}' WHERE id = :bob RETURNING 1", bob=bob)
    merging.merge_customers(
        tenant_id=tenant.id, winner_id=ann, loser_id=bob, reason="the same person", actor=STAFF, now=NOW
    )
    for table in ("activity", "inbound_event", "external_id", "contact_point", "consent_change"):
        assert {row.customer_id for row in query(tenant, f"SELECT customer_id FROM {table}")} == {ann}
    (row,) = query(tenant, "SELECT first_name, tags, sms_opt_in, search_extra FROM customer WHERE id = :ann", ann=ann)
    assert (row.tags, row.sms_opt_in) == (["old", "vip"], True)
    assert {"m1", "m2", "bob@example.com"} <= set(row.search_extra.split())
    (row,) = query(tenant, "SELECT status, merged_into_id FROM customer WHERE id = :bob", bob=bob)
    assert tuple(row) == ("MERGED", ann)
    (row,) = query(tenant, "SELECT reason, merged_by, detail FROM customer_merge")
    assert (row.reason, row.merged_by, row.detail["loser"]["first_name"]) == ("the same person", STAFF, "Bob")


@pytest.mark.parametrize(
    "winner_says, loser_says, holds", [(True, False, False), (False, True, False), (None, True, True)]
)
def test_the_stricter_consent_holds(tenant: Any, winner_says: Any, loser_says: Any, holds: bool) -> None:
    ann, bob = two(tenant)
    for number, scl, says in ((3, "M1", winner_says), (4, "M2", loser_says)):
        if says is not None:
            post(tenant, event(number, "contactPreference.updated", {"email_opt_in": says}, scl_member_id=scl))
    merging.merge_customers(tenant_id=tenant.id, winner_id=ann, loser_id=bob, reason="by hand", actor=STAFF, now=NOW)
    assert [row.email_opt_in for row in query(tenant, "SELECT email_opt_in FROM customer WHERE id = :a", a=ann)] == [
        holds
    ]
    # An older word that comes in late does not bring anybody back.
    post(tenant, event(0, "contactPreference.updated", {"email_opt_in": True}, scl_member_id="M2"))
    assert [row.email_opt_in for row in query(tenant, "SELECT email_opt_in FROM customer WHERE id = :a", a=ann)] == [
        holds
    ]


def test_old_ids_lead_to_the_last_one_in_one_step(tenant: Any) -> None:
    ann, bob = two(tenant)
    post(tenant, member(3, "Carl", "M3"))
    carl = owner(tenant, 3)
    merging.merge_customers(tenant_id=tenant.id, winner_id=bob, loser_id=ann, reason="r", actor=STAFF)
    merging.merge_customers(tenant_id=tenant.id, winner_id=carl, loser_id=bob, reason="r", actor=STAFF)
    rows = query(tenant, "SELECT merged_into_id FROM customer WHERE status = 'MERGED'")
    assert [row.merged_into_id for row in rows] == [carl, carl]
    with pytest.raises(CannotMerge):
        merging.merge_customers(tenant_id=tenant.id, winner_id=carl, loser_id=bob, reason="r", actor=STAFF)
    with pytest.raises(CannotMerge):
        merging.merge_customers(tenant_id=tenant.id, winner_id=carl, loser_id=carl, reason="r", actor=STAFF)
    with pytest.raises(NotFound):
        merging.merge_customers(tenant_id=tenant.id, winner_id=carl, loser_id=UUID(int=1), reason="r", actor=STAFF)


def test_of_two_walks_through_one_journey_the_one_that_came_further_goes_on(tenant: Any) -> None:
    ann, bob = two(tenant)
    with transaction(tenant.id) as session:
        journey = session.scalar(
            text(
                "INSERT INTO journey (tenant_id, name, trigger_type, timezone, draft, created_by)"
                " VALUES (:t, 'Welcome', 'MANUAL', 'UTC', '{}', 'system') RETURNING id"
            ),
            {"t": tenant.id},
        )
        for person, step in ((ann, 1), (bob, 3)):
            session.execute(
                text(
                    "INSERT INTO journey_enrollment (tenant_id, journey_id, customer_id, current_step_key,"
                    " current_step_number, due_at) VALUES (:t, :j, :c, :k, :n, now())"
                ),
                {"t": tenant.id, "j": journey, "c": person, "k": f"step{step}", "n": step},
            )
            session.execute(
                text("INSERT INTO journey_step_count (tenant_id, journey_id, step_key, active) VALUES (:t, :j, :k, 1)"),
                {"t": tenant.id, "j": journey, "k": f"step{step}"},
            )
    merging.merge_customers(tenant_id=tenant.id, winner_id=ann, loser_id=bob, reason="r", actor=STAFF, now=NOW)
    rows = query(tenant, "SELECT * FROM journey_enrollment ORDER BY current_step_number")
    assert [(row.customer_id, row.status, row.exit_reason, row.due_at is None) for row in rows] == [
        (ann, "EXITED", "merged", True),
        (ann, "ACTIVE", None, False),
    ]
    counts = query(tenant, "SELECT step_key, active, skipped FROM journey_step_count ORDER BY step_key")
    assert [tuple(row) for row in counts] == [("step1", 0, 1), ("step3", 1, 0)]
    assert [row.total_exited for row in query(tenant, "SELECT total_exited FROM journey")] == [1]


def test_what_somebody_made_one_is_not_divided(tenant: Any) -> None:
    ann, bob = two(tenant)
    merging.merge_customers(
        tenant_id=tenant.id, winner_id=ann, loser_id=bob, reason="she changed her name", actor=STAFF, now=NOW
    )
    post(tenant, event(3, scl_member_id="M2"), event(4, email="bob@example.com", scl_member_id="M1"))
    assert {owner(tenant, number) for number in (1, 2, 3, 4)} == {ann}
