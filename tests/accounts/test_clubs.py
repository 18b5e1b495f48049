"""Clubs and the places they are in."""

from typing import Any

import pytest
from babel.core import get_global

from app.accounts import clubs, places, queries
from app.infra.errors import Invalid
from tests.accounts.conftest import Person, registered


def add(owner: Person, name: str = "Milnerton Links", country: str = "ZA", **more: Any) -> Any:
    return clubs.add(tenant_id=owner.tenant_id, actor=owner.actor, name=name, country=country, **more)


@pytest.mark.parametrize(
    "country, place",
    [
        ("ZA", places.Place("ZA", "Africa/Johannesburg", "en_ZA", "ZAR")),
        ("GB", places.Place("GB", "Europe/London", "en_GB", "GBP")),
        ("KE", places.Place("KE", "Africa/Nairobi", "en_KE", "KES")),
        ("DE", places.Place("DE", "Europe/Berlin", "en_DE", "EUR")),
        ("NZ", places.Place("NZ", "Pacific/Auckland", "en_NZ", "NZD")),
    ],
)
def test_what_is_left_empty_is_the_usual_of_the_country(country: str, place: places.Place) -> None:
    assert places.checked(country=country, timezone="", locale=None, currency="") == place


def test_the_main_zone_of_a_country_is_one_of_its_own() -> None:
    for country, zone in places._MAIN_ZONES.items():
        assert get_global("zone_territories")[zone] == country
        assert zone in dict(places.timezones())


def test_a_country_of_several_zones_asks_for_one() -> None:
    with pytest.raises(Invalid) as refused:
        places.checked(country="US", timezone="", locale="", currency="")
    assert refused.value.errors.keys() == {"timezone"}
    found = places.checked(country="US", timezone="America/New_York", locale="", currency="")
    assert (found.locale, found.currency) == ("en_US", "USD")


def test_what_does_not_exist_is_refused_field_by_field() -> None:
    with pytest.raises(Invalid) as refused:
        places.checked(country="XX", timezone="Mars/Olympus", locale="tlh_XX", currency="LAT")
    assert refused.value.errors.keys() == {"country", "timezone", "locale", "currency"}


def test_every_choice_offered_is_accepted() -> None:
    for (zone, _), (locale, _), (currency, _) in zip(
        places.timezones(), places.locales(), places.currencies() * 4, strict=False
    ):
        places.checked(country="ZA", timezone=zone, locale=locale, currency=currency)
    assert [code for code, _ in places.countries()][:2] == ["ZA", "GB"]


def test_the_organisation_writes_as_its_first_club_does(owner: Person) -> None:
    add(owner, "Royal Cinque Links", "GB")
    add(owner)
    found = queries.tenant_info(tenant_id=owner.tenant_id)
    assert (found.country, found.timezone, found.locale, found.currency) == ("GB", "Europe/London", "en_GB", "GBP")
    assert [club.name for club in queries.clubs(tenant_id=owner.tenant_id)] == ["Milnerton Links", "Royal Cinque Links"]


def test_two_clubs_of_one_name_are_one_too_many(owner: Person) -> None:
    add(owner)
    with pytest.raises(Invalid) as refused:
        add(owner, "  MILNERTON   links ")
    assert refused.value.errors.keys() == {"name"}
    second = registered("second@example.com", "Second Greens")
    add(second)


def test_a_club_and_the_organisation_can_be_changed(owner: Person) -> None:
    club_id = add(owner)
    clubs.change(
        tenant_id=owner.tenant_id, actor=owner.actor, club_id=club_id, name="Milnerton", country="GB", currency="EUR"
    )
    club = queries.club(tenant_id=owner.tenant_id, club_id=club_id)
    assert (club.name, club.place) == ("Milnerton", places.Place("GB", "Europe/London", "en_GB", "EUR"))
    clubs.change_organisation(tenant_id=owner.tenant_id, actor=owner.actor, name="Three Capes", country="GB")
    assert queries.tenant_info(tenant_id=owner.tenant_id).name == "Three Capes"


def test_clubs_of_another_organisation_do_not_exist(owner: Person) -> None:
    club_id = add(owner)
    second = registered("second@example.com", "Second Greens")
    with pytest.raises(queries.ClubNotFound):
        clubs.change(tenant_id=second.tenant_id, actor=second.actor, club_id=club_id, name="Mine", country="ZA")
    assert queries.clubs(tenant_id=second.tenant_id) == []


@pytest.mark.parametrize("name", ["", " ", "\u200b", "\u2800"])
def test_a_name_shows_something(owner: Person, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        clubs.add(tenant_id=owner.tenant_id, actor=owner.actor, name=name, country="GB")
    assert "name" in refused.value.errors
