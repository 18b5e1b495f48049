"""Countries, time zones, locales and currencies: what can be chosen, and what is usual where."""

import re
from dataclasses import dataclass
from functools import cache
from zoneinfo import available_timezones

from babel import Locale, localedata
from babel.core import get_global
from babel.languages import get_official_languages
from babel.numbers import get_currency_name, get_territory_currencies

from app.infra.errors import Invalid

_ENGLISH = Locale("en")
# Where the first clubs are; the others follow by name.
_FIRST_COUNTRIES = ("ZA", "GB")
# Countries of several zones in which nearly everybody lives in one, as Unicode's CLDR has them (primaryZones).
_MAIN_ZONES = {
    "CL": "America/Santiago",
    "CN": "Asia/Shanghai",
    "DE": "Europe/Berlin",
    "EC": "America/Guayaquil",
    "ES": "Europe/Madrid",
    "MH": "Pacific/Majuro",
    "MY": "Asia/Kuala_Lumpur",
    "NZ": "Pacific/Auckland",
    "PT": "Europe/Lisbon",
    "UA": "Europe/Kyiv",
    "UZ": "Asia/Tashkent",
}
_LOCALE = re.compile(r"([a-z]{2,3})_([A-Z]{2})")

Choices = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Place:
    """How a club writes: its country reads phone numbers, the rest writes times, dates and money."""

    country: str
    timezone: str
    locale: str
    currency: str


@cache
def countries() -> Choices:
    """Return (ISO code, English name) of every country."""
    coded = {code for code in get_global("territory_currencies") if re.fullmatch("[A-Z]{2}", code)}
    names = {code: str(_ENGLISH.territories[code]) for code in coded & _ENGLISH.territories.keys()}
    first = [(code, names.pop(code)) for code in _FIRST_COUNTRIES]
    return first + sorted(names.items(), key=lambda item: item[1])


@cache
def timezones() -> Choices:
    """Return (IANA name, the same readable) of every zone that belongs to a country."""
    known = get_global("zone_territories").keys() & available_timezones()
    return [(name, name.replace("_", " ")) for name in sorted(known) if "/" in name and not name.startswith("Etc/")]


@cache
def locales() -> Choices:
    """Return (identifier like en_ZA, English name) of every language in a country."""
    found = (_LOCALE.fullmatch(identifier) for identifier in localedata.locale_identifiers())
    named = [
        (match[0], f"{_ENGLISH.languages[match[1]]} ({_ENGLISH.territories[match[2]]})")
        for match in found
        if match and match[1] in _ENGLISH.languages and match[2] in _ENGLISH.territories
    ]
    return sorted(named, key=lambda item: item[1])


@cache
def currencies() -> Choices:
    """Return (ISO code, "ZAR, South African Rand") of every currency in use."""
    codes = {currency for country, _ in countries() for currency in get_territory_currencies(country)}
    return [(code, f"{code}, {get_currency_name(code, locale=_ENGLISH)}") for code in sorted(codes)]


def checked(*, country: str, timezone: str | None, locale: str | None, currency: str | None) -> Place:
    """Return the place, with what is usual in the country for whatever was left empty.

    Raises Invalid for what does not exist, and for a time zone left empty where the country has several.
    """
    errors: dict[str, str] = {}
    if country not in dict(countries()):
        errors["country"] = "Choose a country."
    usual = _usual(country) if not errors else {}
    values: dict[str, str] = {}
    for name, given, known, what in (
        ("timezone", timezone, timezones, "time zone"),
        ("locale", locale, locales, "language and region"),
        ("currency", currency, currencies, "currency"),
    ):
        values[name] = given or usual.get(name, "")
        if not values[name] and not errors.get("country"):
            errors[name] = f"This country has no single usual {what}. Choose one."
        elif values[name] and values[name] not in dict(known()):
            errors[name] = f"Choose a {what} from the list."
    if errors:
        raise Invalid(errors)
    return Place(country=country, **values)


def _usual(country: str) -> dict[str, str]:
    """Return what the country's clubs would choose, without the keys on which they would not agree."""
    zones = [zone for zone, _ in timezones() if get_global("zone_territories")[zone] == country]
    known = dict(locales())
    languages = ("en", *get_official_languages(country, de_facto=True))
    spoken = [f"{language}_{country}" for language in languages if f"{language}_{country}" in known]
    money = get_territory_currencies(country)
    usual = {
        "timezone": zones[0] if len(zones) == 1 else _MAIN_ZONES.get(country, ""),
        "locale": spoken[0] if spoken else "",
        "currency": money[0] if money else "",
    }
    return {name: value for name, value in usual.items() if value}
