"""The page of a rehearsal: a person's storyboard, and what many people come to."""

from typing import Any

import pytest

from app.infra.ids import new_id
from app.journeys import checks, service
from app.journeys.models import Journey
from tests.journeys.helpers import NOW, asks, journey, people, rows, send, step, template, wait
from tests.journeys.test_occasions import before_the_round, booked


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
    for at in ("0001-01-01T00:00", "9999-12-31T23:59", "2026-11-23T09:00+02:00", "soon"):
        assert "Thandi Mokoena" in client.get(f"{url}?customer_id={thandi}&at={at}", status=200).text
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


def test_the_event_that_lets_them_in_is_chosen_or_typed(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    made = before_the_round(tenant.id)
    (thandi,) = people(tenant.id, first_name="Thandi")
    booked(tenant.id, thandi, NOW, tee_time="2026-11-25T10:00:00+02:00", players=4, course="Thandi’s own")
    url, at = f"/journeys/{made.id}/rehearsal", "2026-12-20T09:00"
    text = client.get(f"{url}?customer_id={thandi}&at={at}").text
    (own,) = rows(tenant.id, "SELECT id FROM activity")
    for words in (
        f'value="{own.id}" checked',
        "Theirs of 20 Nov 2026",
        "An event like this",
        'name="said.tee_time.days"',
    ):
        assert words in text, words
    form = {"customer_id": thandi, "at": at}
    text = client.post(url, {**form, "occasion": str(own.id)}).text
    # Five days ahead of the day they enter.
    for words in ("let in by: Tee time booked for 25 Dec, 10:00", "24 Dec 2026", "Through on 24 Dec 2026"):
        assert words in text, words
    typed = {"occasion": "like", "said.tee_time.days": "10", "said.tee_time.time": "08:15", "said.players": "2"}
    text = client.post(url, {**form, **typed, "more.0.name": "voucher", "more.0.value": "Gold"}).text
    assert "let in by: Tee time booked for 30 Dec, 08:15" in text
    assert "Went No" in text
    kept = {**form, "name": "Plays", "who": "like", "theirs": "1"}
    client.post(f"/journeys/{made.id}/checks", {**kept, "said": '{"course": "Thandi’s own", "players": 4}'}, status=302)
    (check,) = checks.checks(tenant_id=tenant.id, journey_id=made.id)
    assert check.event == {"course": "Example", "players": 4}


def test_what_an_event_cannot_say_is_said_beside_it_and_what_was_typed_stays(
    client: Any, sign_in: Any, tenant: Any
) -> None:
    sign_in("marketer")
    made = before_the_round(tenant.id, [{"field": "players", "operator": "gte", "value": 3}])
    (who,) = people(tenant.id)
    url, form = f"/journeys/{made.id}/rehearsal", {"customer_id": who, "at": "2026-12-20T09:00", "occasion": "like"}
    wrong = {"said.players": "four", "said.tee_time.days": "soon", "said.booking_id": "B-77"}
    text = client.post(url, {**form, **wrong}, status=422).text
    for words in ("Give a number.", "Give a number of days", 'value="four"', 'value="soon"', 'value="B-77"'):
        assert words in text, words
    assert "not there any more" in client.post(url, {**form, "occasion": str(new_id())}, status=422).text
    few = client.post(url, {**form, "said.players": "1", "said.tee_time.days": "3"}).text
    assert "Nobody comes in by this event" in few
    assert "Nobody comes in by this event" not in client.post(url, {**form, "said.players": "3"}).text
