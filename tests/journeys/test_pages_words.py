"""A person's path through a journey, in a marketer's words."""

from dataclasses import replace
from typing import Any

import pytest

from app.blueprints.journeys import presenters
from app.blueprints.journeys.people import outcome
from app.customers import custom_fields
from app.customers.field_kind import CustomFieldInfo
from app.infra.ids import new_id
from app.journeys import queries
from app.journeys.graph import Graph, Step
from app.journeys.kinds import check_step, title_of
from app.journeys.step_type import Known
from app.journeys.titles import titles


@pytest.mark.parametrize(
    ("config", "title"),
    [
        ({"duration": "3 days", "working_days": True}, "Wait 3 days"),
        ({"until": {"time": "09:00", "days": 1}}, "Wait until 09:00 the next day"),
        (
            {"date": {"field": "date_of_birth", "when": "before", "days": 3}},
            "Wait until 3 days before “Birthday”, at 09:00",
        ),
        ({"event_date": {"field": "tee_time", "when": "on"}}, "Wait until “Tee time”"),
        ({"event_type": "teetime.booked", "timeout": "3 days", "same": "booking_id"}, "Wait for “Tee time booked”"),
        ({"rules": [], "timeout": "3 days"}, "Wait for a condition"),
        ({}, "Wait"),
    ],
)
def test_a_wait_is_called_by_how_long_it_is(tenant: Any, config: dict[str, Any], title: str) -> None:
    wait = Step("w", "WAIT", config=config)
    assert titles(tenant_id=tenant.id, graph=Graph({"w": wait})) == {"w": title}
    assert title_of(wait, queries.known(tenant_id=tenant.id)) == title
    assert title_of(replace(wait, name="Sleep on it"), Known()) == "Sleep on it"


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        ("10000 days", "That is too long. Five years are the most."),
        ("99999999 weeks", "That is too long. Five years are the most."),
        ("300 working days", "That is too long. 250 working days are the most."),
        ("-3 days", "Time runs forward only."),
        ("soon", "Give a duration such as “30 minutes”"),
    ],
)
def test_a_length_of_time_that_can_not_be_is_told_in_words(duration: str, words: str) -> None:
    for config, at in (
        ({"duration": duration}, "duration"),
        ({"event_date": {"field": "tee_time", "when": "before", "offset": duration}}, "event_date.offset"),
    ):
        step = Step("w", "WAIT", config=config)
        (wrong,) = check_step(step, Known(), Graph({"w": step}))
        assert wrong.field == at
        assert wrong.message.startswith(words)


def test_all_that_is_wrong_with_a_step_is_told_at_once() -> None:
    config = {"event_type": "", "timeout": "for ever"}
    step = Step("w", "WAIT", config=config)
    assert [one.field for one in check_step(step, Known(), Graph({"w": step}))] == ["timeout", "event_type"]
    step = Step("w", "WAIT", config={"event_date": {"field": "", "when": "before", "time": "9 o’clock"}})
    wrong = {one.field: one.message for one in check_step(step, Known(), Graph({"w": step}))}
    assert wrong == {
        "event_date.field": "Fill this in.",
        "event_date.offset": "Say how long before the date.",
        "event_date.time": "Give a time of day such as 09:00.",
    }


def test_numbers_are_asked_for_in_plain_words() -> None:
    step = Step("w", "WAIT", config={"until": {"time": "09:00", "days": 10000}})
    assert [one.message for one in check_step(step, Known(), Graph({"w": step}))] == ["Give a number up to 1830."]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"field": "last_email_open_at", "operator": "isNotNull", "matched": False}, "Last e-mail opened is known: no"),
        ({"field": "membership_tier", "operator": "in", "matched": True}, "Membership tier is any of: yes"),
        ({"field": "teetime.completed", "operator": "gte", "matched": False}, "Round played: no"),
        ({"field": "no_longer_known", "operator": "eq", "matched": False}, "no_longer_known: no"),
    ],
)
def test_a_condition_tells_what_it_asked(rule: dict[str, object], words: str) -> None:
    assert outcome("COMPLETED", {"result": rule["matched"], "evaluated_rules": [rule]}) == (
        f"Went {'Yes' if rule['matched'] else 'No'} ({words})"
    )


def test_a_tenants_own_fields_are_called_by_their_labels() -> None:
    locker = CustomFieldInfo(new_id(), "locker", "Locker no.", "NUMBER", "More")
    known, rule = custom_fields.catalogue_of([locker]), {"field": "custom.locker", "operator": "isNotNull"}
    assert outcome("COMPLETED", {"result": True, "evaluated_rules": [{**rule, "matched": True}]}, known) == (
        "Went Yes (Locker no. is known: yes)"
    )
    assert outcome("COMPLETED", {"updated": ["custom.locker", "membership_tier"]}, known) == (
        "Changed: Locker no., membership tier"
    )


def test_a_step_says_what_became_of_its_messages() -> None:
    found = presenters.letters({"mail": {"held": 2, "clicked": 1, "opened": 2, "sent": 3, "sending": 1}})
    said = [(one.count, one.word, one.icon is not None) for one in found["mail"]]
    assert said == [(3, "sent", True), (2, "opened", True), (1, "clicked", True), (2, "held", False)]
