"""A person's path through a journey, in a marketer's words."""

import pytest

from app.blueprints.journeys import presenters
from app.blueprints.journeys.people import outcome
from app.customers import custom_fields
from app.customers.field_kind import CustomFieldInfo
from app.infra.ids import new_id


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
