"""What one event (or one profile made otherwise) says about whose it is, in comparable form."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from app.capture.names import name_key
from app.events.addresses import email_key
from app.events.places import Places
from app.events.validation import EXACT_KINDS

# In this order the first exact id of a piece of evidence stands for it.
TRUST = (*EXACT_KINDS,)

# Given name (key), last name (lower case) and birth date of whoever told all three.
Namesake = tuple[str, str, date]


def namesake(first_name: str | None, last_name: str | None, date_of_birth: date | None) -> Namesake | None:
    """Return the three together; None where one is missing, or of the given name only an initial is there."""
    if first_name and last_name and date_of_birth and len(first_name) > 1:
        return first_name, last_name, date_of_birth
    return None


@dataclass(slots=True)
class Evidence:
    """One indivisible piece: all it names is one person's, unless stronger evidence contradicts it.

    `key` orders evidence the same way whatever order it came in. `events` are its rows in inbound_event, several where
    they all say the same; a profile that was typed in or imported is evidence too, without any: an anchor.
    `customer_id` is the customer it belongs to up to now, if any; an event of Fairway's own (`own`) names it and stays
    with it. `ids` are (kind, value), the most trusted first; `points` are ("email" or "phone", key). `first_name` is a
    key, `last_name` in lower case as it was written. `notes` tell which hints were no use and why.
    """

    key: str
    events: tuple[UUID, ...]
    customer_id: UUID | None
    ids: tuple[tuple[str, str], ...] = ()
    points: tuple[tuple[str, str], ...] = ()
    first_name: str | None = None
    last_name: str | None = None
    date_of_birth: date | None = None
    club_id: UUID | None = None
    own: bool = False
    notes: tuple[str, ...] = ()

    @property
    def namesake(self) -> Namesake | None:
        """Return what it has in common with people who may be this one though they share no other hint, if any."""
        return namesake(self.first_name, self.last_name, self.date_of_birth)

    @property
    def is_anchor(self) -> bool:
        """Return whether this is a profile itself rather than events."""
        return not self.events

    @property
    def weight(self) -> int:
        """Return how often it was said."""
        return len(self.events) or 1


def of_event(
    *,
    key: str,
    events: tuple[UUID, ...],
    customer_id: UUID | None,
    identity: dict[str, Any],
    payload: dict[str, Any],
    places: Places,
    said: Mapping[str, Any],
) -> Evidence:
    """Return the evidence of an event; `said` are the facts its type reads from the payload, by field."""
    notes: list[str] = []
    points: list[tuple[str, str]] = []
    club = payload.get("club")
    if "email" in identity:
        email = email_key(identity["email"])
        points.append(("email", email)) if email else notes.append("e-mail address not valid")
    if "phone_number" in identity:
        phone = places.phone_key(identity["phone_number"], club)
        points.append(("phone", phone)) if phone else notes.append("phone number not valid")
    ids = [(kind, identity[kind]) for kind in TRUST if kind in identity]
    if "external_ids" in identity:
        ids.extend(pair for pair in sorted(identity["external_ids"].items()) if pair not in ids)
    own = identity.get("customer_id")
    return Evidence(
        key=key,
        events=events,
        customer_id=UUID(own) if own else customer_id,
        ids=tuple(ids),
        points=tuple(points),
        first_name=name_key(said.get("first_name")),
        last_name=last_name.lower() if (last_name := said.get("last_name")) else None,
        date_of_birth=said.get("date_of_birth"),
        club_id=places.club_id(club),
        own=own is not None,
        notes=tuple(notes),
    )
