"""How a file writes things where its preset leaves it open: order of dates, country of phones, currency."""

from collections.abc import Mapping
from dataclasses import replace

from babel.core import get_global
from phonenumbers import SUPPORTED_REGIONS

from app.capture.imports.preset import DAY_FIRST, IN_ANY_ORDER, Preset
from app.infra.errors import Invalid

DATE_ORDERS = {"dmy": "31/12/2026 (day first)", "mdy": "12/31/2026 (month first)", "ymd": "2026/12/31 (year first)"}
_OF_ORDER = {
    "dmy": DAY_FIRST,
    "mdy": ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y", "%m-%d-%y", "%b %d, %Y", "%B %d, %Y", *IN_ANY_ORDER),
    "ymd": (*IN_ANY_ORDER, "%y/%m/%d", "%y-%m-%d"),
}


def checked(formats: Mapping[str, str | None]) -> dict[str, str]:
    """Return the formats that are given, or raise Invalid by `date_order`, `country` or `currency`."""
    kept = {name: value.strip() for name, value in formats.items() if value and value.strip()}
    errors = {}
    if "date_order" in kept and kept["date_order"] not in DATE_ORDERS:
        errors["date_order"] = f"Choose one of: {', '.join(DATE_ORDERS)}."
    if "country" in kept:
        kept["country"] = kept["country"].upper()
        if kept["country"] not in SUPPORTED_REGIONS:
            errors["country"] = "Give the two letters of a country, such as ZA or GB."
    if "currency" in kept:
        kept["currency"] = kept["currency"].upper()
        if kept["currency"] not in get_global("all_currencies"):
            errors["currency"] = "Give the three letters of a currency, such as ZAR or GBP."
    if errors:
        raise Invalid(errors)
    return kept


def applied(preset: Preset, formats: Mapping[str, str]) -> Preset:
    """Return the preset with what is said otherwise."""
    changes: dict[str, object] = {name: formats[name] for name in ("country", "currency") if formats.get(name)}
    if formats.get("date_order"):
        changes["days"] = _OF_ORDER[formats["date_order"]]
    return replace(preset, **changes) if changes else preset  # type: ignore[arg-type]
