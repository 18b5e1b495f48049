"""The catalogue of event types: how each is shown, what its payload holds, and what it changes on the customer.

One file a family in app/events/types; a type nobody registered is kept all the same, titled by its name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any

from app.conditions.fields import TENANTS, Catalogue, Choice, Field, FieldType, Phrases
from app.events.readers import Reader, a_flag, a_text, spoken
from app.infra.registry import Registry


class Category(StrEnum):
    """What an activity is about: the timeline's filter."""

    MEMBERSHIP = "MEMBERSHIP"
    GOLF = "GOLF"
    PAYMENT = "PAYMENT"
    MESSAGE = "MESSAGE"
    ENQUIRY = "ENQUIRY"
    PREFERENCE = "PREFERENCE"
    SUPPORT = "SUPPORT"
    NOTE = "NOTE"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class PayloadField:
    """One key of a payload, as conditions and the builder's pickers know it.

    `currency_in` is the key beside it that says in which currency it is, where it is an amount of money.
    """

    name: str
    label: str
    type: FieldType
    choices: tuple[Choice, ...] = ()
    phrases: Phrases = field(default_factory=Phrases)
    currency_in: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What a type says about a field of the customer: the first of `names` in the payload that `read` can read."""

    field: str
    names: tuple[str, ...]
    read: Reader

    def value(self, payload: Mapping[str, Any]) -> Any | None:
        """Return what the payload says, or None."""
        for name in self.names:
            if name in payload:
                found = self.read(payload[name])
                if found is not None:
                    return found
        return None


@dataclass(frozen=True, slots=True)
class Consent:
    """A change of consent on one channel, as a type declares it: read from the payload, or always `value`."""

    channel: str
    names: tuple[str, ...] = ()
    value: bool | None = None

    def read(self, payload: Mapping[str, Any]) -> bool | None:
        """Return whether the customer agrees to the channel, by this payload; None if it does not say."""
        if self.value is not None:
            return self.value
        flags = (a_flag(payload[name]) for name in self.names if name in payload)
        return next((flag for flag in flags if flag is not None), None)


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event. `title` writes the timeline's line; `marks` are columns that take the event's own time.

    `topics` are names in the payload under which it may name topics, one or a list: then `consents` are about these
    alone.
    `done` is what somebody has done then, as it follows "has": "played a round".
    `speaks_for_contact` tells that the sender keeps the customer's address and number: they become the preferred ones.
    `second_hand` tells that somebody says it of the customer (a file that is imported): it is nothing the customer did,
    a yes to messages holds only where nothing was said before, and with `fill` in the payload so does all of it.
    `ours` tells that Fairway alone says it: sent in by anybody else it is refused.
    """

    name: str
    label: str
    category: Category
    icon: str
    title: Callable[[Mapping[str, Any]], str]
    fields: tuple[PayloadField, ...] = ()
    changes: tuple[Change, ...] = ()
    constants: tuple[tuple[str, Any], ...] = ()
    consents: tuple[Consent, ...] = ()
    topics: tuple[str, ...] = ()
    marks: Callable[[Mapping[str, Any]], tuple[str, ...]] | None = None
    speaks_for_contact: bool = False
    second_hand: bool = False
    done: str = ""
    ours: bool = False

    def named_topics(self, payload: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the topics (keys, ids or names) that a payload speaks of; none: it speaks of channels as a whole."""
        found: dict[str, None] = {}
        for name in self.topics:
            value = payload.get(name)
            for one in value if isinstance(value, list) else (value,):
                if words := a_text(one):
                    found[words] = None
        return tuple(found)


types: Registry[EventType] = Registry("event type")
_own: dict[str, EventType] = {}

_CURRENCY = PayloadField("currency", "Currency", FieldType.TEXT)
SPENT = Phrases(summed="spent", money=TENANTS)
"""How an amount is spoken of that somebody paid."""
CLUB = PayloadField("club", "Club", FieldType.TEXT)


def amount(phrases: Phrases = SPENT) -> tuple[PayloadField, PayloadField]:
    """Return the keys of a payload with an amount of money, and the currency it is in."""
    return PayloadField("amount", "Amount", FieldType.NUMBER, phrases=phrases, currency_in=_CURRENCY.name), _CURRENCY


def register(*kinds: EventType) -> None:
    """File the types in the catalogue."""
    for kind in kinds:
        types.register(kind.name)(kind)


def register_own(*kinds: EventType) -> None:
    """File types of activities that Fairway writes itself: conditions ask for them, but no event ever brings one."""
    _own.update({kind.name: kind for kind in kinds})


@cache
def _discover() -> None:
    types.discover("app.events.types")


def get(name: str) -> EventType:
    """Return the type of that name; one nobody registered is titled by its name and changes nothing."""
    _discover()
    return types.get(name) if name in types else _own.get(name) or _unknown(name)


def is_known(name: str) -> bool:
    """Return whether the catalogue has the type."""
    _discover()
    return name in types


def known() -> list[EventType]:
    """Return all types of the catalogue, by name."""
    _discover()
    return [kind for _, kind in types]


def done() -> list[EventType]:
    """Return all types of what somebody may have done or been done to, by name: events, and what Fairway writes."""
    return sorted([*known(), *_own.values()], key=lambda kind: kind.name)


@lru_cache(1000)
def _unknown(name: str) -> EventType:
    words = spoken(name).strip()
    label = (words[:1].upper() + words[1:])[:120] or name
    return EventType(name, label, Category.OTHER, "point", title=lambda _: label)


def title(kind: EventType, payload: Mapping[str, Any]) -> str:
    """Return the timeline's line for an event; a payload its type can't read falls back on the label."""
    try:
        return a_text(kind.title(payload)) or kind.label
    except (TypeError, ValueError, AttributeError):
        return kind.label


def payload_fields(name: str) -> Catalogue:
    """Return the open catalogue of fields that conditions on a payload of this type may ask of."""
    kind = get(name)
    return Catalogue(
        (
            Field(
                one.name,
                one.label,
                kind.label,
                one.type,
                None,
                one.choices,
                from_payload=True,
                phrases=one.phrases,
                currency_in=one.currency_in,
            )
            for one in kind.fields
        ),
        for_payload=True,
        open=True,
    )
