"""How the sync log and the catalogue of event types are worded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.conditions import profile
from app.customers import condition_fields  # noqa: F401 - it fills the catalogue of profile fields
from app.events import catalogue
from app.events.catalogue import Category, EventType
from app.events.readers import spoken

STATUS_TONES = {"received": "info", "processed": "success", "failed": "danger", "erased": "neutral"}
STATUS_LABELS = {"received": "Waiting", "processed": "Processed", "failed": "Failed", "erased": "Erased"}
HINTS = {
    "email": "e-mail",
    "phone": "phone",
    "auth_user_id": "sign-in id",
    "scl_member_id": "member number",
    "teetime_player_id": "tee-time player id",
    "messaging_contact_id": "messaging contact id",
    "customer_id": "customer id",
}
CHANNEL_LABELS = {"EMAIL": "E-mail", "SMS": "SMS", "PUSH": "Push", "WHATSAPP": "WhatsApp"}
HIDDEN = "•••"


@dataclass(frozen=True, slots=True)
class TypeRow:
    """One event type as the catalogue page shows it: `changes` in words, `fields` as (key, label, type)."""

    kind: EventType
    changes: tuple[str, ...]
    fields: tuple[tuple[str, str, str], ...]


def hint_words(matched_by: Iterable[str] | None) -> str:
    """Return by which hints an event found its customer, in words."""
    return ", ".join(HINTS.get(one, spoken(one)) for one in matched_by or ())


def pretty(value: Any, readable: bool) -> str:
    """Return a JSON value indented, its keys in order; unless `readable` the keys alone."""
    value = value if readable else keys_only(value)
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()


def keys_only(value: Any) -> Any:
    """Return a JSON value with its keys and without what they say."""
    if isinstance(value, Mapping):
        return {key: keys_only(one) for key, one in value.items()}
    if isinstance(value, list):
        return [keys_only(one) for one in value]
    return HIDDEN


def type_rows() -> dict[str, list[TypeRow]]:
    """Return the catalogue's types by category."""
    rows: dict[str, list[TypeRow]] = {category.value: [] for category in Category}
    for kind in catalogue.known():
        fields = tuple((one.name, one.label, one.type.value) for one in kind.fields)
        rows[kind.category.value].append(TypeRow(kind, _changes(kind), fields))
    return {category: found for category, found in rows.items() if found}


def label_of(field: str) -> str:
    """Return what a field of the profile is called."""
    known = profile.find(field)
    words = known.label if known else spoken(field)
    return words[:1].upper() + words[1:]


def _changes(kind: EventType) -> tuple[str, ...]:
    said = {one.field: label_of(one.field) for one in kind.changes}
    constants = dict(kind.constants)
    words = [label for name, label in said.items() if name not in constants]
    words += [
        f"{label_of(name)}: {str(value).capitalize()}, unless it says otherwise" for name, value in constants.items()
    ]
    words += [_consent_words(one.channel, one.value) for one in kind.consents]
    if kind.speaks_for_contact:
        words.append("Preferred e-mail and phone")
    if kind.marks:
        words += [label_of(column) for column in sorted(set(kind.marks({})))]
    return tuple(words)


def _consent_words(channel: str, value: bool | None) -> str:
    ways = {None: "as it says", True: "yes", False: "no"}
    return f"{CHANNEL_LABELS[channel]} consent: {ways[value]}"
