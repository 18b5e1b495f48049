"""When clubs are closed: pages, API, and whose days count."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.accounts import closures, clubs, queries
from app.accounts.closures import ClubDays
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.working_days import WorkingDays
from tests.accounts.conftest import PASSWORD, Person, registered
from tests.accounts.test_pages import field_error
from tests.page_client import ApiClient, PageClient

CHRISTMAS = {"name": "Christmas", "starts_on": date(2026, 12, 24), "ends_on": date(2027, 1, 2), "yearly": True}


@pytest.fixture
def club_id(owner: Person) -> UUID:
    return clubs.add(tenant_id=owner.tenant_id, actor=owner.actor, name="Milnerton Links", country="ZA")


def add(owner: Person, club_id: UUID, **values: Any) -> closures.ClosureInfo:
    return closures.add(tenant_id=owner.tenant_id, actor=owner.actor, club_id=club_id, **{**CHRISTMAS, **values})


def days_of(owner: Person) -> ClubDays:
    with transaction(owner.tenant_id) as session:
        return closures.club_days(session, owner.tenant_id)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"starts_on": None}, "starts_on"),
        ({"starts_on": date(1999, 12, 31)}, "starts_on"),
        ({"ends_on": date(2026, 12, 23)}, "ends_on"),
        ({"ends_on": date(2027, 12, 1)}, "ends_on"),
        ({"ends_on": date(2027, 12, 26), "yearly": False}, "ends_on"),
    ],
)
def test_what_is_no_closure_is_refused(owner: Person, club_id: UUID, values: Mapping[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        add(owner, club_id, **values)
    assert refused.value.errors.keys() == {field}


def test_a_club_works_on_some_day(owner: Person, club_id: UUID) -> None:
    for days in ((), ("XXX",)):
        with pytest.raises(Invalid):
            closures.set_working_days(tenant_id=owner.tenant_id, actor=owner.actor, club_id=club_id, days=days)
    closures.set_working_days(tenant_id=owner.tenant_id, actor=owner.actor, club_id=club_id, days=["SAT", "TUE"])
    assert queries.club(tenant_id=owner.tenant_id, club_id=club_id).working_days == ["TUE", "SAT"]


def test_whose_days_count(owner: Person, club_id: UUID) -> None:
    add(owner, club_id)
    only = days_of(owner)
    assert only.of(None) == only.of(club_id) == only.of(None, uuid4())
    assert date(2030, 12, 25) not in only.of(None)
    second = clubs.add(tenant_id=owner.tenant_id, actor=owner.actor, name="Inverlaggan Links", country="GB")
    both = days_of(owner)
    assert both.of(None) == both.of(uuid4()) == WorkingDays()
    assert both.of(second, club_id) == WorkingDays()
    assert both.of(None, club_id) == only.of(club_id)


def test_another_organisation_knows_nothing_of_it(owner: Person, club_id: UUID) -> None:
    made = add(owner, club_id)
    other = registered("sipho@example.com", "Other")
    with pytest.raises(queries.ClubNotFound):
        closures.closures(tenant_id=other.tenant_id, club_id=club_id)
    with pytest.raises(closures.ClosureNotFound):
        closures.remove(tenant_id=other.tenant_id, actor=other.actor, club_id=club_id, closure_id=made.id)
    assert days_of(other).clubs == {}


def test_on_its_page(client: PageClient, owner: Person, club_id: UUID) -> None:
    client.post("/sign-in", {"email": owner.email, "password": PASSWORD}, status=302)
    here = f"/settings/clubs/{club_id}/closures"
    assert here in client.get(f"/settings/clubs/{club_id}").text
    client.get(here)
    typed = {"name": "Course maintenance", "starts_on": "2026-08-03", "ends_on": "2026-08-01"}
    refused = client.post(here, typed, status=422).text
    assert "before the first" in field_error(refused, "ends_on")
    assert 'value="Course maintenance"' in refused
    assert "Choose a day" in field_error(client.post(here, {**typed, "ends_on": "soon"}, status=422).text, "ends_on")
    assert "Say why" in field_error(client.post(here, {**typed, "name": "\u200b"}, status=422).text, "name")
    client.post(here, {**typed, "ends_on": "2026-08-07"}, status=302)
    assert "3 August 2026 to 7 August 2026" in client.get(here).text
    with transaction(owner.tenant_id) as session:
        session.execute(text("UPDATE tenant SET locale = 'fr_FR' WHERE id = :id"), {"id": owner.tenant_id})
    assert "3 août 2026 to 7 août 2026" in client.get(here).text
    [made] = closures.closures(tenant_id=owner.tenant_id, club_id=club_id)
    one = f"{here}/{made.id}"
    assert 'value="2026-08-03"' in client.get(one).text
    client.post(one, {"name": "Heritage Day", "starts_on": "2026-09-24", "ends_on": "", "yearly": "y"}, status=302)
    shown = client.get(here).text
    assert "24 septembre" in shown
    assert "Every year" in shown
    client.post(f"{one}/delete", status=302)
    assert closures.closures(tenant_id=owner.tenant_id, club_id=club_id) == []
    client.get(one, status=404)
    week = f"/settings/clubs/{club_id}/working-days"
    assert "at least one day" in field_error(client.post(week, {}, status=422).text, "working_days")
    client.post(week, {"working_days": ["TUE", "WED"]}, status=302)
    assert queries.club(tenant_id=owner.tenant_id, club_id=club_id).working_days == ["TUE", "WED"]


def test_over_the_api(api: ApiClient, tenant: Any) -> None:
    [club] = api.get("/clubs").get_json()["items"]
    assert club["working_days"] == ["MON", "TUE", "WED", "THU", "FRI"]
    here = f"/clubs/{club['id']}"
    assert api.patch(here, json={"working_days": ["SUN", "MON"]}).get_json()["working_days"] == ["MON", "SUN"]
    assert api.patch(here, json={"working_days": []}).status_code == 422
    made = api.post(f"{here}/closures", json={"name": "Christmas Day", "starts_on": "2026-12-25", "yearly": True})
    assert (made.status_code, made.get_json()["ends_on"]) == (201, "2026-12-25")
    one = f"{here}/closures/{made.get_json()['id']}"
    assert (
        api.put(one, json={"name": "Christmas", "starts_on": "2026-12-25", "ends_on": "2026-12-26"}).status_code == 200
    )
    assert [item["yearly"] for item in api.get(f"{here}/closures").get_json()["items"]] == [False]
    assert api.put(one, json={"name": "x", "starts_on": "2026-12-25", "ends_on": "2026-12-24"}).status_code == 422
    for number in ("0", 86_400):
        refused = api.put(one, json={"name": "x", "starts_on": number, "ends_on": number})
        assert refused.get_json()["errors"] == dict.fromkeys(("starts_on", "ends_on"), "Write a day as 2026-11-22.")
    assert api.delete(one).status_code == 204
    assert api.delete(one).status_code == 404
