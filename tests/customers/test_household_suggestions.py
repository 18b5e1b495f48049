"""Suggested households: who shares an address and is not the same person; what was decided is not asked again."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.customers import household_queries, household_suggestions, households
from app.customers.household_suggestions import Suggestion
from app.customers.households import Newcomer
from app.infra.db import transaction
from tests.capture.people import NOW, STAFF, event, member, owner, post, query
from tests.conftest import make_tenant
from tests.customers.test_households import person
from tests.waiting import until_somebody_waits

SHARED, NUMBER = "bothas@example.com", "0824751967"


def open_ones(tenant: Any) -> list[Suggestion]:
    return household_suggestions.suggested(tenant_id=tenant.id).items


def people(tenant: Any, *ids: UUID) -> set[str]:
    found = household_queries.queries.by_ids(tenant_id=tenant.id, customer_ids=ids)
    return {one.first_name or "" for one in found.values()}


def suggested(tenant: Any) -> list[set[str]]:
    return [people(tenant, *one.customer_ids) for one in open_ones(tenant)]


def accept(tenant: Any, *ids: UUID) -> households.Accepted:
    return households.accept(tenant_id=tenant.id, ids=ids, actor=STAFF, now=NOW)


def test_two_people_on_one_mailbox_and_one_phone_are_suggested_once(tenant: Any) -> None:
    post(
        tenant,
        member(1, "Anna", "M1", email=SHARED, phone_number=NUMBER),
        member(2, "Ben", "M2", email=SHARED, phone_number=NUMBER),
        member(3, "Carl", "M3", email="carl@example.com"),
    )
    (found,) = open_ones(tenant)
    assert people(tenant, *found.customer_ids) == {"Anna", "Ben"}
    assert (found.kind, found.address, found.score) == ("email", SHARED, 100)
    assert found.reasons == ["the same e-mail address", "the same phone number", "the same last name"]


def test_who_may_be_one_person_is_a_duplicate_first(tenant: Any) -> None:
    post(tenant, member(1, "Robert", "M1", email=SHARED), member(2, "R", "M2", email=SHARED, last_name="Botha"))
    assert query(tenant, "SELECT status FROM merge_suggestion") != [] or suggested(tenant) == []
    assert suggested(tenant) == []


def test_what_many_share_is_a_front_desks(tenant: Any) -> None:
    names = ["Anna", "Ben", "Carl", "Dora", "Emil", "Fred", "Gina", "Hans", "Ines"]
    post(tenant, *(member(at, name, f"M{at}", email=SHARED) for at, name in enumerate(names[:8])))
    assert len(suggested(tenant)) == 1
    post(tenant, member(8, names[8], "M8", email=SHARED))
    assert suggested(tenant) == []


def test_accepting_makes_a_household_with_its_reasons(tenant: Any) -> None:
    post(
        tenant,
        member(1, "Anna", "M1", email=SHARED),
        member(2, "Ben", "M2", email=SHARED),
        member(3, "Mia", "M3", email=SHARED, date_of_birth="2015-01-01"),
    )
    (found,) = open_ones(tenant)
    done = accept(tenant, found.id)
    (home,) = done.households
    shown = household_queries.household(tenant_id=tenant.id, household_id=home)
    assert {(one.first_name, one.role) for one in shown.members} == {
        ("Anna", "member"),
        ("Ben", "member"),
        ("Mia", "child"),
    }
    assert {(one.source, one.reason) for one in shown.members} == {
        ("address", "the same e-mail address, the same last name")
    }
    assert (open_ones(tenant), done.left) == ([], 0)


def test_suggestions_with_somebody_in_common_make_one_household_in_bulk(tenant: Any) -> None:
    post(
        tenant,
        member(1, "Anna", "M1", email=SHARED, phone_number=NUMBER),
        member(2, "Ben", "M2", email=SHARED),
        member(3, "Mia", "M3", phone_number=NUMBER),
        member(4, "Piet", "M4", email="nel@example.com", last_name="Nel"),
        member(5, "Sara", "M5", email="nel@example.com", last_name="Fox"),
    )
    assert sorted(map(sorted, suggested(tenant))) == [["Anna", "Ben"], ["Anna", "Mia"], ["Piet", "Sara"]]
    done = accept(tenant, *(one.id for one in open_ones(tenant)))
    made = household_queries.by_ids(tenant_id=tenant.id, household_ids=done.households)
    assert sorted(sorted(one.first_name or "" for one in home.members) for home in made.values()) == [
        ["Anna", "Ben", "Mia"],
        ["Piet", "Sara"],
    ]
    assert open_ones(tenant) == []


def test_a_newcomer_joins_the_household_of_the_others(tenant: Any) -> None:
    post(tenant, member(1, "Anna", "M1", email=SHARED), member(2, "Ben", "M2", email=SHARED))
    (home,) = accept(tenant, open_ones(tenant)[0].id).households
    post(tenant, event(3, email=SHARED, scl_member_id="M1"))
    assert open_ones(tenant) == []
    post(tenant, member(4, "Mia", "M3", email=SHARED))
    (again,) = open_ones(tenant)
    assert again.household_ids == [home]
    assert accept(tenant, again.id).households == [home]
    assert len(household_queries.household(tenant_id=tenant.id, household_id=home).members) == 3


def test_nobody_joins_what_is_dissolved_at_the_same_moment(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    post(tenant, member(1, "Anna", "M1", email=SHARED), member(2, "Ben", "M2", email=SHARED))
    home = households.make(tenant_id=tenant.id, members=[Newcomer(owner(tenant, 1))], actor=STAFF, now=NOW)
    (found,) = open_ones(tenant)
    groups = households._groups

    def dissolving(rows: Any) -> Any:
        households.dissolve(tenant_id=tenant.id, household_id=home, actor=STAFF, now=NOW)
        return groups(rows)

    with monkeypatch.context() as patch:
        patch.setattr(households, "_groups", dissolving)
        with pytest.raises(households.CannotJoin):
            accept(tenant, found.id)
    assert household_queries.of_customers(tenant_id=tenant.id, customer_ids=[owner(tenant, 2)]) == {}


def test_people_of_different_households_stay_there(tenant: Any) -> None:
    post(tenant, *(member(at, name, f"M{at}", email=SHARED) for at, name in enumerate(("Anna", "Ben", "Mia"))))
    anna, ben, mia = (owner(tenant, number) for number in range(3))
    other = [households.make(tenant_id=tenant.id, members=[Newcomer(one)], actor=STAFF) for one in (anna, ben)]
    (found,) = open_ones(tenant)
    assert set(found.household_ids) == set(other)
    accept(tenant, found.id)
    homes = household_queries.of_customers(tenant_id=tenant.id, customer_ids=[anna, ben, mia])
    assert homes[anna].id == other[0]
    assert homes[ben].id == other[1]
    assert homes[mia].id in other
    assert open_ones(tenant) == []


def test_dismissed_is_never_asked_again_until_reopened(tenant: Any) -> None:
    post(tenant, member(1, "Anna", "M1", email=SHARED), member(2, "Ben", "M2", email=SHARED))
    ids = [one.id for one in open_ones(tenant)]
    assert household_suggestions.dismiss(tenant_id=tenant.id, ids=ids, actor=STAFF) == 1
    post(
        tenant,
        member(3, "Carl", "M3", email=SHARED),
        # The same people by another of their addresses are the same question.
        event(4, email=SHARED, phone_number=NUMBER, scl_member_id="M1"),
    )
    assert suggested(tenant) == []
    assert household_suggestions.reopen(tenant_id=tenant.id, ids=ids, actor=STAFF) == 1
    assert suggested(tenant) == [{"Anna", "Ben", "Carl"}]
    with pytest.raises(household_suggestions.NoSuchSuggestion):
        household_suggestions.dismiss(tenant_id=tenant.id, ids=[UUID(int=1)], actor=STAFF)


def test_who_was_taken_out_is_not_suggested_to_come_back(tenant: Any) -> None:
    post(tenant, *(member(at, name, f"M{at}", email=SHARED) for at, name in enumerate(("Anna", "Ben", "Carl"))))
    (home,) = accept(tenant, open_ones(tenant)[0].id).households
    carl = owner(tenant, 2)
    households.remove(tenant_id=tenant.id, household_id=home, customer_id=carl, actor=STAFF)
    post(
        tenant,
        event(5, email=SHARED, scl_member_id="M9"),
        member(6, "Carl", "M2", email=SHARED, joined_on="2020-01-01"),
    )
    assert suggested(tenant) == []
    post(tenant, member(7, "Dora", "M7", email=SHARED))
    assert suggested(tenant) == [{"Anna", "Ben", "Carl", "Dora"}]


def test_a_dissolved_household_is_not_suggested_and_is_again_none_to_ask_about_when_restored(tenant: Any) -> None:
    post(tenant, member(1, "Anna", "M1", email=SHARED), member(2, "Ben", "M2", email=SHARED))
    anna, ben = owner(tenant, 1), owner(tenant, 2)
    home = households.make(tenant_id=tenant.id, members=[Newcomer(anna), Newcomer(ben)], actor=STAFF)
    assert suggested(tenant) == []
    households.dissolve(tenant_id=tenant.id, household_id=home, actor=STAFF)
    post(tenant, member(3, "Ben", "M2", email=SHARED, joined_on="2020-01-01"))
    assert suggested(tenant) == []
    households.restore(tenant_id=tenant.id, household_id=home, actor=STAFF)
    assert [row.status for row in query(tenant, "SELECT status FROM household_suggestion")] == ["accepted"]
    post(tenant, member(4, "Mia", "M4", email=SHARED))
    assert suggested(tenant) == [{"Anna", "Ben", "Mia"}]


def test_what_is_no_longer_shared_is_not_shown(tenant: Any) -> None:
    post(tenant, member(1, "Anna", "M1", email=SHARED), member(2, "Ben", "M2", email=SHARED))
    with transaction(tenant.id) as session:
        session.execute(text("DELETE FROM contact_point WHERE customer_id = :id"), {"id": owner(tenant, 2)})
    assert open_ones(tenant) == []
    assert accept(tenant, query(tenant, "SELECT id FROM household_suggestion")[0].id).households == []


def test_the_queue_pages_by_likeliness(tenant: Any, other_tenant: Any) -> None:
    events = []
    for at in range(4):
        last = "Fox" if at % 2 else "Botha"
        events.append(member(2 * at, f"Anna{at}", f"A{at}", email=f"e{at}@example.com"))
        events.append(member(2 * at + 1, f"Ben{at}", f"B{at}", email=f"e{at}@example.com", last_name=last))
    post(tenant, *events)
    seen: list[Suggestion] = []
    cursor = None
    while True:
        page = household_suggestions.suggested(tenant_id=tenant.id, cursor=cursor, limit=1)
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [one.score for one in seen] == [80, 80, 60, 60]
    assert len({one.id for one in seen}) == 4
    assert open_ones(other_tenant) == []


def test_those_who_came_by_another_way_are_looked_at_too(
    tenant: Any, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(household_suggestions, "AT_ONCE", 2)
    for name in ("Anna", "Ben", "Mia"):
        person(tenant, name, email=SHARED)
    person(tenant, "Carl", email="carl@example.com")
    assert suggested(tenant) == []
    done = app.test_cli_runner().invoke(args=["households", "look", "--tenant", str(tenant.id)])
    assert "4 customers" in done.output
    assert suggested(tenant) == [{"Anna", "Ben", "Mia"}]


@pytest.mark.committed
def test_accepting_waits_for_a_household_that_is_being_dissolved(real_db: str, app: Any) -> None:
    """Whoever decides first holds up the other, who then sees what became of it: neither is shown a deadlock."""
    tenant = make_tenant()
    post(tenant, *(member(at, name, f"M{at}", email=SHARED) for at, name in enumerate(("Anna", "Ben", "Mia"))))
    (found,) = open_ones(tenant)
    couple = [Newcomer(one) for one in found.customer_ids[:2]]
    home = households.make(tenant_id=tenant.id, members=couple, actor=STAFF, now=NOW)
    (found,) = open_ones(tenant)
    half_way, released = threading.Event(), threading.Event()
    settle = household_suggestions.settle

    def wait_and_settle(*args: Any, **more: Any) -> None:
        half_way.set()
        released.wait(30)
        settle(*args, **more)

    def dissolve() -> None:
        with app.app_context():
            households.dissolve(tenant_id=tenant.id, household_id=home, actor=STAFF, now=NOW)

    def accept_meanwhile() -> households.Accepted:
        half_way.wait(30)
        with app.app_context():
            return accept(tenant, found.id)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(household_suggestions, "settle", wait_and_settle)
        dissolving, accepting = pool.submit(dissolve), pool.submit(accept_meanwhile)
        half_way.wait(30)
        until_somebody_waits(real_db)
        released.set()
        dissolving.result(30)
        assert accepting.result(30) == households.Accepted([], 0)
    assert suggested(tenant) == []
