"""Every type of event has words; unknown ones too."""

from typing import Any

import pytest

from app.events import catalogue
from app.events.catalogue import Category
from app.infra.figures import written_for


@pytest.mark.parametrize(
    "name, payload, title",
    [
        (
            "teetime.booked",
            {"tee_time": "2026-10-05T17:27+00:00", "holes": 18},
            "Tee time booked for 5 Oct, 17:27, 18 holes",
        ),
        ("teetime.booked", {"tee_time": [], "holes": "x"}, "Tee time booked"),
        ("scl.member.created", {"membershipTier": "Gold"}, "Joined as a member: Gold"),
        ("payment.received", {"amount": "1403.78", "currency": "GBP"}, "Payment received GBP 1,403.78"),
        ("payment.failed", {"amount": {}}, "Payment failed"),
        ("teetime.handicap.updated", {"handicap_index": -0.3}, "Handicap index now +0.3"),
        ("enquiry.created", {"kind": "golf_day", "value": "2181.30"}, "Enquiry made: golf day, 2,181.30"),
        (
            "contactPreference.updated",
            {"email_opt_in": True, "smsOptIn": False},
            "Contact preferences: e-mail on, SMS off",
        ),
        ("competition.entered", {}, "Entered competition"),
        ("bar.tab_opened", {"x": 1}, "Bar tab opened"),
    ],
)
def test_titles(name: str, payload: dict[str, Any], title: str) -> None:
    assert catalogue.title(catalogue.get(name), payload) == title


def test_amounts_are_written_as_the_region_does() -> None:
    paid = catalogue.get("payment.received")
    with written_for("de_DE"):
        assert catalogue.title(paid, {"amount": "1436.62", "currency": "EUR"}) == "Payment received EUR 1.436,62"
        handicap = catalogue.get("teetime.handicap.updated")
        assert catalogue.title(handicap, {"handicap_index": -0.3}) == "Handicap index now +0,3"
    with written_for("en_ZA"):
        assert catalogue.title(paid, {"amount": "1436.62", "currency": "ZAR"}) == "Payment received ZAR 1 436,62"


@pytest.mark.parametrize("value", [None, [], {}, "x" * 5000, -1, True, "\u202e", "2026-99-99"])
def test_no_payload_breaks_a_type(value: Any) -> None:
    for kind in catalogue.known():
        payload = {one.name: value for one in kind.fields}
        assert catalogue.title(kind, payload)
        for change in kind.changes:
            change.value(payload)
        for consent in kind.consents:
            assert consent.read(payload) in (True, False, None)


def test_what_nobody_registered_is_other() -> None:
    kind = catalogue.get("bar.tab_opened")
    assert (kind.category, kind.changes, catalogue.is_known(kind.name)) == (Category.OTHER, (), False)


def test_conditions_know_the_payload() -> None:
    fields = catalogue.payload_fields("scl.member.created")
    assert fields.find("membershipTier") is fields.find("membership_tier")
    assert fields.find("anything.else") is not None


def test_what_a_machine_did_is_said_to_be_its_doing() -> None:
    kinds = {one: catalogue.get(f"message.{one}") for one in ("opened", "clicked")}
    for payload, opened, clicked in (
        ({"subject": "News"}, "Opened an e-mail: News", "Clicked a link in an e-mail: News"),
        (
            {"subject": "News", "is_machine": True},
            "A machine opened an e-mail: News",
            "A machine followed a link in an e-mail: News",
        ),
    ):
        assert catalogue.title(kinds["opened"], payload) == opened
        assert catalogue.title(kinds["clicked"], payload) == clicked
