"""The page of a rehearsal: a person's storyboard, and what many people come to."""

from typing import Any

import pytest

from app.infra.ids import new_id
from app.journeys import service
from app.journeys.models import Journey
from tests.journeys.helpers import asks, journey, people, rows, send, step, template, wait


@pytest.fixture
def welcome(tenant: Any) -> Journey:
    letter = template(tenant.id)
    return journey(
        tenant.id,
        [
            step("t", "TRIGGER", "hello", {"event_type": "MANUAL"}),
            send("hello", "rest", letter),
            wait("rest", "ask", "3 days"),
            asks("ask", "again", None, {"field": "emailOptIn", "operator": "eq", "value": True}),
            send("again", None, letter),
        ],
        timezone="Africa/Johannesburg",
    )


def test_a_person_is_found_and_their_storyboard_shown(client: Any, sign_in: Any, tenant: Any, welcome: Journey) -> None:
    sign_in("marketer")
    (thandi,) = people(tenant.id, first_name="Thandi", last_name="Mokoena")
    url = f"/journeys/{welcome.id}/rehearsal"
    assert url in client.get(f"/journeys/{welcome.id}").text
    assert f"customer_id={thandi}" in client.get(f"{url}?q=mokoena").text
    assert "Thandi Mokoena" in client.get(f"{url}?customer_id={thandi}").text
    text = client.post(url, {"customer_id": thandi, "at": "2026-11-23T09:00"}).text
    # Ten in the organisation's clocks is what the journey's clocks were asked for.
    for words in ("Through on 26 Nov 2026", "After 3 days", "Hello", "&lt;p&gt;Hi&lt;/p&gt;", "Went Yes"):
        assert words in text, words
    assert rows(tenant.id, "SELECT count(*) FROM message")[0][0] == 0


def test_many_people_are_summed(client: Any, sign_in: Any, tenant: Any, welcome: Journey) -> None:
    sign_in("marketer")
    people(tenant.id, 3)
    people(tenant.id, 2, email_opt_in=False)
    url = f"/journeys/{welcome.id}/rehearsal/many"
    text = client.post(url, {"count": "100", "at": "2026-11-23T09:00", "segment_id": ""}).text
    for words in ("5 people walked it", "2 skipped: The customer said no to e-mail.", "Messages by day"):
        assert words in text, words


def test_days_are_the_journeys(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    steps = [step("t", "TRIGGER", "hello", {"event_type": "MANUAL"}), send("hello", None, template(tenant.id))]
    made = journey(tenant.id, steps, timezone="Pacific/Auckland")
    people(tenant.id)
    text = client.post(f"/journeys/{made.id}/rehearsal/many", {"count": "9", "at": "2026-11-23T09:00"}).text
    assert "23 Nov 2026" in text
    assert "22 Nov 2026" not in text


@pytest.mark.parametrize(
    ("path", "form", "words"),
    [
        ("", {"customer_id": "nobody", "at": "2026-11-23T09:00"}, "Choose a person."),
        ("", {"customer_id": str(new_id()), "at": "2026-11-23T09:00"}, ""),
        ("/many", {"count": "0", "at": "2026-11-23T09:00"}, "Give a number from 1 to 500."),
        ("/many", {"count": "9" * 9, "at": "2026-11-23T09:00"}, "Give a number from 1 to 500."),
        ("/many", {"count": "5", "at": "soon"}, "a day and a time such as"),
        ("/many", {"count": "5", "at": "2026-11-23T09:00+02:00"}, "a day and a time such as"),
        ("/many", {"count": "5", "at": "9999-11-23T09:00"}, "At most 5 years away."),
    ],
)
def test_what_cannot_be_rehearsed_is_said_beside_it(
    client: Any, sign_in: Any, welcome: Journey, path: str, form: dict[str, str], words: str
) -> None:
    sign_in("marketer")
    answer = client.post(f"/journeys/{welcome.id}/rehearsal{path}", form, status=422 if words else 200)
    assert words in answer.text


def test_an_empty_draft_says_what_is_missing(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    empty = service.create(tenant_id=tenant.id, actor="system", name="Empty")
    form = {"customer_id": str(people(tenant.id)[0]), "at": "2026-11-23T09:00"}
    assert "Add a trigger and a step" in client.post(f"/journeys/{empty.id}/rehearsal", form, status=422).text


def test_who_may_not_edit_journeys_may_not_rehearse(client: Any, sign_in: Any, welcome: Journey) -> None:
    sign_in("viewer")
    assert client.get(f"/journeys/{welcome.id}/rehearsal", status=403)
