"""Households: who is in which, what they are called, dissolving and its undo, and one copy per address."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.capture import merging
from app.customers import copies, greetings, household_queries, households, timeline
from app.customers.greetings import CHILD, HEAD, MEMBER
from app.customers.household_queries import HouseholdView, Member
from app.customers.households import CannotJoin, Newcomer
from app.customers.models import Activity, ContactPoint, Customer
from app.customers.queries import NoSuchCustomer
from app.customers.timeline import Filters
from app.infra.db import transaction
from app.infra.errors import Invalid
from tests.capture.people import NOW, STAFF, query


def person(tenant: Any, first: str | None, last: str | None = "Botha", **more: Any) -> UUID:
    """Return a new customer; an e-mail address and a phone are contact points of theirs too."""
    made = Customer(tenant_id=tenant.id, id=uuid4(), first_name=first, last_name=last, **more)
    with transaction(tenant.id) as session:
        session.add(made)
        session.flush()
        for kind in ("email", "phone"):
            if key := more.get(kind):
                session.add(ContactPoint(tenant_id=tenant.id, customer_id=made.id, kind=kind, key=key, value=key))
        session.flush()
        return made.id


def make(tenant: Any, *people: UUID, **more: Any) -> UUID:
    members = [Newcomer(one) for one in people]
    return households.make(tenant_id=tenant.id, members=members, actor=STAFF, **({"now": NOW} | more))


def shown(tenant: Any, household_id: UUID) -> HouseholdView:
    return household_queries.household(tenant_id=tenant.id, household_id=household_id)


def who(tenant: Any, household_id: UUID) -> list[str | None]:
    return [one.first_name for one in shown(tenant, household_id).members]


def named(*names: tuple[str | None, ...]) -> list[Member]:
    """Return members of (first name, last name, role, title)."""
    made = []
    for first, last, role, title in ((*one, *(None,) * (4 - len(one))) for one in names):
        made.append(
            Member(uuid4(), role or MEMBER, "hand", "", "system", NOW, title, first, last, None, None, None),
        )
    return made


@pytest.mark.parametrize(
    "people, greeting, name",
    [
        ([("Ben", "Botha"), ("Anna", "Botha", HEAD)], "Dear Anna and Ben", "Botha household"),
        ([("Anna", "Botha")], "Dear Anna", "Botha household"),
        (
            [("Mia", "Smith", CHILD), ("Ben", "Smith"), ("Anna", "Botha", HEAD)],
            "Dear Anna, Ben and Mia",
            "Botha and Smith household",
        ),
        ([(None, "Botha", None, "Mr"), ("Anna", "BOTHA")], "Dear Mr Botha and Anna", "Botha household"),
        ([("A", "X"), ("B", "X"), ("C", "X", CHILD), ("D", "X", CHILD), ("E", "X", CHILD)], "Dear A and B", None),
        ([(one, "X") for one in "ABCDE"], "Dear X family", "X household"),
        ([(one, one) for one in "ABCDE"], "Dear all", "A, B and others household"),
        ([(None, None)], "Hello", "Unnamed household"),
        ([("Anna", None), ("Ben", None)], "Dear Anna and Ben", "Anna and Ben household"),
        ([], "Hello", "Unnamed household"),
    ],
)
def test_what_several_people_are_called(people: Any, greeting: str, name: str | None) -> None:
    members = named(*people)
    assert greetings.greeting(members) == greeting
    assert name is None or greetings.household_name(members) == name


def test_a_household_goes_by_its_peoples_names_of_today_until_it_has_its_own(tenant: Any) -> None:
    anna, ben = person(tenant, "Anna"), person(tenant, "Ben", "Smith")
    home = make(tenant, anna, ben)
    assert (shown(tenant, home).name, shown(tenant, home).greeting) == (
        "Botha and Smith household",
        "Dear Anna and Ben",
    )
    query(tenant, "UPDATE customer SET last_name = 'Botha' WHERE id = :id RETURNING 1", id=ben)
    assert shown(tenant, home).name == "Botha household"
    own = {"name": " Sea  View 4 ", "greeting": "Dear Bothas"}
    households.change(tenant_id=tenant.id, household_id=home, changes=own, actor=STAFF)
    assert (shown(tenant, home).name, shown(tenant, home).greeting) == ("Sea View 4", "Dear Bothas")
    households.change(tenant_id=tenant.id, household_id=home, changes={"greeting": ""}, actor=STAFF)
    assert (shown(tenant, home).name, shown(tenant, home).greeting) == ("Sea View 4", "Dear Anna and Ben")
    with pytest.raises(Invalid) as refused:
        households.change(tenant_id=tenant.id, household_id=home, changes={"name": "x" * 101}, actor=STAFF)
    assert refused.value.errors.keys() == {"name"}


def test_a_person_is_in_one_household_and_moves_only_when_told(tenant: Any) -> None:
    anna, ben, carl = (person(tenant, name) for name in ("Anna", "Ben", "Carl"))
    first, second = make(tenant, anna, ben), make(tenant, carl)
    with pytest.raises(CannotJoin):
        households.add(tenant_id=tenant.id, household_id=second, newcomer=Newcomer(ben), actor=STAFF)
    with pytest.raises(CannotJoin):
        make(tenant, ben)
    households.add(tenant_id=tenant.id, household_id=second, newcomer=Newcomer(ben), actor=STAFF, move=True)
    assert (who(tenant, first), who(tenant, second)) == (["Anna"], ["Carl", "Ben"])
    with pytest.raises(households.NotInIt):
        households.remove(tenant_id=tenant.id, household_id=first, customer_id=ben, actor=STAFF)


def test_there_is_one_head_and_who_is_not_of_age_is_a_child(tenant: Any) -> None:
    anna, ben = person(tenant, "Anna"), person(tenant, "Ben", date_of_birth=date(1980, 1, 1))
    mia = person(tenant, "Mia", date_of_birth=NOW.date() - timedelta(days=17 * 365))
    home = make(tenant, mia, anna, ben)
    for one in (ben, anna):
        households.set_role(tenant_id=tenant.id, household_id=home, customer_id=one, role=HEAD, actor=STAFF)
    assert [(one.first_name, one.role) for one in shown(tenant, home).members] == [
        ("Anna", HEAD),
        ("Ben", MEMBER),
        ("Mia", CHILD),
    ]
    with pytest.raises(Invalid):
        households.set_role(tenant_id=tenant.id, household_id=home, customer_id=anna, role="king", actor=STAFF)


def test_who_cannot_be_put_into_a_household(tenant: Any, other_tenant: Any) -> None:
    kept = person(tenant, "Anna")
    gone = person(tenant, "Ann", status="MERGED", merged_into_id=kept)
    with pytest.raises(NoSuchCustomer):
        make(tenant, person(other_tenant, "Eve"))
    with pytest.raises(CannotJoin):
        make(tenant, gone)
    with pytest.raises(Invalid):
        make(tenant)
    many = [person(tenant, f"P{number}") for number in range(households.MAX_MEMBERS + 1)]
    with pytest.raises(CannotJoin):
        make(tenant, *many)
    home = make(tenant, *many[:-1])
    with pytest.raises(CannotJoin):
        households.add(tenant_id=tenant.id, household_id=home, newcomer=Newcomer(many[-1]), actor=STAFF)


def test_dissolving_is_undone_with_roles_and_reasons(tenant: Any) -> None:
    anna, ben, carl = (person(tenant, name) for name in ("Anna", "Ben", "Carl"))
    home = make(tenant, anna, ben, carl, name="Sea View")
    households.set_role(tenant_id=tenant.id, household_id=home, customer_id=ben, role=HEAD, actor=STAFF)
    before = shown(tenant, home)
    households.dissolve(tenant_id=tenant.id, household_id=home, actor=STAFF, now=NOW)
    assert who(tenant, home) == []
    assert household_queries.households(tenant_id=tenant.id).items == []
    assert [one.id for one in household_queries.households(tenant_id=tenant.id, dissolved=True).items] == [home]
    with pytest.raises(households.Dissolved):
        households.add(tenant_id=tenant.id, household_id=home, newcomer=Newcomer(anna), actor=STAFF)
    assert households.restore(tenant_id=tenant.id, household_id=home, actor=STAFF) == 0
    assert shown(tenant, home) == before
    # Who found another home meanwhile stays there; who was merged meanwhile comes back as whom they went into.
    households.dissolve(tenant_id=tenant.id, household_id=home, actor=STAFF)
    elsewhere = make(tenant, carl)
    kept = person(tenant, "Benjamin")
    merging.merge_customers(tenant_id=tenant.id, winner_id=kept, loser_id=ben, actor=STAFF)
    assert households.restore(tenant_id=tenant.id, household_id=home, actor=STAFF) == 1
    assert (who(tenant, home), who(tenant, elsewhere)) == (["Benjamin", "Anna"], ["Carl"])


def test_the_list_finds_by_people_and_own_names_page_by_page(tenant: Any, other_tenant: Any) -> None:
    make(other_tenant, person(other_tenant, "Anna", "Botha"))
    homes = [make(tenant, person(tenant, f"Anna{n}", "Zulu"), person(tenant, "Ben", "Smith")) for n in range(5)]
    households.change(tenant_id=tenant.id, household_id=homes[2], changes={"name": "Sea View"}, actor=STAFF)

    def walk(**asked: Any) -> Iterator[UUID]:
        cursor = None
        while True:
            page = household_queries.households(tenant_id=tenant.id, cursor=cursor, limit=2, **asked)
            yield from (one.id for one in page.items)
            cursor = page.next_cursor
            if cursor is None:
                return

    assert list(walk()) == homes[::-1]
    assert list(walk(q="smith")) == homes[::-1]
    assert list(walk(q="anna3 zulu")) == [homes[3]]
    assert list(walk(q="view")) == [homes[2]]
    assert list(walk(q="botha")) == []
    assert list(walk(q="%")) == []


def test_where_too_many_match_the_list_is_walked(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(household_queries, "MAX_LIMIT", 1)
    homes = [make(tenant, person(tenant, "Anna", "Zulu")) for _ in range(3)]
    make(tenant, person(tenant, "Ben", "Smith"))
    found = household_queries.households(tenant_id=tenant.id, q="zulu", limit=10)
    assert [one.id for one in found.items] == homes[::-1]


def test_of_two_profiles_the_kept_ones_household_holds_and_undo_gives_both_back(tenant: Any) -> None:
    anna, ann, ben, carl = (person(tenant, name) for name in ("Anna", "Ann", "Ben", "Carl"))
    hers, other = make(tenant, anna, ben), make(tenant, ann, carl)
    before = query(tenant, "SELECT m::text FROM household_member m ORDER BY id")
    done = merging.merge_customers(tenant_id=tenant.id, winner_id=anna, loser_id=ann, actor=STAFF, now=NOW)
    assert (who(tenant, hers), who(tenant, other)) == (["Anna", "Ben"], ["Carl"])
    merging.undo(tenant_id=tenant.id, merge_id=done, actor=STAFF, now=NOW)
    assert query(tenant, "SELECT m::text FROM household_member m ORDER BY id") == before


def test_a_kept_profile_without_household_takes_the_others_place(tenant: Any) -> None:
    anna, ann, ben = (person(tenant, name) for name in ("Anna", "Ann", "Ben"))
    home = make(tenant, ann, ben)
    done = merging.merge_customers(tenant_id=tenant.id, winner_id=anna, loser_id=ann, actor=STAFF, now=NOW)
    assert who(tenant, home) == ["Anna", "Ben"]
    # Dissolved meanwhile: unmerging brings nobody into a household that is no more.
    households.dissolve(tenant_id=tenant.id, household_id=home, actor=STAFF)
    merging.undo(tenant_id=tenant.id, merge_id=done, actor=STAFF, now=NOW)
    assert query(tenant, "SELECT 1 FROM household_member") == []


def test_undoing_a_merge_brings_nobody_into_a_dissolved_household(tenant: Any) -> None:
    anna, ann, ben = (person(tenant, name) for name in ("Anna", "Ann", "Ben"))
    make(tenant, anna)
    other = make(tenant, ann, ben)
    done = merging.merge_customers(tenant_id=tenant.id, winner_id=anna, loser_id=ann, actor=STAFF, now=NOW)
    households.dissolve(tenant_id=tenant.id, household_id=other, actor=STAFF)
    merging.undo(tenant_id=tenant.id, merge_id=done, actor=STAFF, now=NOW)
    make(tenant, ann)


def test_the_latest_of_all_is_one_story_without_private_notes_of_others(tenant: Any) -> None:
    people = [person(tenant, name) for name in ("Anna", "Ben", "Mia")]
    author = uuid4()
    with transaction(tenant.id) as session:
        for number in range(9):
            session.add(
                Activity(
                    tenant_id=tenant.id,
                    id=uuid4(),
                    customer_id=people[number % 3],
                    type="note.general",
                    category="NOTE",
                    title=str(number),
                    occurred_at=NOW + timedelta(minutes=number // 2),
                    source="fairway",
                    private_to=author if number == 4 else None,
                )
            )
        session.flush()
    for reader, expected in ((author, "012345678"), (uuid4(), "01235678")):
        told, cursor = [], None
        while True:
            found = timeline.together(
                tenant_id=tenant.id,
                customer_ids=people,
                filters=Filters(reader_id=reader),
                cursor=cursor,
                limit=2,
            )
            told += found.items
            cursor = found.next_cursor
            if cursor is None:
                break
        assert sorted(one.title for one in told) == list(expected)
        assert [one.occurred_at for one in told] == sorted((one.occurred_at for one in told), reverse=True)


def test_one_copy_per_address_greets_all_who_share_it(tenant: Any) -> None:
    shared = "bothas@example.com"
    ben, anna = person(tenant, "Ben", email=shared), person(tenant, "Anna", email=shared)
    mia = person(tenant, "Mia", email="mia@example.com")
    piet = person(tenant, "Piet", "Nel", email="desk@example.com", created_at=NOW - timedelta(days=1))
    eve, nobody = person(tenant, "Eve", "Fox", email="desk@example.com"), person(tenant, "Carl")
    gone = person(tenant, "Benny", status="MERGED", merged_into_id=ben, email=shared)
    home = make(tenant, ben, anna, mia)
    households.set_role(tenant_id=tenant.id, household_id=home, customer_id=anna, role=HEAD, actor=STAFF)

    def ask(*ids: UUID) -> dict[str, tuple[Any, ...]]:
        found = copies.one_per_address(tenant_id=tenant.id, customer_ids=ids)
        assert found.unreached == ([nobody] if nobody in ids else [])
        return {one.address: (one.customer_ids, one.greeting, one.household_id) for one in found.copies}

    assert ask(ben, anna, mia, piet, eve, nobody, gone) == {
        shared: ((anna, ben), "Dear Anna and Ben", home),
        "mia@example.com": ((mia,), "Dear Mia", home),
        "desk@example.com": ((piet, eve), "Dear Piet and Eve", None),
    }
    # Who may not be written to is not asked for, and so not greeted; the own greeting is for several alone.
    households.change(tenant_id=tenant.id, household_id=home, changes={"greeting": "Dear Bothas"}, actor=STAFF)
    assert ask(gone) == {shared: ((ben,), "Dear Ben", home)}
    assert ask(ben, anna)[shared] == ((anna, ben), "Dear Bothas", home)
    assert ask() == {}


def test_one_copy_per_number(tenant: Any) -> None:
    number = "+27824751967"
    anna = person(tenant, "Anna", phone=number, created_at=NOW - timedelta(days=1))
    ben = person(tenant, "Ben", phone=number)
    found = copies.one_per_address(tenant_id=tenant.id, customer_ids=[anna, ben], kind="phone")
    assert [(one.address, one.greeting) for one in found.copies] == [(number, "Dear Anna and Ben")]


def test_every_act_is_in_the_audit_trail(tenant: Any) -> None:
    anna, ben = person(tenant, "Anna"), person(tenant, "Ben")
    home = make(tenant, anna)
    act = {"tenant_id": tenant.id, "household_id": home, "actor": STAFF}
    households.add(newcomer=Newcomer(ben), **act)
    households.set_role(customer_id=ben, role=HEAD, **act)
    households.change(changes={"name": "Sea View"}, **act)
    households.change(changes={"name": "Sea View"}, **act)
    households.remove(customer_id=ben, **act)
    households.dissolve(**act)
    households.restore(**act)
    households.restore(**act)
    rows = query(tenant, "SELECT action FROM audit_entry WHERE object_id = :id ORDER BY at", id=str(home))
    assert [row.action.removeprefix("household.") for row in rows] == [
        "made",
        "member_added",
        "role_changed",
        "updated",
        "member_removed",
        "dissolved",
        "restored",
    ]


@pytest.mark.committed
def test_put_into_two_households_at_once_they_are_in_one(real_db: str, app: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from tests.conftest import make_tenant

    tenant = make_tenant()
    anna, ben, carl = (person(tenant, name) for name in ("Anna", "Ben", "Carl"))
    homes = [make(tenant, anna), make(tenant, ben)]

    def add(home: UUID) -> bool:
        with app.app_context():
            try:
                households.add(tenant_id=tenant.id, household_id=home, newcomer=Newcomer(carl), actor=STAFF)
            except CannotJoin:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(add, homes)) == [False, True]
    with transaction(tenant.id) as session:
        many = session.scalar(text("SELECT count(*) FROM household_member WHERE customer_id = :id"), {"id": carl})
    assert many == 1
