"""A tenant's custom fields on the customer's page and form: grouped by heading, in the club's locale."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.accounts import queries as accounts
from app.customers import custom_fields
from app.customers.field_kind import Control, CustomFieldInfo
from app.customers.models import Customer
from app.web.shell import organisation


@dataclass(frozen=True, slots=True)
class Asked:
    """One custom field of a form, with what is wrong with what was typed."""

    name: str
    label: str
    control: Control
    errors: list[str]


Shown = dict[str, list[Asked]]


def shown(tenant_id: UUID, customer: Customer) -> dict[str, list[tuple[str, str]]]:
    """Return what is known of a customer's custom fields, as (label, value) under their headings."""
    if not customer.custom:
        return {}
    locale = _locale(tenant_id, customer)
    found: dict[str, list[tuple[str, str]]] = {}
    for about in custom_fields.fields(tenant_id=tenant_id):
        value = customer.custom.get(about.key)
        if value is not None:
            words = custom_fields.kind_of(about).show(value, about, locale)
            found.setdefault(about.heading, []).append((about.label, words))
    return found


def compared(tenant_id: UUID, winner: Customer, loser: Customer) -> list[tuple[CustomFieldInfo, str, str]]:
    """Return the custom fields that at least one of two customers has, with both values in words ("": none)."""
    if not winner.custom and not loser.custom:
        return []
    locale = _locale(tenant_id, winner)
    found = []
    for about in custom_fields.fields(tenant_id=tenant_id):
        values = [one.custom.get(about.key) for one in (winner, loser)]
        if values != [None, None]:
            kind = custom_fields.kind_of(about)
            mine, theirs = ("" if one is None else kind.show(one, about, locale) for one in values)
            found.append((about, mine, theirs))
    return found


def _locale(tenant_id: UUID, customer: Customer) -> str:
    clubs = accounts.clubs(tenant_id=tenant_id) if customer.club_id else []
    return next((one.locale for one in clubs if one.id == customer.club_id), organisation().locale)


def controls(
    tenant_id: UUID,
    kept: Mapping[str, Any],
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Shown:
    """Return the fields of a form with what stands in them: what is kept, else what was typed, with its `errors`."""
    found: Shown = {}
    for about in custom_fields.fields(tenant_id=tenant_id):
        control = _control(about, kept.get(about.key))
        if typed and about.key in typed:
            control = replace(control, text=typed[about.key])
        wrong = (errors or {}).get(about.name)
        found.setdefault(about.heading, []).append(Asked(about.name, about.label, control, [wrong] if wrong else []))
    return found


def texts(shown: Shown) -> dict[str, str]:
    """Return what stands in each field of a form, by its name."""
    return {one.name: one.control.text for rows in shown.values() for one in rows}


def typed(tenant_id: UUID, form: Mapping[str, str]) -> dict[str, str]:
    """Return what was sent of custom fields, by key."""
    return {one.key: form[one.name] for one in custom_fields.fields(tenant_id=tenant_id) if one.name in form}


def _control(about: CustomFieldInfo, value: Any) -> Control:
    return custom_fields.kind_of(about).control(value, about)
