"""How customers, their timeline and their consent are worded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import phonenumbers
from flask import url_for

from app.blueprints.events.presenters import CHANNEL_LABELS
from app.customers.called import called
from app.customers.facts import CONSENT_FIELDS
from app.customers.models import Activity, Customer, Note, NoteChange, NoteMention
from app.customers.notes import TYPES as NOTE_TYPES
from app.events import catalogue
from app.events.catalogue import Category
from app.events.readers import spoken
from app.infra.paging import Page
from app.web.activities import look
from app.web.guards import can

STAGE_LABELS = {
    "SUBSCRIBER": "Subscriber",
    "LEAD": "Lead",
    "PROSPECT": "Prospect",
    "MEMBER": "Member",
    "FORMER": "Former member",
}
STAGE_TONES = {"MEMBER": "success", "PROSPECT": "info", "LEAD": "info"}
CATEGORY_LABELS: dict[str, str] = {
    Category.MEMBERSHIP: "Membership",
    Category.GOLF: "Golf",
    Category.PAYMENT: "Payments",
    Category.MESSAGE: "Messages",
    Category.ENQUIRY: "Enquiries",
    Category.PREFERENCE: "Preferences",
    Category.SUPPORT: "Support",
    Category.NOTE: "Notes",
    Category.OTHER: "Other",
}
ID_LABELS = {
    "scl_member_id": "Member number",
    "teetime_player_id": "Tee-time player",
    "messaging_contact_id": "Messaging contact",
    "auth_user_id": "Sign-in",
}
OWN_LABELS = {"consent.recorded": "Consent recorded"}
MAX_SHOWN = 300
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class ConsentBadge:
    """What a customer said about one channel: `answer` yes, no or not known, in words, and since when."""

    channel: str
    label: str
    answer: str
    tone: str
    icon: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class NoteStep:
    """One change of a note in words, and the text as it was before where the text changed."""

    by: str
    at: datetime
    words: str
    text: str | None


@dataclass(frozen=True, slots=True)
class ShownNote:
    """A note as its list draws it: `parts` are its text, each with whether it names a colleague."""

    note: Note
    type: str
    icon: str
    parts: tuple[tuple[str, bool], ...]
    steps: tuple[NoteStep, ...]


@dataclass(frozen=True, slots=True)
class StoryItem:
    """One activity as the timeline draws it: `facts` are what its event said, `url` leads to what it is about."""

    id: UUID
    icon: str
    tone: str
    title: str
    at: datetime
    source: str
    category: str
    url: str | None
    event_url: str | None
    facts: tuple[tuple[str, str], ...]


def consent_badges(customer: Customer) -> list[ConsentBadge]:
    """Return the customer's consent on each channel, in the order of the channels."""
    badges = []
    for channel, field in CONSENT_FIELDS.items():
        said = getattr(customer, field)
        answer, tone, icon = {
            True: ("yes", "success", "check"),
            False: ("no", "danger", "ban"),
            None: ("not asked", "neutral", "circle-dashed"),
        }[said]
        since = getattr(customer, f"{field}_at")
        badges.append(ConsentBadge(channel, CHANNEL_LABELS[channel], answer, tone, icon, since))
    return badges


def full_name(customer: Customer) -> str:
    """Return what to call a customer: the name, else an address, else a word."""
    return called(
        customer.first_name, customer.last_name, title=customer.title, email=customer.email, phone=customer.phone
    )


def id_label(kind: str) -> str:
    """Return what an external id is called."""
    words = ID_LABELS.get(kind) or spoken(kind)
    return words[:1].upper() + words[1:]


def story(activity: Activity) -> StoryItem:
    """Return an activity as the timeline draws it."""
    kind = catalogue.get(activity.type)
    icon, tone = look(activity.type, activity.category)
    return StoryItem(
        id=activity.id,
        icon=icon,
        tone=tone,
        title=activity.title,
        at=activity.occurred_at,
        source=activity.payload.get("written_by", "") if activity.object_type == "note" else activity.source,
        category=CATEGORY_LABELS.get(activity.category, activity.category.capitalize()),
        url=_object_url(activity),
        event_url=_event_url(activity.object_type, activity.object_id),
        facts=_facts(activity.payload, {one.name: one.label for one in kind.fields}),
    )


def shown_notes(
    found: list[Note], mentioned: Mapping[UUID, list[NoteMention]], changes: Mapping[UUID, list[NoteChange]]
) -> list[ShownNote]:
    """Return notes as their list draws them."""
    return [
        ShownNote(
            note=one,
            type=NOTE_TYPES.get(one.type, "Note"),
            icon=look(f"note.{one.type}", Category.NOTE).icon,
            parts=_parts(one.body, [mention.handle for mention in mentioned.get(one.id, ())]),
            steps=tuple(_note_step(change) for change in changes.get(one.id, ())),
        )
        for one in found
    ]


def _parts(body: str, handles: list[str]) -> tuple[tuple[str, bool], ...]:
    if not handles:
        return ((body, False),)
    named = "|".join(re.escape(one) for one in sorted(handles, key=len, reverse=True))
    pieces = re.split(rf"({named})(?!\w)", body)
    return tuple((piece, at % 2 == 1) for at, piece in enumerate(pieces) if piece)


def _note_step(change: NoteChange) -> NoteStep:
    before = change.before
    words = [change.act] if change.act != "edited" else []
    if "body" in before:
        words.append("changed the text")
    if "type" in before:
        words.append(f"changed the type from {NOTE_TYPES.get(before['type'], before['type']).lower()}")
    if "private" in before:
        words.append("opened it to colleagues" if before["private"] else "made it private")
    if "pinned" in before:
        words.append("unpinned it" if before["pinned"] else "pinned it")
    return NoteStep(change.changed_by_name, change.changed_at, ", ".join(words), before.get("body"))


def _object_url(activity: Activity) -> str | None:
    object_type, object_id = activity.object_type, activity.object_id
    if object_id is None:
        return None
    if object_type == "note":
        return url_for("customers.notes", customer_id=activity.customer_id, _anchor=f"note-{object_id}")
    if object_type == "message" and can("messages.view"):
        return url_for("messaging.show", message_id=object_id)
    if object_type == "journey" and can("journeys.view"):
        return url_for("journeys.builder", journey_id=object_id)
    return None


def _event_url(object_type: str | None, object_id: UUID | None) -> str | None:
    if object_type == "event" and object_id is not None and can("events.view"):
        return url_for("events.show", event_id=object_id)
    return None


def _facts(payload: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what a payload says, in words: nested values by their path, long ones cut."""
    found: list[tuple[str, str]] = []
    _collect(payload, "", labels, found)
    return tuple(found[:40])


def _collect(value: Any, path: str, labels: Mapping[str, str], found: list[tuple[str, str]]) -> None:
    if isinstance(value, Mapping):
        for key, one in value.items():
            _collect(one, f"{path}.{key}" if path else str(key), labels, found)
    elif isinstance(value, list):
        if value and all(not isinstance(one, Mapping | list) for one in value):
            found.append((_label(path, labels), _cut(", ".join(_plain(one) for one in value))))
        else:
            for at, one in enumerate(value, 1):
                _collect(one, f"{path} {at}", labels, found)
    elif value is not None and value != "":
        found.append((_label(path, labels), _cut(_plain(value))))


def _label(path: str, labels: Mapping[str, str]) -> str:
    words = labels.get(path) or spoken(path)
    return words[:1].upper() + words[1:]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _moment(value) if isinstance(value, str) and _MOMENT.match(value) else str(value)


def _moment(text: str) -> str:
    """Return a moment as its sender's clock showed it, "23 Oct 2026, 08:39"; what is none as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{at.day} {at:%b %Y, %H:%M}"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def day_range(since: date | None, until: date | None, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """Return the moments between which the days lie, both days included, in the tenant's zone."""
    begin = datetime.combine(since, time.min, zone) if since else None
    end = datetime.combine(until + timedelta(days=1), time.min, zone) if until and until < date.max else None
    return begin, end


def told(found: Page[Activity]) -> Page[StoryItem]:
    """Return a page of activities as the timeline draws them."""
    return Page([story(one) for one in found.items], found.next_cursor)


def type_options(kinds: list[tuple[str, str]], chosen: str | None) -> list[tuple[str, str]]:
    """Return the choices of the filter by type; the chosen one is among them even where nothing is of that type."""
    names = dict.fromkeys([name for _, name in kinds] + ([chosen] if chosen else []))
    return sorted(((name, _type_label(name)) for name in names), key=lambda one: one[1].lower())


def _type_label(name: str) -> str:
    if name.startswith("note."):
        return NOTE_TYPES.get(name.removeprefix("note."), "Note")
    return OWN_LABELS.get(name) or catalogue.get(name).label


@lru_cache(20_000)
def phone_words(value: str | None) -> str:
    """Return a number in E.164 as people read it, +27 82 475 1967; anything else as it is."""
    if not value or not value.startswith("+"):
        return value or ""
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        return value
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
