"""Households on pages and over the API: list, page, add, remove with undo, suggestions in bulk, who may."""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.customers import household_queries, household_suggestions, households
from app.customers.greetings import HEAD
from app.customers.households import Newcomer
from tests.capture.people import STAFF, member, owner, post
from tests.customers.test_households import make, person, who

SHARED = "bothas@example.com"


def home_of(tenant: Any, customer: UUID) -> Any:
    return household_queries.of_customers(tenant_id=tenant.id, customer_ids=[customer]).get(customer)


def test_a_household_is_made_beginning_with_one_person(tenant: Any, client: Any, sign_in: Any) -> None:
    sign_in("staff")
    post(
        tenant,
        member(1, "Anna", "M1", email=SHARED),
        member(2, "Ben", "M2", email=SHARED),
        member(3, "Carl", "M3", email="carl@example.com"),
    )
    anna, ben = owner(tenant, 1), owner(tenant, 2)
    assert "in no household" in client.get(f"/customers/{anna}").text
    found = client.get("/households/new?q=anna")
    assert f"/households/new?customer_id={anna}" in found.text
    offered = client.get(f"/households/new?customer_id={anna}").text
    assert "Ben Botha" in offered
    assert "Carl" not in offered
    wrong = client.post("/households/new", {"customer_id": [anna, ben], "name": "x" * 200}, status=422)
    assert "at most 100 characters" in wrong.text
    assert re.search(rf'value="{ben}" checked', wrong.text)
    client.post("/households/new", {"customer_id": [anna, ben], "greeting": "Dear both"}, status=302)
    home = home_of(tenant, anna)
    assert (home.name, home.greeting) == ("Botha household", "Dear both")
    profile = client.get(f"/customers/{ben}").text
    assert f"/households/{home.id}" in profile
    assert "Anna Botha" in profile
    assert client.get(f"/households/new?customer_id={anna}", status=302).location.endswith(str(home.id))


def test_people_are_added_moved_and_removed_with_undo(tenant: Any, client: Any, sign_in: Any) -> None:
    sign_in("staff")
    anna, ben, carl = (person(tenant, name) for name in ("Anna", "Ben", "Carl"))
    home, other = make(tenant, anna), make(tenant, carl, name="Sea View")
    hits = client.get(f"/households/{home}?q=botha", htmx=True).text
    assert "<html" not in hits
    assert "Ben Botha" in hits
    assert "Anna" not in hits
    assert "Move here" in hits
    assert "Sea View" in hits
    client.post(f"/households/{home}/members", {"customer_id": ben}, status=302)
    refused = client.post(f"/households/{home}/members", {"customer_id": carl}, status=302)
    assert "in another household already" in client.get(refused.location).text
    client.post(f"/households/{home}/members", {"customer_id": carl, "move": "1"}, status=302)
    assert (who(tenant, home), who(tenant, other)) == (["Anna", "Ben", "Carl"], [])
    client.post(f"/households/{home}/members/{ben}/role", {"role": HEAD}, status=302)
    gone = client.post(f"/households/{home}/members/{ben}/remove", {"role": HEAD}, status=302)
    page = client.get(gone.location).text
    assert "Ben Botha is not in this household any more" in page
    client.post(f"/households/{home}/members", {"customer_id": ben, "role": HEAD}, status=302)
    assert who(tenant, home) == ["Ben", "Anna", "Carl"]
    client.post(f"/households/{home}/members/{uuid4()}/remove", status=404)


def test_names_greetings_and_dissolving(tenant: Any, client: Any, sign_in: Any) -> None:
    sign_in("marketer")
    anna, ben = person(tenant, "Anna"), person(tenant, "<b>Ben</b>")
    home = make(tenant, anna, ben)
    form = client.get(f"/households/{home}/edit").text
    assert "Dear Anna and &lt;b&gt;Ben" in form
    client.post(f"/households/{home}/edit", {"name": "Sea View", "greeting": ""}, status=302)
    assert "Sea View" in client.get("/households?q=sea").text
    bad = client.post(f"/households/{home}/edit", {"name": "", "greeting": "x" * 300}, status=422)
    assert "at most 200 characters" in bad.text
    client.post(f"/households/{home}/dissolve", status=302)
    assert "was dissolved" in client.get(f"/households/{home}").text
    assert "Sea View" not in client.get("/households").text
    assert "Sea View" in client.get("/households?show=dissolved").text
    client.post(f"/households/{home}/restore", status=302)
    assert len(who(tenant, home)) == 2


def test_suggestions_are_decided_in_bulk_and_dismissals_undone(tenant: Any, client: Any, sign_in: Any) -> None:
    sign_in("staff")
    for at, name in enumerate(("Botha", "Nel", "Fox")):
        address = f"{name.lower()}@example.com"
        post(
            tenant,
            member(2 * at, "Anna", f"A{at}", email=address, last_name=name),
            member(2 * at + 1, "Ben", f"B{at}", email=address, last_name=name),
        )
    ids = [one.id for one in household_suggestions.suggested(tenant_id=tenant.id).items]
    page = client.get("/households/suggested").text
    assert all(str(one) in page for one in ids)
    assert "the same last name" in page
    done = client.post("/households/suggested", {"suggestion": ids[:2], "act": "accept"}, status=302)
    assert "2 households are there" in client.get(done.location).text
    done = client.post("/households/suggested", {"suggestion": ids[2], "act": "dismiss"}, status=302)
    assert "They are no household" in client.get(done.location).text
    assert household_suggestions.suggested(tenant_id=tenant.id).items == []
    client.post("/households/suggested/reopen", {"suggestion": ids[2]}, status=302)
    assert [one.id for one in household_suggestions.suggested(tenant_id=tenant.id).items] == [ids[2]]
    client.post("/households/suggested", {"act": "accept"}, status=302)
    assert len(household_queries.households(tenant_id=tenant.id).items) == 2


def test_readers_see_and_do_not_change(tenant: Any, client: Any, sign_in: Any) -> None:
    sign_in("viewer")
    anna = person(tenant, "Anna")
    home = make(tenant, anna, name="Sea View")
    assert "Sea View" in client.get("/households").text
    page = client.get(f"/households/{home}").text
    assert "Dissolve" not in page
    assert "Add somebody" not in page
    client.get("/households/new", status=403)
    client.get("/households/suggested", status=403)
    client.post(f"/households/{home}/dissolve", status=403)


def test_the_story_of_all_goes_on_page_by_page(tenant: Any, client: Any, sign_in: Any) -> None:
    sign_in("staff")
    post(tenant, *(member(at, "Anna", "M1", email=SHARED) for at in range(15)))
    home = make(tenant, owner(tenant, 0))
    page = client.get(f"/households/{home}").text
    (cursor,) = set(re.findall(r"cursor=([\w-]+)", page))
    rest = client.get(f"/households/{home}?cursor={cursor}", htmx=True).text
    assert page.count("story-item") + rest.count("story-item") == 15
    assert client.get(f"/households/{home}?cursor={cursor}").text.count("story-item") == rest.count("story-item")


def test_households_over_the_api(tenant: Any, api: Any) -> None:
    anna, ben, carl = (person(tenant, name) for name in ("Anna", "Ben", "Carl"))
    old = person(tenant, "Annie", status="MERGED", merged_into_id=anna)
    members = [{"customer_id": str(old)}, {"customer_id": str(ben), "role": "head"}]
    made = api.post("/households", {"members": members}).get_json()
    home = made["id"]
    assert [(one["full_name"], one["role"]) for one in made["members"]] == [
        ("Ben Botha", "head"),
        ("Anna Botha", "member"),
    ]
    assert (made["name"], made["greeting"], made["own_name"]) == ("Botha household", "Dear Ben and Anna", None)
    changed = api.patch(f"/households/{home}", {"name": "Sea View"}).get_json()
    assert (changed["name"], changed["own_greeting"]) == ("Sea View", None)
    assert api.post(f"/households/{home}/members", {"customer_id": str(carl)}).status_code == 200
    assert (
        api.patch(f"/households/{home}/members/{carl}", {"role": "child"}).get_json()["members"][2]["role"] == "child"
    )
    assert api.patch(f"/households/{home}/members/{carl}", {"role": "king"}).status_code == 422
    assert api.delete(f"/households/{home}/members/{carl}").status_code == 204
    assert api.delete(f"/households/{home}/members/{carl}").status_code == 404
    other = api.post("/households", {"members": [{"customer_id": str(carl)}]}).get_json()["id"]
    assert api.post(f"/households/{home}/members", {"customer_id": str(carl)}).status_code == 409
    moved = api.post(f"/households/{home}/members", {"customer_id": str(carl), "move": True})
    assert len(moved.get_json()["members"]) == 3
    assert [one["id"] for one in api.get("/households?q=carl").get_json()["items"]] == [home]
    assert [one["id"] for one in api.get(f"/households?customer_id={old}").get_json()["items"]] == [home]
    assert api.delete(f"/households/{other}").status_code == 204
    assert [one["id"] for one in api.get("/households?dissolved=true").get_json()["items"]] == [other]
    assert api.post(f"/households/{other}/restore").get_json()["dissolved_at"] is None
    assert api.post("/households", {"members": []}).status_code == 422
    assert api.get(f"/households/{uuid4()}").status_code == 404


def test_suggestions_over_the_api(tenant: Any, api: Any) -> None:
    post(tenant, member(1, "Anna", "M1", email=SHARED), member(2, "Ben", "M2", email=SHARED))
    (found,) = api.get("/household-suggestions").get_json()["items"]
    assert (found["address"], found["household_ids"]) == (SHARED, [])
    (home,) = api.post(f"/household-suggestions/{found['id']}/accept").get_json()["households"]
    assert api.get(f"/households/{home}").get_json()["members"][0]["source"] == "address"
    assert api.post(f"/household-suggestions/{uuid4()}/dismiss").status_code == 404
    post(tenant, member(3, "Mia", "M3", email=SHARED))
    (again,) = api.get("/household-suggestions").get_json()["items"]
    assert again["household_ids"] == [home]
    assert api.post(f"/household-suggestions/{again['id']}/dismiss").status_code == 204
    assert api.get("/household-suggestions").get_json()["items"] == []
    assert api.post(f"/household-suggestions/{again['id']}/reopen").status_code == 204
    assert [one["id"] for one in api.get("/household-suggestions").get_json()["items"]] == [again["id"]]


@pytest.mark.parametrize("role, status", [("staff", 201), ("viewer", 403), ("ops", 403)])
def test_who_may_make_households(tenant: Any, app: Any, role: str, status: int) -> None:
    from tests.page_client import ApiClient

    anna = person(tenant, "Anna")
    answer = ApiClient(app, tenant.id, role).post("/households", {"members": [{"customer_id": str(anna)}]})
    assert answer.status_code == status


def test_a_restored_household_lacks_who_found_another(tenant: Any, client: Any, sign_in: Any) -> None:
    sign_in("owner")
    anna, ben = person(tenant, "Anna"), person(tenant, "Ben")
    home = make(tenant, anna, ben)
    client.post(f"/households/{home}/dissolve", status=302)
    households.make(tenant_id=tenant.id, members=[Newcomer(ben)], actor=STAFF)
    back = client.post(f"/households/{home}/restore", status=302)
    assert "without 1" in client.get(back.location).text
