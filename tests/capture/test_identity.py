"""Whose event is it?"""

from decimal import Decimal
from typing import Any

import pytest

from app.capture import lookup
from app.customers.models import ContactPoint, Customer, ExternalId
from app.infra.db import transaction
from tests.capture.people import event, groups, member, owner, people, post, query


def test_any_hint_leads_to_the_same_person(tenant: Any) -> None:
    post(
        tenant,
        event(1, email="Ann@Example.com", phone_number="082 768 8932"),
        event(2, email=" ann@example.COM ", scl_member_id="M1"),
        event(3, phone_number="+27 82 768 8932", teetime_player_id="T1"),
        event(4, scl_member_id="M1"),
        event(5, teetime_player_id="T1", external_ids={"pos": "77"}),
        event(6, external_ids={"pos": "77"}),
    )
    assert people(tenant) == groups(range(1, 7))
    assert len(query(tenant, "SELECT FROM customer")) == 1


def test_profiles_that_prove_to_be_one_are_merged(tenant: Any) -> None:
    post(tenant, event(1, email="ann@example.com"))
    post(tenant, member(2, "Ann", "M1"))
    old = owner(tenant, 1)
    post(tenant, event(3, email="ann@example.com", scl_member_id="M1"))
    assert people(tenant) == groups([1, 2, 3])
    (kept,) = query(tenant, "SELECT id, first_name, email FROM customer WHERE status = 'ACTIVE'")
    assert (kept.first_name, kept.email) == ("Ann", "ann@example.com")
    (gone,) = query(tenant, "SELECT id, merged_into_id FROM customer WHERE status = 'MERGED'")
    assert (gone.id, gone.merged_into_id) == (old, kept.id)
    (journal,) = query(tenant, "SELECT * FROM customer_merge")
    assert (journal.winner_id, journal.loser_id, journal.merged_by) == (kept.id, old, "system")


def test_a_family_on_one_mailbox_stays_several_people(tenant: Any) -> None:
    post(
        tenant,
        member(1, "Ann", "M1", email="family@example.com"),
        member(2, "Bob", "M2", email="family@example.com"),
        event(3, scl_member_id="M2"),
    )
    assert people(tenant) == groups([1], [2, 3])


@pytest.mark.parametrize("other", [{"first_name": "Bob"}, {"first_name": "Ann", "date_of_birth": "1990-01-02"}])
def test_what_contradicts_never_joins(tenant: Any, other: dict[str, str]) -> None:
    shared = {"email": "home@example.com", "phone_number": "0827688932"}
    post(tenant, member(1, "Ann", "M1", date_of_birth="1980-01-01", **shared))
    post(tenant, member(2, other["first_name"], "M2", date_of_birth=other.get("date_of_birth", "1980-01-01"), **shared))
    post(tenant, event(3, "teetime.booked", teetime_player_id="T1", scl_member_id="M1"))
    post(tenant, event(4, "teetime.booked", teetime_player_id="T1", scl_member_id="M2"))
    assert owner(tenant, 1) != owner(tenant, 2)


@pytest.mark.parametrize(
    "first, second", [("Elizabeth", "Liz"), ("Zoë", "ZOE"), ("Mr J.", "Johan"), ("Ann Marie", "Ann")]
)
def test_nicknames_accents_and_initials_are_no_contradiction(tenant: Any, first: str, second: str) -> None:
    post(tenant, member(1, first, "M1", email="a@example.com"))
    post(tenant, event(2, "scl.member.updated", {"first_name": second}, email="a@example.com"))
    assert owner(tenant, 1) == owner(tenant, 2)


def test_a_person_entered_twice_under_two_numbers_is_one(tenant: Any) -> None:
    same = {"email": "ann@example.com", "date_of_birth": "1980-01-01"}
    post(tenant, member(1, "Ann", "M1", **same))
    post(tenant, member(2, "Ann", "M2", **same))
    assert people(tenant) == groups([1, 2])


def test_a_shared_address_goes_where_most_speaks_for_and_says_how_sure(tenant: Any) -> None:
    shared = "family@example.com"
    post(tenant, member(1, "Ann", "M1", email=shared), member(2, "Bob", "M2", email=shared))
    post(tenant, event(3, email=shared, scl_member_id="M2"), event(4, email=shared, scl_member_id="M2"))
    post(tenant, event(5, email=shared))
    assert owner(tenant, 5) in (owner(tenant, 1), owner(tenant, 2))
    (row,) = query(tenant, "SELECT matched_by, confidence, reason FROM inbound_event WHERE event_id = 'e5'")
    assert (row.matched_by, row.confidence) == (["email"], 60)
    assert "several customers" in row.reason
    (row,) = query(tenant, "SELECT matched_by, confidence FROM inbound_event WHERE event_id = 'e4'")
    assert (row.matched_by, row.confidence) == (["scl_member_id", "email"], 100)


def test_an_event_that_proves_to_be_anothers_moves_with_all_it_changed(tenant: Any) -> None:
    shared = "family@example.com"
    post(tenant, member(1, "Ann", "M1", email=shared))
    # Nothing says yet that this golfer is not Ann.
    post(tenant, event(2, "teetime.handicap.updated", {"handicap_index": 9.9}, email=shared, teetime_player_id="T2"))
    post(tenant, event(3, "contactPreference.updated", {"sms_opt_in": True}, teetime_player_id="T2"))
    assert owner(tenant, 2) == owner(tenant, 1)
    post(tenant, member(4, "Bob", "M2", teetime_player_id="T2"))
    assert people(tenant) == groups([1], [2, 3, 4])
    rows = query(tenant, "SELECT first_name, handicap_index, sms_opt_in FROM customer ORDER BY first_name")
    assert [tuple(row) for row in rows] == [("Ann", None, None), ("Bob", Decimal("9.9"), True)]
    rows = query(tenant, "SELECT customer_id FROM activity WHERE type LIKE 'teetime%'")
    assert [row.customer_id for row in rows] == [owner(tenant, 4)]
    (row,) = query(tenant, "SELECT customer_id FROM consent_change")
    assert row.customer_id == owner(tenant, 4)
    assert [
        row.value
        for row in query(
            tenant, "SELECT value FROM external_id WHERE customer_id = :id ORDER BY value", id=owner(tenant, 4)
        )
    ] == ["M2", "T2"]


def test_a_profile_that_was_typed_in_keeps_what_it_holds(tenant: Any) -> None:
    post(tenant, member(1, "Ann", "M1", email="family@example.com"))
    ann = owner(tenant, 1)
    query(
        tenant,
        "INSERT INTO external_id (tenant_id, customer_id, kind, value) VALUES (:tenant, :ann, 'pos', 'P1') RETURNING 1",
        tenant=tenant.id,
        ann=ann,
    )
    post(tenant, member(2, "Bob", "M2", email="family@example.com"))
    post(tenant, event(3, external_ids={"pos": "P1"}))
    assert owner(tenant, 3) == ann


def test_a_typed_in_family_keeps_its_numbers_however_often_they_play(tenant: Any) -> None:
    with transaction(tenant.id) as session:
        for first_name, player in (("Luke", "TT1"), ("Lena", "TT2")):
            person = Customer(
                tenant_id=tenant.id, first_name=first_name, last_name="Abbott", email="abbotts@example.com"
            )
            session.add(person)
            session.flush()
            held = {"tenant_id": tenant.id, "customer_id": person.id}
            session.add(ContactPoint(**held, kind="email", key="abbotts@example.com", value="abbotts@example.com"))
            session.add(ExternalId(**held, kind="teetime_player_id", value=player))
    for number in (1, 2, 3):
        post(tenant, event(number, teetime_player_id="TT1"))
    assert query(tenant, "SELECT count(*) FROM customer")[0][0] == 2
    assert {
        row.first_name
        for row in query(tenant, "SELECT c.first_name FROM inbound_event e JOIN customer c ON c.id = e.customer_id")
    } == {"Luke"}


def test_fairways_own_events_stay_with_their_customer(tenant: Any) -> None:
    post(tenant, event(1, email="ann@example.com"))
    ann = owner(tenant, 1)
    post(tenant, event(2, "message.opened", customer_id=str(ann)) | {"source": "fairway"}, own=True)
    (row,) = query(tenant, "SELECT last_email_open_at FROM customer")
    assert row.last_email_open_at is not None
    post(tenant, member(3, "Ann", "M1"))
    post(tenant, event(4, email="ann@example.com", scl_member_id="M1"))
    post(tenant, event(5, "message.clicked", customer_id=str(ann)) | {"source": "fairway"}, own=True)
    assert people(tenant) == groups([1, 2, 3, 4, 5])


def test_an_own_event_of_a_customer_who_is_gone_fails_alone(tenant: Any) -> None:
    lost = event(1, "message.opened", customer_id="0" * 32) | {"source": "fairway"}
    post(tenant, lost, event(2, email="ann@example.com"), own=True)
    rows = query(tenant, "SELECT event_id, status FROM inbound_event ORDER BY event_id")
    assert [tuple(row) for row in rows] == [("e1", "failed"), ("e2", "processed")]


def test_tenants_share_nobody(tenant: Any, other_tenant: Any) -> None:
    post(tenant, event(1, email="ann@example.com", scl_member_id="M1"))
    post(other_tenant, event(1, email="ann@example.com", scl_member_id="M1"))
    assert owner(tenant, 1) != owner(other_tenant, 1)


def test_looking_up_makes_nobody(tenant: Any) -> None:
    assert lookup.find(tenant_id=tenant.id, identity={"email": "ann@example.com"}) is None
    assert query(tenant, "SELECT FROM customer") == []
    post(
        tenant,
        member(1, "Ann", "M1", email="a@example.com", phone_number="0827688932"),
        member(2, "Bob", "M2", email="a@example.com"),
    )
    found = lookup.find(tenant_id=tenant.id, identity={"scl_member_id": "M2"})
    assert found
    assert (found.customer_id, found.matched_by, found.confidence) == (
        owner(tenant, 2),
        ("scl_member_id",),
        100,
    )
    found = lookup.find(tenant_id=tenant.id, identity={"email": "A@example.com"})
    assert found
    assert (found.matched_by, found.confidence) == (("email",), 60)
    found = lookup.find(tenant_id=tenant.id, identity={"email": "a@example.com", "phone_number": "082 768 8932"})
    assert found
    assert (found.customer_id, found.confidence) == (owner(tenant, 1), 95)


def test_an_event_of_our_own_is_matched_by_the_customer_it_names(tenant: Any) -> None:
    post(tenant, event(1, email="ann@example.com"))
    post(tenant, event(2, "message.opened", customer_id=str(owner(tenant, 1))) | {"source": "fairway"}, own=True)
    (row,) = query(tenant, "SELECT matched_by, confidence, reason FROM inbound_event WHERE event_id = 'e2'")
    assert (owner(tenant, 2), row.matched_by, row.confidence, row.reason) == (
        owner(tenant, 1),
        ["customer_id"],
        100,
        None,
    )
