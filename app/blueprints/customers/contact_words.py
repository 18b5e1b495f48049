"""How addresses, numbers and ids are shown: what is known of each, and why one is not written to."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from app.blueprints.customers.presenters import id_label, phone_words
from app.customers import contact_points
from app.customers.contact_kinds import KINDS
from app.customers.contact_points import CONFIRMED, Identifier, Point
from app.messaging import suppression
from app.messaging.channel import installed
from app.messaging.suppression import Held, SuppressedBecause
from app.web.channels import CHANNEL_OF

_HELD = {
    SuppressedBecause.HARD_BOUNCE: "Dead: bounced",
    SuppressedBecause.INVALID: "Dead: no such mailbox",
    SuppressedBecause.COMPLAINT: "Complained of mail",
    SuppressedBecause.MANUAL: "Suppressed",
    SuppressedBecause.ERASED: "Erased once",
    SuppressedBecause.STOPPED: "Wrote STOP",
}
_SOURCES = {"event": "from an event or a file", "staff": "by staff"}


@dataclass(frozen=True, slots=True)
class Shown:
    """One address, number or token: `verified` and `held_words` are in words, None where there is nothing to say.

    `chosen` tells that it is preferred to others of its kind, `stoppable` that it can be put on the list of addresses
    that get no mail.
    """

    point: Point
    label: str
    text: str
    source: str
    chosen: bool
    verified: str | None
    held: Held | None
    held_words: str | None
    stoppable: bool


@dataclass(frozen=True, slots=True)
class ShownId:
    """One id in another system."""

    id: UUID
    label: str
    value: str
    source: str


def shown(tenant_id: UUID, customer_id: UUID) -> list[Shown]:
    """Return a customer's contact points as pages show them."""
    found = contact_points.points(tenant_id=tenant_id, customer_id=customer_id)
    reasons = held(tenant_id, found)
    several = Counter(one.kind for one in found)
    return [
        Shown(
            one,
            KINDS.get(one.kind, one.kind),
            phone_words(one.value),
            _source(one.source),
            one.preferred and several[one.kind] > 1,
            _verified(one),
            reasons.get(one.id),
            _HELD[reasons[one.id].reason] if one.id in reasons else None,
            CHANNEL_OF.get(one.kind) in installed() and one.id not in reasons,
        )
        for one in found
    ]


def held(tenant_id: UUID, points: list[Point]) -> dict[UUID, Held]:
    """Return by contact point why those that are suppressed on their channel are."""
    keys = {one.id: (CHANNEL_OF[one.kind], one.key) for one in points if one.kind in CHANNEL_OF}
    found = suppression.held(tenant_id=tenant_id, addresses=keys.values())
    return {id_: found[key] for id_, key in keys.items() if key in found}


def shown_ids(found: list[Identifier]) -> list[ShownId]:
    """Return ids in other systems as pages show them."""
    return [ShownId(one.id, id_label(one.kind), one.value, _source(one.source)) for one in found]


def _verified(one: Point) -> str | None:
    if one.verified_at is None:
        return None
    return "they confirmed it" if one.verified_how == CONFIRMED else "by staff"


def _source(source: str | None) -> str:
    return _SOURCES.get(source or "", source or "not known")
