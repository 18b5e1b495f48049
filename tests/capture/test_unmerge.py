"""Taking merges back: both as before, newer things where their evidence leads, nobody re-subscribed, two for good."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.capture import merging
from app.customers import unmerge
from app.infra.db import Base, transaction
from tests.capture.people import NOW, STAFF, event, member, owner, post, query

# What remembers that there was a merge.
MEMORY = {"customer_merge", "customer_merge_part", "merge_suggestion", "audit_entry", "heartbeat"}


def everything(tenant: Any) -> dict[str, list[str]]:
    """Return all rows of the tenant, by table, as text."""
    with transaction(tenant.id) as session:
        return {
            table.name: list(session.scalars(text(f"SELECT t::text FROM {table.name} t ORDER BY 1")))
            for table in Base.metadata.sorted_tables
            if table.name not in MEMORY
        }


def merge(tenant: Any, winner: UUID, loser: UUID, **more: Any) -> UUID:
    return merging.merge_customers(
        tenant_id=tenant.id, winner_id=winner, loser_id=loser, actor=STAFF, **({"now": NOW} | more)
    )


def undo(tenant: Any, merge_id: UUID) -> merging.Undone:
    return merging.undo(tenant_id=tenant.id, merge_id=merge_id, actor=STAFF, now=NOW)


def fields(tenant: Any, customer: UUID) -> Any:
    (row,) = query(tenant, "SELECT * FROM customer WHERE id = :id", id=customer)
    return row


@pytest.fixture
def two(tenant: Any) -> tuple[UUID, UUID]:
    """Ann and Anne, with all that may hang on a customer, some of it on both."""
    club = "Cape Links Golf Club"
    post(
        tenant,
        member(1, "Ann", "M1", email="ann@example.com", phone_number="082 111 1111", club=club, membership_tier="Gold"),
        member(2, "Anna", "M2", email="anna@example.com", date_of_birth="1970-01-01", joined_on="2020-01-01"),
        event(3, "contactPreference.updated", {"email_opt_in": True, "sms_opt_in": False}, scl_member_id="M1"),
        event(4, "contactPreference.updated", {"email_opt_in": False, "push_opt_in": True}, scl_member_id="M2"),
        event(5, "teetime.booked", {"club": club}, scl_member_id="M2", teetime_player_id="T2"),
    )
    ann, anna = owner(tenant, 1), owner(tenant, 2)
    with transaction(tenant.id) as session:

        def run(statement: str, **values: Any) -> Any:
            return session.execute(text(statement), {"t": tenant.id, **values})

        run("UPDATE customer SET tags = '{vip,a}' WHERE id = :id", id=ann)
        run("UPDATE customer SET tags = '{vip,b}', last_email_sent_at = now(), title = 'Dr' WHERE id = :id", id=anna)
        for one in (ann, anna):
            run(
                "INSERT INTO contact_point (tenant_id, customer_id, kind, key, value, source)"
                " VALUES (:t, :c, 'email', 'both@example.com', 'Both@example.com', 'staff')",
                c=one,
            )
            run(
                "INSERT INTO note (tenant_id, customer_id, author_id, author_name, body) VALUES (:t, :c, :a, 'A', 'x')",
                c=one,
                a=uuid4(),
            )
            run(
                "INSERT INTO message (tenant_id, channel, purpose, customer_id, dedupe_key)"
                " VALUES (:t, 'EMAIL', 'marketing', :c, :key)",
                c=one,
                key=str(one),
            )
        journey = run(
            "INSERT INTO journey (tenant_id, name, trigger_type, timezone, draft, created_by, total_exited)"
            " VALUES (:t, 'Welcome', 'MANUAL', 'UTC', '{}', 'system', 2) RETURNING id"
        ).scalar_one()
        for one, step in ((ann, 1), (anna, 3)):
            walk = run(
                "INSERT INTO journey_enrollment (tenant_id, journey_id, customer_id, current_step_key,"
                " current_step_number, due_at, waiting_until) VALUES (:t, :j, :c, :k, :n, now(), now()) RETURNING id",
                j=journey,
                c=one,
                k=f"step{step}",
                n=step,
            ).scalar_one()
            run(
                "INSERT INTO journey_enrollment_step (tenant_id, enrollment_id, step_number, step_key, version, status,"
                " entered_at) VALUES (:t, :w, :n, :k, 1, 'IN_PROGRESS', now())",
                w=walk,
                n=step,
                k=f"step{step}",
            )
            run(
                "INSERT INTO journey_step_count (tenant_id, journey_id, step_key, active, entered)"
                " VALUES (:t, :j, :k, 1, 1)",
                j=journey,
                k=f"step{step}",
            )
    return ann, anna


@pytest.mark.parametrize("which", [0, 1])
def test_merge_then_unmerge_equals_before(tenant: Any, two: tuple[UUID, UUID], which: int) -> None:
    before = everything(tenant)
    chosen = {"first_name": "loser", "email": "winner", "date_of_birth": "loser"}
    done = merge(tenant, two[which], two[1 - which], fields=chosen)
    merged = everything(tenant)
    changed = {name for name in before if before[name] != merged[name]}
    assert changed >= {
        *("activity", "consent_change", "contact_point", "customer", "external_id", "inbound_event", "message", "note"),
        *("journey", "journey_enrollment", "journey_enrollment_step", "journey_step_count"),
    }
    undo(tenant, done)
    after = everything(tenant)
    for name in before:
        assert before[name] == after[name], name


def test_merges_are_undone_the_last_one_first(tenant: Any, two: tuple[UUID, UUID]) -> None:
    ann, anna = two
    post(tenant, member(6, "Carl", "M3"))
    carl, before = owner(tenant, 6), everything(tenant)
    first = merge(tenant, ann, anna)
    between = everything(tenant)
    second = merge(tenant, carl, ann)
    with pytest.raises(unmerge.CannotUndo) as refused:
        undo(tenant, first)
    assert refused.value.later_id == second
    undo(tenant, second)
    assert everything(tenant) == between
    assert fields(tenant, anna).merged_into_id == ann
    undo(tenant, first)
    assert everything(tenant) == before
    with pytest.raises(unmerge.CannotUndo):
        undo(tenant, first)


def test_what_somebody_decided_on_holds_over_what_comes_later(tenant: Any, two: tuple[UUID, UUID]) -> None:
    ann, anna = two
    merge(tenant, ann, anna, fields={"first_name": "winner", "email": "loser"})
    assert (fields(tenant, ann).first_name, fields(tenant, ann).email) == ("Ann", "anna@example.com")
    post(tenant, member(9, "Anna", "M2", email="anna@example.com"))
    assert fields(tenant, ann).first_name == "Ann"


def test_events_since_go_where_their_evidence_leads(tenant: Any, two: tuple[UUID, UUID]) -> None:
    ann, anna = two
    done = merge(tenant, ann, anna)
    post(
        tenant,
        event(10, "contactPreference.updated", {"whatsapp_opt_in": True}, scl_member_id="M2", email="new@example.com"),
        event(11, email="anna@example.com"),
        event(12, email="ann@example.com"),
        event(13, email="both@example.com"),
        event(14, email="new@example.com"),
        member(15, "Ann", "M1", membership_tier="Silver"),
    )
    assert {owner(tenant, number) for number in range(10, 16)} == {ann}
    assert undo(tenant, done).given_back == 3
    assert [owner(tenant, number) for number in range(10, 16)] == [anna, anna, ann, ann, anna, ann]
    mine, theirs = fields(tenant, ann), fields(tenant, anna)
    assert (mine.membership_tier, mine.whatsapp_opt_in, theirs.whatsapp_opt_in) == ("Silver", None, True)
    points = query(tenant, "SELECT customer_id FROM contact_point WHERE key = 'new@example.com'")
    assert [row.customer_id for row in points] == [anna]
    assert "new@example.com" in theirs.search_extra
    assert "new@example.com" not in mine.search_extra
    assert {
        row.customer_id
        for row in query(
            tenant,
            "SELECT customer_id FROM activity WHERE object_id IN (SELECT id FROM inbound_event WHERE event_id = 'e11')",
        )
    } == {anna}


def test_what_changed_since_stays_with_the_kept_profile(tenant: Any, two: tuple[UUID, UUID]) -> None:
    ann, anna = two
    done = merge(tenant, ann, anna)
    query(tenant, "UPDATE customer SET title = 'Prof', tags = tags || '{new}' WHERE id = :id RETURNING 1", id=ann)
    query(
        tenant,
        "INSERT INTO note (tenant_id, customer_id, author_id, author_name, body)"
        " VALUES (:t, :c, :c, 'A', 'since') RETURNING 1",
        t=tenant.id,
        c=ann,
    )
    undo(tenant, done)
    assert (fields(tenant, ann).title, fields(tenant, anna).title) == ("Prof", "Dr")
    assert (set(fields(tenant, ann).tags), set(fields(tenant, anna).tags)) == ({"vip", "a", "new"}, {"vip", "b"})
    assert [row.customer_id for row in query(tenant, "SELECT customer_id FROM note WHERE body = 'since'")] == [ann]


def test_a_refusal_since_holds_for_both(tenant: Any, two: tuple[UUID, UUID]) -> None:
    ann, anna = two
    done = merge(tenant, ann, anna)
    post(tenant, event(20, "contactPreference.updated", {"push_opt_in": False}, email="both@example.com"))
    undo(tenant, done)
    assert [fields(tenant, one).push_opt_in for one in two] == [False, False]
    assert [fields(tenant, one).email_opt_in for one in two] == [True, False]


def test_who_was_taken_apart_is_not_joined_again_by_itself(tenant: Any) -> None:
    post(tenant, member(1, "Jan", "M1", email="jan@example.com"), event(2, email="jan2@example.com"))
    father, son = owner(tenant, 1), owner(tenant, 2)
    undo(tenant, merge(tenant, father, son))
    post(
        tenant,
        event(5, email="jan2@example.com"),
        event(6, email="jan@example.com"),
        event(7, email="jan2@example.com", scl_member_id="M1"),
    )
    assert fields(tenant, father).status == fields(tenant, son).status == "ACTIVE"
    assert [owner(tenant, number) for number in (2, 6, 7)] == [son, father, father]


def test_a_merge_the_road_made_can_be_undone_for_good(tenant: Any) -> None:
    post(tenant, event(1, email="a@example.com"), event(2, scl_member_id="M1"))
    before = everything(tenant)["customer"]
    one, other = owner(tenant, 1), owner(tenant, 2)
    post(tenant, event(3, email="a@example.com", scl_member_id="M1"))
    (made,) = query(tenant, "SELECT id, winner_id FROM customer_merge")
    undo(tenant, made.id)
    assert len(before) == len(query(tenant, "SELECT id FROM customer WHERE status = 'ACTIVE'"))
    post(tenant, event(4, email="a@example.com", scl_member_id="M1"))
    assert {fields(tenant, person).status for person in (one, other)} == {"ACTIVE"}
    # By hand they can be made one again.
    merge(tenant, one, other)
    post(tenant, event(5, email="a@example.com", scl_member_id="M1"))
    assert owner(tenant, 5) == one
