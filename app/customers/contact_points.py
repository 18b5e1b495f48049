"""Where a customer is reached, and what other systems call them: seen, added, preferred, verified, taken away by hand.

The preferred address and number are the profile's own `email` and `phone`; of other kinds the one preferred last, else
the newest. People may share one: it is a row of each. Whether one is dead is said of the address, not of a person:
`app.messaging.suppression` knows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.customers import records
from app.customers.contact_kinds import KINDS
from app.customers.queries import DISPLAY_NAME
from app.customers.records import Record
from app.customers.service import locked, say
from app.events.addresses import email_key
from app.events.places import Places, places
from app.events.validation import MAX_ID, SYSTEM
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, NotFound

OF_PROFILE = frozenset(("email", "phone"))
"""Kinds whose preferred one is a field of the profile."""
STAFF, CONFIRMED = "staff", "confirmed"
MAX_TOKEN = 1_500
NAMED = 3
"""How many of those who share an address are named."""

_POINTS = text("""
    SELECT p.id, p.kind, p.key, p.value, p.source, p.verified_at, p.verified_how, p.preferred_at, p.created_at,
        CASE WHEN p.kind IN ('email', 'phone') THEN p.key IN (c.email, c.phone)
            ELSE row_number() OVER (PARTITION BY p.kind ORDER BY p.preferred_at DESC NULLS LAST, p.created_at DESC,
                p.id DESC) = 1 END IS TRUE AS preferred
    FROM contact_point p JOIN customer c ON c.tenant_id = p.tenant_id AND c.id = p.customer_id
    WHERE p.tenant_id = :tenant_id AND p.customer_id = :customer_id
    ORDER BY array_position(CAST(:kinds AS text[]), p.kind), preferred DESC, p.created_at, p.id
""")
_SHARED = text(f"""
    SELECT mine.id AS point_id, other.id, other.name
    FROM contact_point mine
    CROSS JOIN LATERAL (
        SELECT customer.id, {DISPLAY_NAME.compile(compile_kwargs={"literal_binds": True})} AS name
        FROM contact_point theirs
        JOIN customer ON customer.tenant_id = theirs.tenant_id AND customer.id = theirs.customer_id
        WHERE theirs.tenant_id = :tenant_id AND theirs.kind = mine.kind AND theirs.key = mine.key
            AND theirs.customer_id <> mine.customer_id
        ORDER BY theirs.customer_id LIMIT :named
    ) AS other
    WHERE mine.tenant_id = :tenant_id AND mine.customer_id = :customer_id
    ORDER BY mine.id, other.id
""")  # noqa: S608 - the name is our own expression
_ADD = text("""
    INSERT INTO contact_point (tenant_id, customer_id, kind, key, value, source, verified_at, verified_how,
        preferred_at, created_at)
    VALUES (:tenant_id, :customer_id, :kind, :key, :value, :source, :verified_at, :verified_how, :preferred_at, :now)
    ON CONFLICT (tenant_id, kind, key, customer_id) DO NOTHING RETURNING id
""")
_VERIFY = text("""
    UPDATE contact_point SET verified_at = :at, verified_how = :how
    WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND id = :id
""")
_CONFIRM = text("""
    UPDATE contact_point SET verified_at = :at, verified_how = :how
    WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND kind = :kind AND key = :key
""")
_PREFER = text("""
    UPDATE contact_point SET preferred_at = :at WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND id = :id
""")
_REMOVE = text("DELETE FROM contact_point WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND id = :id")
_SURPLUS = text("""
    DELETE FROM contact_point AS point USING (
        SELECT id FROM contact_point
        WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND kind = :kind AND source = :source
        ORDER BY greatest(created_at, verified_at) DESC, id DESC OFFSET :most
    ) AS surplus
    WHERE point.tenant_id = :tenant_id AND point.customer_id = :customer_id AND point.id = surplus.id
    RETURNING point.id
""")
_IDS = text("""
    SELECT id, kind, value, source, created_at FROM external_id
    WHERE tenant_id = :tenant_id AND customer_id = :customer_id ORDER BY kind, created_at, id
""")
_ADD_ID = text("""
    INSERT INTO external_id (tenant_id, customer_id, kind, value, source, created_at)
    VALUES (:tenant_id, :customer_id, :kind, :value, :source, :now)
    ON CONFLICT (tenant_id, kind, value) DO NOTHING RETURNING id
""")
_HOLDER = text(f"""
    SELECT customer.id, {DISPLAY_NAME.compile(compile_kwargs={"literal_binds": True})} AS name
    FROM external_id e JOIN customer ON customer.tenant_id = e.tenant_id AND customer.id = e.customer_id
    WHERE e.tenant_id = :tenant_id AND e.kind = :kind AND e.value = :value
""")  # noqa: S608 - the name is our own expression
_REMOVE_ID = text("DELETE FROM external_id WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND id = :id")


class NoSuchContactPoint(NotFound):
    """The customer has no such address, number or token."""

    def __init__(self) -> None:
        super().__init__("This customer has no such address or number (any more).")


class NoSuchExternalId(NotFound):
    """The customer has no such id."""

    def __init__(self) -> None:
        super().__init__("This customer has no such id (any more).")


class HasAlready(Conflict):
    """The customer has it already."""

    def __init__(self) -> None:
        super().__init__("They have this one already.", "value")


class AnothersId(Conflict):
    """The id is another customer's: an id names one person."""

    def __init__(self, customer_id: UUID, name: str) -> None:
        super().__init__(f"This id is {name}’s. If the two are one person, merge them.", "value")
        self.customer_id = customer_id


@dataclass(frozen=True, slots=True)
class Point:
    """One address, number or token. `others` are up to NAMED who have it too, as (id, name)."""

    id: UUID
    kind: str
    key: str
    value: str
    source: str | None
    verified_at: datetime | None
    verified_how: str | None
    preferred_at: datetime | None
    created_at: datetime
    preferred: bool
    others: tuple[tuple[UUID, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Identifier:
    """A customer's id in another system."""

    id: UUID
    kind: str
    value: str
    source: str | None
    created_at: datetime


def points(*, tenant_id: UUID, customer_id: UUID) -> list[Point]:
    """Return where a customer is reached: by kind, the preferred one first."""
    with transaction(tenant_id) as session:
        return load(session, tenant_id, customer_id)


def identifiers(*, tenant_id: UUID, customer_id: UUID) -> list[Identifier]:
    """Return a customer's ids in other systems, by system."""
    with transaction(tenant_id) as session:
        return load_ids(session, tenant_id, customer_id)


def load(session: Session, tenant_id: UUID, customer_id: UUID) -> list[Point]:
    """Return a customer's contact points in the open transaction."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "kinds": array(KINDS), "named": NAMED}
    others: dict[UUID, list[tuple[UUID, str]]] = {}
    for point_id, id_, name in session.execute(_SHARED, values):
        others.setdefault(point_id, []).append((id_, name))
    rows = session.execute(_POINTS, values).mappings()
    return [Point(**row, others=tuple(others.get(row["id"], ()))) for row in rows]


def load_ids(session: Session, tenant_id: UUID, customer_id: UUID) -> list[Identifier]:
    """Return a customer's ids in other systems in the open transaction."""
    rows = session.execute(_IDS, {"tenant_id": tenant_id, "customer_id": customer_id})
    return [Identifier(*row) for row in rows]


def key_of(kind: str, value: str, known: Places, club_id: UUID | None) -> str:
    """Return the key of what was typed, or raise Invalid by `kind` or `value`; the club's country reads a number."""
    reader = _READERS.get(kind)
    if reader is None:
        raise Invalid({"kind": f"Choose one of: {', '.join(KINDS)}."})
    country = next((country for id_, country in known.clubs.values() if id_ == club_id), known.country)
    return reader(value.strip(), country)


def _read_email(value: str, _country: str) -> str:
    key = email_key(value)
    if key is None:
        raise Invalid({"value": "This is not an e-mail address. Check the spelling."})
    return key


def _read_phone(value: str, country: str) -> str:
    key = Places(country, {}).phone_key(value, None)
    if key is None:
        raise Invalid({"value": "This is not a phone number. Write it as it is dialled, or with its country code."})
    return key


def _read_token(value: str, _country: str) -> str:
    if not value or len(value) > MAX_TOKEN or not value.isprintable() or any(sign.isspace() for sign in value):
        raise Invalid({"value": f"A token is at most {MAX_TOKEN} printable characters without blanks."})
    return value


_READERS: Mapping[str, Callable[[str, str], str]] = {
    "email": _read_email,
    "phone": _read_phone,
    "whatsapp": _read_phone,
    "push": _read_token,
}


def add(
    session: Session,
    tenant_id: UUID,
    customer_id: UUID,
    *,
    kind: str,
    value: str,
    source: str = STAFF,
    verified: tuple[datetime, str] | None = None,
    preferred_at: datetime | None = None,
    actor: str,
    now: datetime,
) -> UUID:
    """Give a customer an address, number or token, in the open transaction, and return its id.

    The first of its kind is preferred, and so is one with `preferred_at`. The caller holds the capture lock. Raises
    Invalid or HasAlready.
    """
    person = locked(session, tenant_id, customer_id)
    key = key_of(kind, value, places(session, tenant_id), person.values["club_id"])
    verified_at, how = verified or (None, None)
    id_: UUID | None = session.scalar(
        _ADD,
        {
            "tenant_id": tenant_id,
            "customer_id": customer_id,
            "kind": kind,
            "key": key,
            "source": source,
            "value": key if kind != "email" else value.strip(),
            "verified_at": verified_at,
            "verified_how": how,
            "preferred_at": preferred_at if kind not in OF_PROFILE else None,
            "now": now,
        },
    )
    if id_ is None:
        raise HasAlready
    if kind in OF_PROFILE and (preferred_at is not None or person.values[kind] is None):
        say(person, kind, key, now)
    person.find_by(records.hint_words([(kind, key)]))
    records.save(session, tenant_id, [person], now)
    audit.record(session, actor, "contact_point.added", "customer", customer_id, {"kind": kind})
    return id_


def prefer(*, tenant_id: UUID, customer_id: UUID, point_id: UUID, actor: str, now: datetime | None = None) -> None:
    """Let a customer be reached here rather than elsewhere. Raises NoSuchCustomer, Merged or NoSuchContactPoint."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        person = locked(session, tenant_id, customer_id)
        point = _one(session, tenant_id, customer_id, point_id)
        if point.kind in OF_PROFILE:
            say(person, point.kind, point.key, moment)
            records.save(session, tenant_id, [person], moment)
        else:
            session.execute(_PREFER, {"tenant_id": tenant_id, "customer_id": customer_id, "id": point_id, "at": moment})
        audit.record(session, actor, "contact_point.preferred", "customer", customer_id, {"kind": point.kind})


def verify(
    *,
    tenant_id: UUID,
    customer_id: UUID,
    point_id: UUID,
    verified: bool = True,
    actor: str,
    now: datetime | None = None,
) -> None:
    """Note that somebody made sure that it is theirs, or take that back. Raises as `prefer` does."""
    with transaction(tenant_id) as session:
        locked(session, tenant_id, customer_id)
        point = _one(session, tenant_id, customer_id, point_id)
        if verified == (point.verified_at is not None):
            return
        at, how = (now or clock.now(), STAFF) if verified else (None, None)
        values = {"tenant_id": tenant_id, "customer_id": customer_id, "id": point_id}
        session.execute(_VERIFY, {**values, "at": at, "how": how})
        act = "contact_point.verified" if verified else "contact_point.unverified"
        audit.record(session, actor, act, "customer", customer_id, {"kind": point.kind})


def confirmed(session: Session, tenant_id: UUID, customer_id: UUID, *, kind: str, key: str, now: datetime) -> None:
    """Note that the customer themselves answered from there, in the open transaction."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "kind": kind, "key": key}
    session.execute(_CONFIRM, {**values, "at": now, "how": CONFIRMED})


def remove(session: Session, tenant_id: UUID, customer_id: UUID, point_id: UUID, *, actor: str, now: datetime) -> Point:
    """Take an address, number or token away, in the open transaction, and return it.

    If it was the preferred one, a verified other takes its place, else the newest. The caller holds the capture lock.
    Raises NoSuchCustomer, Merged or NoSuchContactPoint.
    """
    person = locked(session, tenant_id, customer_id)
    point = _one(session, tenant_id, customer_id, point_id)
    session.execute(_REMOVE, {"tenant_id": tenant_id, "customer_id": customer_id, "id": point_id})
    left = load(session, tenant_id, customer_id)
    if point.kind in OF_PROFILE and point.preferred:
        _prefer_next(person, point.kind, left, now)
    _forget_words(session, tenant_id, person, (point.kind, point.key), left)
    records.save(session, tenant_id, [person], now)
    audit.record(session, actor, "contact_point.removed", "customer", customer_id, {"kind": point.kind})
    return point


def keep_latest(
    session: Session, tenant_id: UUID, customer_id: UUID, *, kind: str, source: str, most: int, actor: str
) -> int:
    """Take away, in the open transaction, what is over `most` of a kind and source, and return how many that were.

    Those go that were given or verified longest ago. The kind is one that customers aren't looked up by.
    """
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "kind": kind, "source": source, "most": most}
    gone = len(session.execute(_SURPLUS, values).all())
    if gone:
        audit.record(session, actor, "contact_point.removed", "customer", customer_id, {"kind": kind, "count": gone})
    return gone


def _prefer_next(person: Record, kind: str, left: Sequence[Point], now: datetime) -> None:
    others = [one for one in left if one.kind == kind]
    if others:
        say(person, kind, max(others, key=lambda one: (one.verified_at is not None, one.created_at)).key, now)
        return
    # Nobody said that they have none: the next that an event names may take its place.
    if kind in person.facts_at:
        person.mark(kind, None)
    person.give(kind, None)


def add_id(
    session: Session,
    tenant_id: UUID,
    customer_id: UUID,
    *,
    kind: str,
    value: str,
    source: str = STAFF,
    actor: str,
    now: datetime,
) -> UUID:
    """Give a customer an id in another system, in the open transaction, and return the id of its row.

    `kind` is one of EXACT_KINDS or any other system's name. The caller holds the capture lock. Raises Invalid,
    HasAlready or AnothersId.
    """
    person = locked(session, tenant_id, customer_id)
    kind, value = checked_id(kind, value)
    keys = {"tenant_id": tenant_id, "kind": kind, "value": value}
    id_: UUID | None = session.scalar(_ADD_ID, {**keys, "customer_id": customer_id, "source": source, "now": now})
    if id_ is None:
        holder = session.execute(_HOLDER, keys).one()
        raise HasAlready if holder.id == customer_id else AnothersId(holder.id, holder.name)
    person.find_by(records.hint_words([(kind, value)]))
    records.save(session, tenant_id, [person], now)
    audit.record(session, actor, "external_id.added", "customer", customer_id, {"kind": kind})
    return id_


def checked_id(kind: str, value: str) -> tuple[str, str]:
    """Return a system's name and an id in it without the blanks around them, or raise Invalid."""
    kind, value = kind.strip(), value.strip()
    errors = {}
    if not SYSTEM.fullmatch(kind):
        errors["kind"] = "Name the system: a letter, then letters, digits, dots, dashes; at most 60."
    if not value or len(value) > MAX_ID or not value.isprintable():
        errors["value"] = f"An id is at most {MAX_ID} printable characters."
    if errors:
        raise Invalid(errors)
    return kind, value


def remove_id(
    session: Session, tenant_id: UUID, customer_id: UUID, id_: UUID, *, actor: str, now: datetime
) -> Identifier:
    """Take an id in another system away, in the open transaction, and return it; raises as `remove` does."""
    person = locked(session, tenant_id, customer_id)
    gone = next((one for one in load_ids(session, tenant_id, customer_id) if one.id == id_), None)
    if gone is None:
        raise NoSuchExternalId
    session.execute(_REMOVE_ID, {"tenant_id": tenant_id, "customer_id": customer_id, "id": id_})
    _forget_words(session, tenant_id, person, (gone.kind, gone.value), load(session, tenant_id, customer_id))
    records.save(session, tenant_id, [person], now)
    audit.record(session, actor, "external_id.removed", "customer", customer_id, {"kind": gone.kind})
    return gone


def _forget_words(
    session: Session, tenant_id: UUID, person: Record, gone: tuple[str, str], left: Sequence[Point]
) -> None:
    hints = [(one.kind, one.key) for one in left]
    hints += [(one.kind, one.value) for one in load_ids(session, tenant_id, person.id)]
    person.lose(records.hint_words([gone]) - records.hint_words(hints))


def _one(session: Session, tenant_id: UUID, customer_id: UUID, point_id: UUID) -> Point:
    for one in load(session, tenant_id, customer_id):
        if one.id == point_id:
            return one
    raise NoSuchContactPoint
