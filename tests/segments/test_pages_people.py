"""Who is in a segment, put on a list, and why; segments beside each other; a customer's segments."""

import re
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from app.customers.models import ContactPoint, ExternalId
from app.infra import clock
from app.infra.db import transaction
from app.infra.ids import new_id
from app.segments import queries, refresh, service
from app.segments.models import STATIC
from tests.page_client import PageClient
from tests.segments.crowd import filled, person

ACTOR = "system"
GOLD = {"combinator": "AND", "rules": [{"field": "membership_tier", "operator": "eq", "value": "Gold"}]}


def listed(tenant: Any, name: str = "Guests") -> UUID:
    """Make a static segment without anybody on its list."""
    return service.create(tenant_id=tenant.id, actor=ACTOR, name=name, type=STATIC).id


def gold(tenant: Any) -> UUID:
    """Make a dynamic segment and let it be refreshed."""
    one = service.create(tenant_id=tenant.id, actor=ACTOR, name="Gold", criteria=GOLD)
    refresh.refresh(tenant_id=tenant.id, segment_id=one.id, now=clock.now())
    return one.id


def known_by(tenant: Any, customer_id: UUID, *, email: str | None = None, number: str | None = None) -> None:
    with transaction(tenant.id) as session:
        if email:
            session.add(
                ContactPoint(
                    tenant_id=tenant.id, id=new_id(), customer_id=customer_id, kind="email", key=email, value=email
                )
            )
        if number:
            session.add(
                ExternalId(
                    tenant_id=tenant.id, id=new_id(), customer_id=customer_id, kind="scl_member_id", value=number
                )
            )


def names(tenant: Any, segment_id: UUID) -> list[str]:
    found = queries.members(tenant_id=tenant.id, segment_id=segment_id).items
    return [str(one.customer.first_name) for one in found]


def test_members_are_searched_and_given_out(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    for name in ("Ann", "Bob"):
        person(tenant.id, name, membership_tier="Gold")
    person(tenant.id, "Cy")
    one = gold(tenant)
    page = client.get(f"/segments/{one}/people").text
    assert ">Ann" in page
    assert ">Bob" in page
    assert ">Cy" not in page
    page = client.get(f"/segments/{one}/people?q=bo", htmx=True).text
    assert "Bob" in page
    assert ">Ann" not in page
    assert "Nobody in it matches" in client.get(f"/segments/{one}/people?q=cy", htmx=True).text
    text = client.post(f"/segments/{one}/people/export?q=bo", status=200).text
    assert "Bob" in text
    assert "Ann" not in text


def test_nobody_adds_people_to_a_dynamic_one(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    ann, one = person(tenant.id, "Ann"), gold(tenant)
    assert "Add people" not in client.get(f"/segments/{one}/people").text
    client.post(f"/segments/{one}/people", {"customer_id": ann})
    assert names(tenant, one) == []


def test_people_are_put_on_a_list_and_taken_off_with_undo(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    ann, bob = (person(tenant.id, name, last_name="Botha") for name in ("Ann", "Bob"))
    one = listed(tenant)
    assert "Nobody is on the list" in client.get(f"/segments/{one}/people").text
    page = client.get(f"/segments/{one}/people/add?q=botha", htmx=True).text
    assert str(ann) in page
    assert str(bob) in page
    answer = client.post(f"/segments/{one}/people", {"customer_id": [ann, bob]}, status=302)
    assert "2 people are on the list" in client.get(answer.location).text
    assert names(tenant, one) == ["Ann", "Bob"]
    # Each row's button is read with the name of whom it removes.
    assert re.search(r'<button [^>]*aria-label="Remove Bob Botha"', client.get(f"/segments/{one}/people").text)
    answer = client.post(f"/segments/{one}/people/{bob}/remove", status=302)
    page = client.get(answer.location).text
    assert "Bob Botha is off the list" in page
    assert names(tenant, one) == ["Ann"]
    client.post(f"/segments/{one}/people", {"customer_id": bob}, status=302)
    assert names(tenant, one) == ["Ann", "Bob"]
    answer = client.post(f"/segments/{one}/people", {"q": "botha"}, status=302)
    assert "Choose somebody" in client.get(answer.location).text


def test_a_pasted_list_says_which_lines_are_nobodys(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    one = listed(tenant)
    ann, bob, cy = (person(tenant.id, name) for name in ("Ann", "Bob", "Cy"))
    known_by(tenant, ann, email="ann@example.com")
    known_by(tenant, bob, number="M-7")
    for customer in (bob, cy):
        known_by(tenant, customer, email="shared@example.com")
    lines = "Ann@Example.com\nM-7\nnobody@example.com <x>\nshared@example.com"
    page = client.post(f"/segments/{one}/people/pasted", {"lines": lines}, status=200).text
    assert names(tenant, one) == ["Ann", "Bob"]
    assert "2 people are on the list now" in page
    assert "nobody@example.com &lt;x&gt;" in page
    assert "Several people share" in page
    page = client.post(f"/segments/{one}/people/pasted", {"lines": " \n"}, status=422).text
    assert "Paste e-mail addresses" in page


def test_everybody_of_an_import_is_put_on_the_list(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    one = listed(tenant)
    client.get(f"/segments/{one}/people/add")
    client.post(f"/segments/{one}/people/imported", {"import_id": new_id()}, status=404)
    answer = client.post(f"/segments/{one}/people/imported", {"import_id": ""}, status=302)
    assert "Choose an import" in client.get(answer.location).text


def test_why_is_asked_by_a_name(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("viewer")
    ann = person(tenant.id, "Ann", membership_tier="Gold")
    bob = person(tenant.id, "Bob", membership_tier="Silver <3")
    one = gold(tenant)
    page = client.get(f"/segments/{one}/why?q=ann", htmx=True).text
    assert f"/segments/{one}/why?customer_id={ann}" in page
    page = client.get(f"/segments/{one}/why?customer_id={ann}").text
    assert "is in it" in page
    page = client.get(f"/segments/{one}/why?customer_id={bob}").text
    assert "is not in it" in page
    assert "Membership tier is Gold" in page
    assert "Silver &lt;3" in page
    assert "Does not hold" in page
    client.get(f"/segments/{one}/why?customer_id={new_id()}", status=404)


def test_a_customers_segments_say_in_or_out_and_why(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("staff")
    ann = person(tenant.id, "Ann", membership_tier="Silver")
    one, guests = gold(tenant), filled(tenant.id, "Guests", [ann])
    page = client.get(f"/customers/{ann}/segments").text
    assert page.index("Guests") < page.index("Gold")
    # Staff may see it, but no segment's page.
    assert f"/segments/{guests}" not in page
    page = client.get(f"/customers/{ann}/segments?why={one}").text
    assert "is not in it" in page
    assert "Membership tier is Gold" in page
    sign_in("viewer")
    assert f"/segments/{guests}" in client.get(f"/customers/{ann}/segments").text
    client.get(f"/customers/{ann}/segments?why={new_id()}", status=404)


def test_overlap_opens_the_people_of_each_part(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    ann, bob, cy = (person(tenant.id, name) for name in ("Ann", "Bob", "Cy"))
    one, other = filled(tenant.id, "One", [ann, bob]), filled(tenant.id, "Other", [bob, cy])
    page = client.get(f"/segments/{one}/overlap?with={other}&with={other}&with=&with={one}").text
    assert "In A and B" in page
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="(/segments/[^"]+/overlap/people[^"]*)"', page)]
    shown = [re.findall(r">(Ann|Bob|Cy)<", client.get(link).text) for link in links]
    assert sorted(shown) == [["Ann"], ["Bob"], ["Cy"]]
    text = client.post(f"/segments/{one}/overlap/people/export?in={one}&out={other}", status=200).text
    assert "Ann" in text
    assert "Bob" not in text
    client.get(f"/segments/{one}/overlap?with={new_id()}", status=404)
    client.get(f"/segments/{one}/overlap/people", status=422)


def test_large_segments_are_counted_once_the_page_is_there(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in()
    one = filled(tenant.id, "One", [])
    other = filled(tenant.id, "Other", [], member_count=60_000)
    page = client.get(f"/segments/{one}/overlap?with={other}").text
    assert 'hx-trigger="load"' in page
    assert "In A and B" not in page
    assert "In A and B" in client.get(f"/segments/{one}/overlap?with={other}", htmx=True).text
    assert "In A and B" in client.get(f"/segments/{one}/overlap?with={other}&now=1").text


@pytest.mark.parametrize(
    "field, expected",
    [
        ("membership_tier", ["Gold", "Not known"]),
        ("handicap_index", ["Average", "12"]),
        ("date_of_birth", ["1980", "Earliest"]),
        ("email_opt_in", ["Yes"]),
        ("tags", ["vip", "None"]),
        ("last_activity_at", ["2026"]),
        ("", ["Gold"]),
    ],
)
def test_a_segment_is_compared_with_everybody(
    client: PageClient, sign_in: Any, tenant: Any, field: str, expected: list[str]
) -> None:
    sign_in("viewer")
    ann = person(
        tenant.id,
        "Ann",
        membership_tier="Gold",
        handicap_index=12,
        date_of_birth=date(1980, 5, 5),
        email_opt_in=True,
        tags=["vip"],
        last_activity_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    person(tenant.id, "Bob")
    one = filled(tenant.id, "One", [ann])
    assert 'hx-trigger="load"' in client.get(f"/segments/{one}/compare?field={field}").text
    page = client.get(f"/segments/{one}/compare?field={field}&now=1").text
    for words in expected:
        assert words in page
    assert "100" in page


def test_every_field_has_words_for_its_values(client: PageClient, sign_in: Any, tenant: Any) -> None:
    from app.conditions import profile

    sign_in("viewer")
    one = filled(tenant.id, "One", [person(tenant.id, "Ann", membership_tier="Gold", handicap_index=3)])
    for field in profile:
        if field.in_sql:
            client.get(f"/segments/{one}/compare?field={field.name}", htmx=True)


def test_another_tenants_segment_is_not_there(client: PageClient, sign_in: Any, other_tenant: Any, tenant: Any) -> None:
    sign_in()
    theirs = filled(other_tenant.id, "Theirs", [person(other_tenant.id, "Eve")])
    mine = filled(tenant.id, "Mine", [])
    for path in ("", "/people", "/why", "/history", "/compare", "/overlap", "/settings", "/edit"):
        client.get(f"/segments/{theirs}{path}", status=404)
    client.get(f"/segments/{mine}/overlap?with={theirs}", status=404)
    client.get(f"/segments/{mine}/overlap/people?in={theirs}", status=404)


@pytest.mark.parametrize("role, status", [("staff", 403), ("viewer", 200)])
def test_who_sees_customers_and_no_segments_does_not_see_who_is_in_them(
    client: PageClient, sign_in: Any, tenant: Any, role: str, status: int
) -> None:
    segment = gold(tenant)
    sign_in(role)
    for path in ("people", "why", f"overlap/people?in={segment}"):
        client.get(f"/segments/{segment}/{path}", status=status)
