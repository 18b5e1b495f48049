"""The form for conditions over HTTP: drawn again after an act, and whom it means."""

import re
from typing import Any

import pytest

from app.accounts.models import Club
from app.customers.models import Customer
from app.infra.db import transaction


@pytest.fixture
def marketer(client: Any, sign_in: Any) -> Any:
    sign_in("marketer")
    return client


@pytest.fixture
def people(tenant: Any) -> None:
    with transaction(tenant.id) as session:
        for name, tier in (("Ann", "Gold"), ("Bob", "Gold"), ("Cleo", "Silver")):
            session.add(Customer(tenant_id=tenant.id, first_name=name, last_name="Mokoena", membership_tier=tier))


GOLD = {
    "criteria.of": "customers",
    "criteria.0.field": "membership_tier",
    "criteria.0.was": "membership_tier",
    "criteria.0.operator": "eq",
    "criteria.0.drawn": "text",
    "criteria.0.value": "gold",
}


def test_an_act_is_answered_with_the_form_alone(marketer: Any) -> None:
    form = {**GOLD, "criteria.key": "1", "criteria.0.key": "2", "act": "criteria:add:1"}
    text = marketer.post("/conditions/draw?name=criteria", form, htmx=True, status=200).text
    assert text.count('class="conditions-rule') == 2
    assert 'data-focus="criteria-3-field"' in text
    assert 'value="gold"' in text
    assert "<!doctype" not in text
    # Fields everybody has, those of other rooms, and what people did, stand to choose from.
    assert all(f'value="{one}"' in text for one in ("membership_tier", "can_be_mailed", "event:teetime.completed"))


def test_conditions_on_an_event_are_drawn_with_its_fields(marketer: Any) -> None:
    form = {"criteria.of": "event:teetime.completed", "act": "criteria:add:1", "criteria.key": "1"}
    text = marketer.post("/conditions/draw?name=criteria", form, htmx=True, status=200).text
    assert 'value="holes"' in text
    assert "membership_tier" not in text
    assert "criteria-preview" not in text


def test_the_sentence_the_count_and_people_stand_beside_it(marketer: Any, people: None) -> None:
    text = marketer.post("/conditions/preview?name=criteria", GOLD, htmx=True, status=200).text
    assert "Membership tier is gold" in text
    assert "2 <small>people now" in text
    assert "Ann Mokoena" in text
    assert "Bob Mokoena" in text
    assert "Cleo" not in text
    nobody = {**GOLD, "criteria.0.value": "Platinum"}
    assert "0 <small>people" in marketer.post("/conditions/preview?name=criteria", nobody, htmx=True, status=200).text
    text = marketer.post("/conditions/preview?name=criteria", {}, htmx=True, status=200).text
    assert "3 <small>people" in text
    # Where at least one has to be asked, nobody is counted without.
    text = marketer.post("/conditions/preview?name=criteria", {"criteria.required": "1"}, htmx=True, status=200).text
    assert "Not finished yet. Add at least one condition." in text
    assert "people" not in text


def test_the_club_chosen_in_the_form_counts(marketer: Any, tenant: Any, people: None) -> None:
    with transaction(tenant.id) as session:
        club = Club(
            tenant_id=tenant.id, name="Winter Links", country="ZA", timezone="UTC", locale="en_ZA", currency="ZAR"
        )
        session.add(club)
        session.flush()
        elsewhere = {**GOLD, "club_id": str(club.id)}
    text = marketer.post("/conditions/preview?name=criteria", elsewhere, htmx=True, status=200).text
    assert "0 <small>people" in text


def test_what_is_not_finished_is_said_calmly(marketer: Any) -> None:
    form = {**GOLD, "criteria.1.field": ""}
    text = marketer.post("/conditions/preview?name=criteria", form, htmx=True, status=200).text
    assert "Not finished yet. Choose a field." in text


@pytest.mark.parametrize("name", ["", "a b", "criteria.0", "x" * 41, "é-"])
def test_a_form_of_no_name_is_refused(marketer: Any, name: str) -> None:
    for there in ("draw", "preview"):
        marketer.post(f"/conditions/{there}", {}, query_string={"name": name}, htmx=True, status=422)


def test_only_builders_ask(client: Any, sign_in: Any) -> None:
    sign_in("viewer")
    for there in ("draw", "preview"):
        client.post(f"/conditions/{there}?name=criteria", GOLD, htmx=True, status=403)


def test_what_others_posted_never_breaks_it(marketer: Any) -> None:
    hostile = {
        "criteria.of": "event:" + "x" * 500,
        "criteria.0.join": "AND",
        "criteria.0.0.field": "'; DROP TABLE customer; --",
        "criteria.0.0.value": ["\x01", "\ufffe"],
        "criteria.0.0.marks": "not not off xxx",
        "criteria.0.0.key": "99999999999999",
        "criteria.0.where.0.field": "x",
        "criteria.1.field": "event:…",
        "criteria.1.how": "count:nonsense",
        "criteria.1.span": "last",
        "criteria.told": "1 2 x 99999999999",
        "act": "criteria:move:2:1:9999",
    }
    for there in ("draw", "preview"):
        marketer.post(f"/conditions/{there}?name=criteria", hostile, htmx=True, status=200)


def test_fields_and_what_people_did_are_found_by_what_people_call_them(marketer: Any) -> None:
    form = {"criteria.of": "customers", "criteria.key": "1", "act": "criteria:add:1"}
    text = marketer.post("/conditions/draw?name=criteria", form, htmx=True, status=200).text
    assert '<option value="date_of_birth" data-words="Birthday">' in text
    assert '<option value="event:pos.purchase" data-words="spent">' in text
    assert '<option value="membership_tier">' in text


@pytest.mark.parametrize(
    "field, words",
    [("date_of_birth", "birthday is in the next"), ("joined_on", "anniversary of joining is in the next")],
)
def test_a_day_of_the_year_is_asked_by_its_name(marketer: Any, field: str, words: str) -> None:
    asked = {"criteria.of": "customers", "criteria.key": "1", "criteria.0.key": "2", "criteria.0.field": field}
    text = marketer.post(
        "/conditions/draw?name=criteria", {**asked, "act": "criteria:redraw"}, htmx=True, status=200
    ).text
    assert f'<option value="anniversary_next" selected>{words}</option>' in text


def test_only_what_can_be_is_offered_of_what_lies_behind(marketer: Any) -> None:
    def offered(field: str, **more: str) -> list[str]:
        asked = {"criteria.of": "customers", "criteria.0.key": "2", "criteria.0.field": field, "criteria.0.was": field}
        form = {**asked, **more, "act": "criteria:redraw"}
        text = marketer.post("/conditions/draw?name=criteria", form, htmx=True, status=200).text
        (select,) = re.findall(r'name="criteria.0.operator".*?</select>', text, re.DOTALL)
        return re.findall(r'<option value="([^"]+)"', select)

    born = offered("date_of_birth")
    assert born[0] == "anniversary_next"
    assert "longer_ago" in born
    assert "within_next" not in born
    assert "isNull" not in offered("created_at")
    assert "within_next" in offered("joined_on")
    # What is stored already can be seen, and changed.
    stored = {"criteria.0.operator": "within_next", "criteria.0.drawn": "period", "criteria.0.value": "3"}
    assert "within_next" in offered("date_of_birth", **stored)
    assert offered("can_be_mailed") == ["eq:true", "eq:false"]
    assert offered("email_opt_in") == ["eq:true", "eq:false", "isNull", "isNotNull"]


def test_without_scripts_a_button_counts(marketer: Any, people: None) -> None:
    assert re.search(r'<noscript><button [^>]*value="criteria:count"', marketer.get("/segments/new").text)
    form = {**GOLD, "name": "Best", "type": "DYNAMIC", "act": "criteria:count"}
    page = marketer.post("/segments/new", form, status=200).text
    assert "2 <small>people now" in page
    assert "Membership tier is gold." in page
    assert 'value="Best"' in page
    unfinished = marketer.post("/segments/new", {**form, "criteria.0.value": ""}, status=200).text
    assert (
        "Not finished yet. Membership tier: give a text. To ask whether it is missing, use “is unknown”." in unfinished
    )
