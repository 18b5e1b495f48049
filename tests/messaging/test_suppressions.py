"""The suppression list: apart from consent, with reasons both ways."""

import html
import re
from typing import Any
from uuid import uuid4

import pytest

from app.infra.errors import Invalid
from app.messaging import suppression
from app.messaging.suppression import SuppressedBecause, held, page, suppress
from tests.capture.people import event, owner, post
from tests.page_client import PageClient


def add(tenant: Any, address: str = "Ann@Example.com", **more: Any) -> Any:
    return suppression.add(
        tenant_id=tenant.id, address=address, because=SuppressedBecause.MANUAL, actor="system", **more
    )


def test_an_entry_is_added_lifted_with_a_reason_and_added_again(tenant: Any) -> None:
    first = add(tenant, detail="She asked at the desk.")
    assert (first.address_key, first.reason, first.detail) == ("ann@example.com", "manual", "She asked at the desk.")
    with pytest.raises(suppression.AlreadySuppressed):
        add(tenant, "ANN@example.com")
    with pytest.raises(Invalid):
        suppression.lift(tenant_id=tenant.id, suppression_id=first.id, reason="  ", actor="system")
    lifted = suppression.lift(tenant_id=tenant.id, suppression_id=first.id, reason="It was a slip.", actor="system")
    assert (lifted.lift_reason, lifted.lifted_at is not None) == ("It was a slip.", True)
    assert held(tenant_id=tenant.id, addresses=[("EMAIL", "ann@example.com")]) == {}
    with pytest.raises(suppression.AlreadyLifted):
        suppression.lift(tenant_id=tenant.id, suppression_id=first.id, reason="x", actor="system")
    assert page(tenant_id=tenant.id).items == []
    assert [one.lift_reason for one in page(tenant_id=tenant.id, lifted=True).items] == ["It was a slip."]
    suppress(tenant_id=tenant.id, addresses=["ann@example.com"], because=SuppressedBecause.COMPLAINT)
    [again] = page(tenant_id=tenant.id).items
    assert (again.reason, again.detail, again.lifted_at) == ("complaint", None, None)


def test_the_list_is_searched_filtered_and_paged(tenant: Any, other_tenant: Any) -> None:
    for name in ("ann", "anna", "ben", "a_n"):
        add(tenant, f"{name}@example.com")
    suppress(tenant_id=tenant.id, addresses=["ann@bounce.example"], because=SuppressedBecause.HARD_BOUNCE)
    assert {one.address_key for one in page(tenant_id=tenant.id, q="ANN").items} == {
        "ann@example.com",
        "anna@example.com",
        "ann@bounce.example",
    }
    assert [one.address_key for one in page(tenant_id=tenant.id, q="a_").items] == ["a_n@example.com"]
    [bounced] = page(tenant_id=tenant.id, reason=SuppressedBecause.HARD_BOUNCE).items
    assert bounced.address_key == "ann@bounce.example"
    first = page(tenant_id=tenant.id, limit=3)
    second = page(tenant_id=tenant.id, limit=3, cursor=first.next_cursor)
    assert len({one.id for one in first.items + second.items}) == 5
    assert page(tenant_id=other_tenant.id).items == []


@pytest.mark.parametrize("address", ["", "nobody", "a b@example.com", f"{'x' * 260}@example.com"])
def test_what_is_no_address_is_refused(tenant: Any, address: str) -> None:
    with pytest.raises(Invalid):
        add(tenant, address)


def test_over_the_api(api: Any, tenant: Any) -> None:
    made = api.post("/suppressions", json={"address": "Ann@Example.com", "reason": "complaint"})
    assert (made.status_code, made.get_json()["address"]) == (201, "ann@example.com")
    assert api.post("/suppressions", json={"address": "ann@example.com"}).status_code == 409
    assert api.post("/suppressions", json={"address": "ann@example.com", "reason": "mood"}).status_code == 422
    [listed] = api.get("/suppressions?q=ann&reason=complaint").get_json()["items"]
    path = f"/suppressions/{listed['id']}/lift"
    assert api.post(path, json={"reason": ""}).status_code == 422
    assert api.post(path, json={"reason": "A slip."}).get_json()["lift_reason"] == "A slip."
    assert api.post(path, json={"reason": "A slip."}).status_code == 409
    assert api.post(f"/suppressions/{uuid4()}/lift", json={"reason": "x"}).status_code == 404
    assert api.get("/suppressions").get_json()["items"] == []


def test_the_page_finds_adds_and_lifts(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    assert "No address is suppressed" in client.get("/suppressions").text
    assert "not an e-mail address" in client.post("/suppressions/new", {"address": "x"}, status=422).text
    client.post("/suppressions/new", {"address": "ann@example.com", "detail": "<b>asked</b>"}, status=302)
    assert "on the list already" in client.post("/suppressions/new", {"address": "ANN@example.com"}, status=409).text
    found = client.get("/suppressions?q=an&reason=manual", htmx=True).text
    assert "ann@example.com" in found
    assert "&lt;b&gt;asked" in found
    [entry] = page(tenant_id=tenant.id).items
    path = f"/suppressions/{entry.id}/lift"
    assert "Say why" in client.post(path, {"reason": ""}, status=422).text
    client.post(path, {"reason": "A slip."}, status=302)
    assert "A slip." in client.get("/suppressions?show=lifted").text
    sign_in("viewer")
    assert "Add an address" not in client.get("/suppressions").text
    client.get("/suppressions/new", status=403)


def test_an_address_is_suppressed_from_the_customers_page(client: PageClient, sign_in: Any, tenant: Any) -> None:
    post(tenant, event(1, email="ann@example.com"))
    contacts = f"/customers/{owner(tenant, 1)}/contacts"
    sign_in("staff")
    assert "/suppressions/new" not in client.get(contacts).text
    sign_in("marketer")
    (link,) = re.findall(r'"(/suppressions/new[^"]+)"', client.get(contacts).text)
    form = client.get(html.unescape(link)).text
    assert 'value="ann@example.com"' in form
    (hidden,) = re.findall(r'name="customer_id" value="([^"]+)"', form)
    back = client.post(
        "/suppressions/new", {"address": "ann@example.com", "reason": "invalid", "customer_id": hidden}, status=302
    )
    assert back.location == contacts
    shown = client.get(contacts).text
    assert "/suppressions/new" not in shown
    assert "Lift…" in shown


def test_of_two_entries_of_one_address_the_one_that_stops_more_is_told(tenant: Any) -> None:
    """A hash stays of somebody who was erased; later the same mailbox turns out to be dead."""
    suppression.hide(tenant_id=tenant.id, addresses=["ann@example.com"], actor="system")
    address = ("EMAIL", "ann@example.com")
    assert held(tenant_id=tenant.id, addresses=[address])[address].reason is SuppressedBecause.ERASED
    for because in (SuppressedBecause.HARD_BOUNCE, SuppressedBecause.COMPLAINT):
        suppress(tenant_id=tenant.id, addresses=["ann@example.com"], because=because)
        found = held(tenant_id=tenant.id, addresses=[address])[address]
        assert (found.reason, found.dead) == (SuppressedBecause.HARD_BOUNCE, True)
