"""People entered twice, and people who only look like it: who is joined, who is left for staff to decide."""

from itertools import permutations
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from app.capture.names import last_names_agree, name_key, names_agree
from app.capture.profiles import NAMESAKES
from app.customers import suggestions
from app.infra.arrays import array
from app.infra.db import transaction
from tests.capture.people import event, groups, member, people, post, query
from tests.conftest import make_tenant

CLUB = "Cape Links Golf Club"
MAIL, PHONE, BORN = {"email": "a@example.com"}, {"phone_number": "0821111111"}, {"date_of_birth": "1980-05-09"}
OWN_MAIL, OWN_PHONE = {"email": "other@example.com"}, {"phone_number": "0822222222"}

ONE = {
    "an address, and no birth date": [("Ann", MAIL), ("Ann", MAIL)],
    "a number, one without an address": [("Ann", MAIL | PHONE), ("Ann", PHONE)],
    "an address, one birth date": [("Ann", MAIL | BORN), ("Ann", MAIL)],
    "an accent and a nickname": [("Zoë Liz", MAIL), ("ZOE", MAIL)],
    "an initial, address and number": [("Johan", MAIL | PHONE), ("J.", MAIL | PHONE)],
    "a short form of several names, address and number": [("Johan", MAIL | PHONE), ("Jo", MAIL | PHONE)],
    "a maiden name, the same birth date": [("Ann", MAIL | BORN | {"last_name": "Smith"}), ("Ann", MAIL | BORN)],
    "a slip in the last name": [("Ann", MAIL | {"last_name": "Robertson"}), ("Ann", MAIL | {"last_name": "Robertsen"})],
    "first and last name in each other's place": [
        ("Johan", MAIL | {"last_name": "Botha"}),
        ("Botha", MAIL | {"last_name": "Johan"}),
    ],
    "day and month in each other's place": [("Ann", MAIL | BORN), ("Ann", MAIL | {"date_of_birth": "1980-09-05"})],
    "the same birth date, another address": [("Ann", MAIL | PHONE | BORN), ("Ann", OWN_MAIL | PHONE | BORN)],
    "nothing but the name, birth date and club": [
        ("Ann", MAIL | BORN | {"club": CLUB}),
        ("Ann", BORN | {"club": CLUB}),
    ],
}
TWO = {
    "a couple on one phone": [("Ann", PHONE | BORN), ("Bob", PHONE | BORN)],
    "twins on one mailbox": [("Zanele", MAIL | BORN), ("Zandile", MAIL | BORN)],
    "a father and a son of one name": [("Paul", MAIL | PHONE | BORN), ("Paul", MAIL | {"date_of_birth": "2010-01-01"})],
    "one name and phone, each with a mailbox": [("Paul", MAIL | PHONE | BORN), ("Paul", OWN_MAIL | PHONE)],
    "one name and mailbox, each with a phone": [("Paul", MAIL | PHONE), ("Paul", MAIL | OWN_PHONE | BORN)],
    "an initial and a mailbox": [("Paul", MAIL), ("P.", MAIL)],
    "another last name and no birth date": [("Ann", MAIL), ("Ann", MAIL | {"last_name": "Smith"})],
    "namesakes born on one day, each with a mailbox": [
        ("Ann", MAIL | BORN | {"club": CLUB}),
        ("Ann", OWN_MAIL | BORN | {"club": CLUB}),
    ],
    "namesakes born on one day, whose clubs nobody told": [("Ann", MAIL | BORN), ("Ann", BORN)],
    "a mother and a daughter, one begins like the other": [("Ann", MAIL), ("Annabel", MAIL)],
}


def entered(tenant: Any, told: list[tuple[str, dict[str, str]]], *, at_once: bool) -> None:
    """Post each as a member with a number of their own."""
    events = [member(number, name, f"M{number}", **more) for number, (name, more) in enumerate(told)]
    for some in [events] if at_once else [[one] for one in events]:
        post(tenant, *some)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("told", ONE.values(), ids=ONE)
def test_a_person_entered_twice_is_one(tenant: Any, told: list[tuple[str, dict[str, str]]], at_once: bool) -> None:
    entered(tenant, told, at_once=at_once)
    assert people(tenant) == groups([0, 1])
    assert {row.value for row in query(tenant, "SELECT value FROM external_id")} == {"M0", "M1"}
    other = make_tenant()
    entered(other, told[::-1], at_once=at_once)
    assert people(other) == groups([0, 1])


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("told", TWO.values(), ids=TWO)
def test_two_people_stay_two(tenant: Any, told: list[tuple[str, dict[str, str]]], at_once: bool) -> None:
    entered(tenant, told, at_once=at_once)
    assert people(tenant) == groups([0], [1])
    other = make_tenant()
    entered(other, told[::-1], at_once=at_once)
    assert people(other) == groups([0], [1])


@pytest.mark.parametrize(
    "told", ["one name and phone, each with a mailbox", "namesakes born on one day, each with a mailbox"]
)
def test_what_is_too_little_to_join_is_suggested(tenant: Any, told: str) -> None:
    entered(tenant, TWO[told], at_once=True)
    assert len(suggestions.suggested(tenant_id=tenant.id).items) == 1


def test_a_third_entry_of_a_father_or_a_son_waits_for_people(tenant: Any) -> None:
    told = [*TWO["a father and a son of one name"], ("Paul", MAIL)]
    for order in permutations(range(3)):
        one = make_tenant()
        for number in order:
            name, more = told[number]
            post(one, member(number, name, f"M{number}", **more))
        assert people(one) == groups([0], [1], [2])


def test_an_initial_does_not_make_jane_of_johan(tenant: Any) -> None:
    shared = MAIL | PHONE
    post(tenant, member(1, "Johan", "M1", **shared), member(2, "J.", "M1", **shared), member(3, "Jane", "M3", **shared))
    assert people(tenant) == groups([1, 2], [3])


def test_whom_a_new_address_shows_to_be_two_part_again(tenant: Any) -> None:
    entered(tenant, ONE["nothing but the name, birth date and club"], at_once=False)
    post(tenant, event(2, scl_member_id="M1", **OWN_MAIL))
    assert people(tenant) == groups([0], [1, 2])


def test_the_reasons_say_what_it_was(tenant: Any) -> None:
    entered(tenant, ONE["nothing but the name, birth date and club"], at_once=False)
    post(tenant, member(2, "Ann", "M2", **MAIL))
    rows = query(tenant, "SELECT matched_by, confidence, reason FROM inbound_event ORDER BY event_id")
    found = [(row.matched_by, row.confidence, row.reason) for row in rows]
    assert found[0] == ([], 100, None)
    assert found[1][:2] == (["name", "date_of_birth", "club"], 85)
    assert found[1][2].startswith("the same name, birth date and club")
    assert found[2][:2] == (["email"], 95)
    assert found[2][2] == "another member number than before, which alone does not make another person"


def test_a_merge_says_why(tenant: Any) -> None:
    post(tenant, member(1, "Ann", "M1", **MAIL), event(2, **PHONE))
    post(tenant, event(3, scl_member_id="M1", **PHONE))
    (merge,) = query(tenant, "SELECT reason FROM customer_merge")
    assert merge.reason == "something that came in names hints of both; nothing contradicts"


def test_hints_that_came_in_together_explain_each_other(tenant: Any) -> None:
    post(tenant, member(1, "Ann", "M1"))
    post(tenant, event(2, teetime_player_id="T1"), event(3, teetime_player_id="T1", scl_member_id="M1"))
    (row,) = query(tenant, "SELECT matched_by, confidence FROM inbound_event WHERE event_id = 'e2'")
    assert (row.matched_by, row.confidence) == (["teetime_player_id"], 100)


def test_a_number_is_read_in_all_the_tenants_countries(tenant: Any) -> None:
    query(tenant, "UPDATE club SET country = 'GB' RETURNING id")
    post(tenant, event(1, phone_number="082 111 1111", payload={"club": CLUB}), event(2, phone_number="+27821111111"))
    assert people(tenant) == groups([1, 2])


@pytest.mark.parametrize(
    "one, other", [("van der Merwe", "VanderMerwe"), ("Smith-Jones", "Jones"), ("O’Reilly", "OReilly"), ("Nkosi", "N.")]
)
def test_last_names_that_agree(one: str, other: str) -> None:
    assert last_names_agree(one.lower(), other.lower())


@pytest.mark.parametrize("one, other", [("hill", "hall"), ("botha", "bosman"), ("du plessis", "du toit")])
def test_last_names_that_do_not(one: str, other: str) -> None:
    assert not last_names_agree(one, other)


def test_given_names() -> None:
    assert name_key("Søren") == "soren"
    assert names_agree("chris", "christina")
    assert not names_agree("chris", "charles")
    assert not names_agree("paul", "paula")


@pytest.mark.committed
def test_namesakes_are_looked_up_by_an_index_under_row_level_security(real_db: str) -> None:
    tenant_id = make_tenant("Large Links").id
    values = {"tenant_id": tenant_id, "births": array(["1980-05-09"]), "crowd": 1}
    values |= {"first": array(["1botha "]), "last": array(["1botha!"])}
    with transaction(tenant_id) as session:
        session.execute(
            text(
                "INSERT INTO customer (tenant_id, last_name, date_of_birth)"
                " SELECT :tenant_id, 'Name' || n, date '1950-01-01' + n FROM generate_series(1, 2000) AS n"
            ),
            {"tenant_id": tenant_id},
        )
    with psycopg.connect(real_db, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE customer")
    with transaction(tenant_id) as session:
        session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        plan = session.scalars(text(f"EXPLAIN {NAMESAKES.text}"), values).all()
    assert [line for line in plan if "Index Cond" in line and "sort_name" in line], "\n".join(plan)
