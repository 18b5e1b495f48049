"""Ready journeys: each makes a draft that could be activated as it is, and says beforehand whom it would concern."""

from datetime import date, timedelta
from typing import Any

import pytest
from markupsafe import escape

from app.content import queries as templates
from app.customers.models import Activity
from app.infra.db import transaction
from app.infra.ids import new_id
from app.journeys import lifecycle, queries, recipe, rehearsal, service
from app.journeys.kinds import check_graph
from tests.journeys.helpers import NOW, event, happen, people, rows, run

ALL = [name for name, _ in recipe.recipes()]


@pytest.mark.parametrize("name", ALL)
def test_a_recipe_makes_a_draft_that_is_ready(tenant: Any, name: str) -> None:
    made = recipe.use(tenant_id=tenant.id, name=name, actor="system", now=NOW)
    assert (made.status, made.published_version) == ("DRAFT", None)
    assert check_graph(queries.draft(made), queries.known(tenant_id=tenant.id)) == []
    assert queries.draft_history(tenant_id=tenant.id, journey=made) == queries.DraftHistory(undo=None, redo=None)
    assert queries.draft(service.undo(tenant_id=tenant.id, journey_id=made.id, actor="system")) == queries.draft(made)
    assert lifecycle.activate(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW).status == "ACTIVE"


@pytest.mark.parametrize("name", ALL)
def test_its_letters_can_be_written_to_somebody_of_whom_little_is_known(tenant: Any, name: str) -> None:
    made = recipe.use(tenant_id=tenant.id, name=name, actor="system", now=NOW)
    who = people(tenant.id, first_name=None, last_name=None)
    (board,) = rehearsal.rehearse(tenant_id=tenant.id, journey_id=made.id, customer_ids=who, at=NOW).boards
    assert board.status == "COMPLETED"
    for letter in (one for step in board.steps for one in step.letters):
        assert letter.letter is not None, letter
        assert "{" not in letter.letter.text


SAID = {
    "booking-reminders": {"reference": "Q7", "kind": "golf_day", "starts_at": "2027-01-15T09:00:00+02:00"},
    "competition-fill": {
        "competition_id": "C1", "competition": "Founders Cup", "starts_at": "2027-01-15T09:00:00+02:00",
        "entries_close_at": "2027-01-08T18:00:00+02:00", "url": "https://club.example/founders-cup",
    },
    "quote-unanswered": {"reference": "Q7"},
    "payment-failed": {"amount": "820.00", "currency": "ZAR"},
}  # fmt: skip
SENT = {
    "booking-reminders": [("month", date(2026, 12, 16)), ("week", date(2027, 1, 8)), ("tomorrow", date(2027, 1, 14))],
    "competition-fill": [
        ("invitation", date(2026, 11, 20)), ("places", date(2027, 1, 1)), ("last", date(2027, 1, 6)),
    ],
    "quote-unanswered": [("first", date(2026, 11, 23)), ("second", date(2026, 11, 27)), ("last", date(2026, 12, 4))],
    "payment-failed": [("notice", date(2026, 11, 20)), ("reminder", date(2026, 11, 23))],
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_its_letters_come_on_the_right_days_and_say_what_the_event_said(tenant: Any, name: str) -> None:
    made = recipe.use(tenant_id=tenant.id, name=name, actor="system", now=NOW)
    (board,) = rehearsal.rehearse(
        tenant_id=tenant.id, journey_id=made.id, customer_ids=people(tenant.id), at=NOW, payload=SAID[name]
    ).boards
    assert board.status == "COMPLETED"
    assert [(step.key, step.entered_at.date()) for step in board.steps if step.letters] == SENT[name]
    read = [one.letter for step in board.steps for one in step.letters]
    assert all(one is not None and "{" not in one.text for one in read)
    whole = " ".join(f"{one.subject} {one.text}" for one in read if one is not None)
    told = {
        "booking-reminders": "You are booked with us on Friday 15 January. Your reference is Q7.",
        "competition-fill": "Founders Cup: entries are open. It is played on Friday 15 January. Entries close on Friday"
        " 8 January. You can enter here: https://club.example/founders-cup",
        "payment-failed": "A payment of ZAR 820.00 to",
    }
    assert told.get(name, "") in " ".join(whole.split())


@pytest.mark.parametrize(
    ("name", "type", "key", "stops"),
    [
        ("booking-reminders", "booking.cancelled", "reference", "exit_event"),
        ("competition-fill", "competition.entered", "competition_id", "goal"),
        ("competition-fill", "competition.full", "competition_id", "exit_event"),
        ("quote-unanswered", "booking.confirmed", "reference", "goal"),
    ],
)
def test_it_stops_for_what_it_is_about_and_for_nothing_else(
    tenant: Any, name: str, type: str, key: str, stops: str
) -> None:
    made = recipe.use(tenant_id=tenant.id, name=name, actor="system", now=NOW)
    lifecycle.activate(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
    begins = {"starts_at": "2027-01-15T09:00:00+02:00", "entries_close_at": "2027-01-08T18:00:00+02:00"}
    [who] = people(tenant.id)
    for one in ("A", "B"):
        happen(tenant.id, event(who, {key: one, **begins}, type=recipe.recipe(name).trigger["event_type"]))
    run(tenant.id)
    for said in ({key: "C"}, {}, {key: "A"}):
        happen(tenant.id, event(who, said, type=type), now=NOW + timedelta(hours=1))
    run(tenant.id, NOW + timedelta(hours=1))
    found = rows(tenant.id, "SELECT entry, status, exit_reason FROM journey_enrollment ORDER BY entry")
    assert [tuple(row) for row in found] == [("each:A", "EXITED", stops), ("each:B", "ACTIVE", None)]


def test_who_pays_hears_no_more_of_it_and_who_replies_no_more_of_the_quote(tenant: Any) -> None:
    [who] = people(tenant.id)
    for name, type in (("payment-failed", "payment.received"), ("quote-unanswered", "message.replied")):
        made = recipe.use(tenant_id=tenant.id, name=name, actor="system", now=NOW)
        lifecycle.activate(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
        happen(tenant.id, event(who, {"reference": "Q1"}, type=recipe.recipe(name).trigger["event_type"]))
        run(tenant.id)
        happen(tenant.id, event(who, {}, type=type), now=NOW + timedelta(hours=2))
        [left] = rows(
            tenant.id, "SELECT status, exit_reason FROM journey_enrollment WHERE journey_id = :id", id=made.id
        )
        assert left.status == "EXITED"


def test_only_members_of_a_year_or_more_are_thanked(tenant: Any) -> None:
    made = recipe.use(tenant_id=tenant.id, name="anniversary", actor="system", now=NOW)
    old, new = date(2020, 11, 20), date(2026, 11, 20)
    who = [
        people(tenant.id, joined_on=joined, lifecycle_stage=stage)[0]
        for joined, stage in ((old, "MEMBER"), (new, "MEMBER"), (old, "FORMER"))
    ]
    boards = rehearsal.rehearse(tenant_id=tenant.id, journey_id=made.id, customer_ids=who, at=NOW).boards
    sent = {board.customer_id: any(step.letters for step in board.steps) for board in boards}
    assert [sent[one] for one in who] == [True, False, False]


def test_used_twice_it_makes_two_of_everything(tenant: Any) -> None:
    first, second = (recipe.use(tenant_id=tenant.id, name="lapsed-golfer", actor="system") for _ in range(2))
    assert [first.name, second.name] == ["Lapsed golfer", "Lapsed golfer (2)"]
    assert len(rows(tenant.id, "SELECT id FROM segment WHERE name LIKE 'Has not played%'")) == 2
    assert len(templates.choices(tenant_id=tenant.id)) == 4


def happened(tenant: Any, customer_id: Any, type: str, days_ago: float, **payload: Any) -> None:
    with transaction(tenant.id) as session:
        session.add(
            Activity(
                tenant_id=tenant.id, customer_id=customer_id, type=type, category="GOLF", title=type, source="test",
                occurred_at=NOW - timedelta(days=days_ago), payload=payload, id=new_id(),
            )
        )  # fmt: skip


def test_whom_it_would_concern_is_counted_beforehand(tenant: Any) -> None:
    one, two, three = people(tenant.id, 3)
    happened(tenant, one, "booking.confirmed", 3, reference="Q1")
    happened(tenant, one, "booking.confirmed", 4, reference="Q2")
    happened(tenant, two, "booking.cancelled", 3, reference="Q3")
    happened(tenant, three, "booking.confirmed", 31, reference="Q4")
    counted = recipe.dry_count(tenant_id=tenant.id, name="booking-reminders", now=NOW)
    assert (counted.count, counted.words) == (1, "would have entered in the last 30 days")
    for days in range(70, 60, -1):
        happened(tenant, two, "teetime.completed", days)
    assert recipe.dry_count(tenant_id=tenant.id, name="lapsed-golfer", now=NOW).count == 1
    people(tenant.id, date_of_birth=(NOW + timedelta(days=5)).date().replace(year=1980))
    assert recipe.dry_count(tenant_id=tenant.id, name="birthday", now=NOW).count == 1


def test_one_that_is_not_there(tenant: Any) -> None:
    with pytest.raises(recipe.NoSuchRecipe):
        recipe.use(tenant_id=tenant.id, name="nothing", actor="system")


def test_the_page_lists_counts_and_makes(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    text = client.get("/journeys/recipes").text
    assert all(escape(one.title) in text for _, one in recipe.recipes())
    assert "09:00 the next day" in text
    assert "10:00, 4 days later" in text
    assert "<b>0</b> people would have entered" in client.get("/journeys/recipes/new-member/count").text
    answer = client.post("/journeys/recipes/new-member", {"club_id": ""}, status=302)
    made = queries.journeys(tenant_id=tenant.id).items[0]
    assert answer.headers["Location"].endswith(f"/journeys/{made.id}")
    assert "with its 4 templates" in client.get(f"/journeys/{made.id}").text
    client.post("/journeys/recipes/nothing", {}, status=404)


def test_over_the_api(api: Any, tenant: Any) -> None:
    assert [one["name"] for one in api.get("/journeys/recipes").get_json()["items"]] == ALL
    assert api.get("/journeys/recipes/birthday/count").get_json()["count"] == 0
    made = api.post("/journeys/recipes/birthday", json={})
    assert (made.status_code, made.get_json()["status"]) == (201, "DRAFT")
    assert api.post("/journeys/recipes/nothing", json={}).status_code == 404
