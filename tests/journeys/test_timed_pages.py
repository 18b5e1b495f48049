"""Triggers that come by the calendar, in the forms of the builder."""

from typing import Any

import pytest

from app.journeys import queries, service
from app.journeys.models import Journey


@pytest.fixture
def journey(tenant: Any) -> Journey:
    return service.create(tenant_id=tenant.id, actor="system", name="Birthdays")


@pytest.fixture
def marketer(client: Any, sign_in: Any) -> Any:
    sign_in("marketer")
    return client


def save(client: Any, journey: Journey, typed: dict[str, Any]) -> Any:
    return client.post(f"/journeys/{journey.id}/steps/trigger", {"name": "", **typed}, htmx=True, status=200)


def config(journey: Journey) -> dict[str, Any]:
    found = queries.draft(queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id)).trigger
    assert found is not None
    return dict(found.config)


def test_choosing_a_date_asks_for_it_and_keeps_it(marketer: Any, journey: Journey) -> None:
    form = save(marketer, journey, {"event_type": "DATE", "act": "redraw"}).text
    assert 'name="date.field"' in form
    assert "Date of birth" in form
    assert 'name="schedule.starts_on"' not in form
    assert 'name="conditions' not in form
    typed = {"date.field": "date_of_birth", "date.when": "before", "date.days": "3", "date.time": "08:30"}
    answer = save(marketer, journey, {"event_type": "DATE", "date.every": "year", **typed})
    assert "3 days before “Birthday”, at 08:30" in answer.text
    assert config(journey) == {
        "event_type": "DATE",
        "date": {"field": "date_of_birth", "when": "before", "days": 3, "every": "year", "time": "08:30"},
    }


def test_what_a_date_asked_is_forgotten_where_something_else_begins(marketer: Any, journey: Journey) -> None:
    save(marketer, journey, {"event_type": "DATE", "date.field": "joined_on", "date.when": "on"})
    save(marketer, journey, {"event_type": "MANUAL", "date.field": "joined_on", "date.when": "on"})
    assert config(journey) == {"event_type": "MANUAL"}


@pytest.mark.parametrize(
    ("chosen", "own", "kept"),
    [("FREQ=WEEKLY", "", "FREQ=WEEKLY"), ("", "", None), ("RULE", "FREQ=MONTHLY;BYDAY=2TU", "FREQ=MONTHLY;BYDAY=2TU")],
)
def test_a_schedule_and_how_often(marketer: Any, journey: Journey, chosen: str, own: str, kept: str | None) -> None:
    typed = {"schedule.starts_on": "2026-12-01", "schedule.time": "09:00", "schedule.segment_id": ""}
    save(
        marketer,
        journey,
        {"event_type": "SCHEDULE", "schedule.rrule": chosen, "schedule.rrule.own": own, **typed},
    )
    assert config(journey)["schedule"].get("rrule") == kept
    form = marketer.get(f"/journeys/{journey.id}/steps/trigger").text
    assert 'value="2026-12-01"' in form
    assert "Everybody" in form


def test_a_rule_that_is_none_is_said_beside_it(marketer: Any, journey: Journey) -> None:
    typed = {"schedule.starts_on": "2026-12-01", "schedule.rrule": "RULE", "schedule.rrule.own": "weekly"}
    answer = save(marketer, journey, {"event_type": "SCHEDULE", **typed})
    assert "Give a rule such as FREQ=WEEKLY" in answer.text
    # What was typed stands in the form, which an answer leaves alone, and is there again when it is opened again.
    assert 'value="weekly"' in marketer.get(f"/journeys/{journey.id}/steps/trigger").text


def test_a_journey_is_made_with_a_date_by_the_api(api: Any, tenant: Any) -> None:
    body = {"name": "Anniversary", "trigger_type": "DATE", "trigger_config": {"date": {"field": "joined_on"}}}
    made = api.post("/journeys", json=body).get_json()
    assert made["trigger_type"] == "DATE"
    assert made["steps"][0]["config"]["date"] == {"field": "joined_on"}


@pytest.mark.parametrize(
    ("typed", "warned"),
    [
        ({"date.every": "year"}, True),
        ({"date.every": "once"}, False),
        ({"date.every": "year", "again": "after_exit"}, False),
    ],
)
def test_what_comes_every_year_but_lets_people_in_once_is_said(
    marketer: Any, journey: Journey, typed: dict[str, Any], warned: bool
) -> None:
    if again := typed.pop("again", None):
        service.update_settings(
            tenant_id=journey.tenant_id, journey_id=journey.id, actor="system", changes={"reentry": again}
        )
    save(marketer, journey, {"event_type": "DATE", "date.field": "joined_on", "date.when": "on", **typed})
    assert ("each person enters it once only" in marketer.get(f"/journeys/{journey.id}").text) is warned
