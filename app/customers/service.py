"""Changing one customer by hand: what staff or a machine with a key says now holds over what events said before."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.customers import custom_fields, facts, records, tag_rows
from app.customers.facts import CONSENT_FIELDS
from app.customers.mass_update import MAX_TEXT, tag_problem
from app.customers.models import Customer
from app.customers.queries import NoSuchCustomer, customer
from app.customers.records import CUSTOM, Record
from app.events.addresses import email_key
from app.events.places import Places, places
from app.events.readers import EARLIEST_BIRTH, LIFECYCLE_STAGES, a_handicap, a_joining_date
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid
from app.infra.ids import as_id
from app.infra.words import is_printable, is_visible

MAX_TAGS = 50
_CHANNELS = {field: channel for channel, field in CONSENT_FIELDS.items()}
_WORDS = {"EMAIL": "E-mail", "SMS": "SMS", "PUSH": "Push", "WHATSAPP": "WhatsApp"}

_TAGS = text("UPDATE customer SET tags = :tags, updated_at = :now WHERE tenant_id = :tenant_id AND id = :id")
_HAS_TAGS = text("SELECT tags FROM customer WHERE tenant_id = :tenant_id AND id = :id")
_STATUS = text("SELECT merged_into_id FROM customer WHERE tenant_id = :tenant_id AND id = :id")
_POINT = text("""
    INSERT INTO contact_point (tenant_id, customer_id, kind, key, value, source)
    VALUES (:tenant_id, :customer_id, :kind, :key, :key, :source)
    ON CONFLICT (tenant_id, kind, key, customer_id) DO NOTHING
""")
_NO_POINT = text("""
    DELETE FROM contact_point
    WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND kind = :kind AND key = :key
""")
_CONSENT = text("""
    INSERT INTO consent_change (tenant_id, customer_id, channel, opted_in, changed_at, source, how, actor, address,
                                evidence)
    VALUES (:tenant_id, :customer_id, :channel, :opted_in, :now, 'fairway', 'staff', CAST(:actor AS text), :address,
            jsonb_build_object('actor', CAST(:actor AS text)))
""")
_ACTIVITY = text("""
    INSERT INTO activity (tenant_id, customer_id, type, category, title, occurred_at, source)
    VALUES (:tenant_id, :customer_id, 'consent.recorded', 'PREFERENCE', :title, :now, 'fairway')
""")


class Merged(Conflict):
    """The profile went into another one and is changed no more."""

    def __init__(self) -> None:
        super().__init__("This profile was merged into another one. Change that one instead.")


def update(
    *, tenant_id: UUID, customer_id: UUID, changes: Mapping[str, Any], actor: str, now: datetime | None = None
) -> frozenset[str]:
    """Change fields of a customer and return the names of those that are other than before.

    `changes` holds profile fields (texts as people type them or typed values; None or "" empties a field), `tags`
    (the whole list), `custom` (values of custom fields by key) and consents (`email_opt_in` …: true or false, recorded
    as said to `actor` now). Raises Invalid with a message by field, NoSuchCustomer or Merged.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        person = locked(session, tenant_id, customer_id)
        given = dict(changes)
        custom = _custom(session, tenant_id, given.pop("custom", None))
        values = read({"club_id": person.values["club_id"], **given}, places(session, tenant_id))
        tags = values.pop("tags", None)
        before = dict(person.values)
        changed = {name for name, value in values.items() if person.values[name] != value}
        for name in changed:
            say(person, name, values[name], moment)
        changed |= _say_custom(person, custom, moment)
        _write_points(session, tenant_id, person, before, changed)
        records.save(session, tenant_id, [person], moment)
        if tags is not None and tags != session.scalar(_HAS_TAGS, {"tenant_id": tenant_id, "id": customer_id}):
            session.execute(_TAGS, {"tenant_id": tenant_id, "id": customer_id, "tags": tags, "now": moment})
            tag_rows.meet(session, tenant_id, tags)
            changed.add("tags")
        _prove_consents(session, tenant_id, person, changed, actor, moment)
        if changed:
            audit.record(session, actor, "customer.updated", "customer", customer_id, {"fields": sorted(changed)})
    return frozenset(changed)


def changed_consents(changed: frozenset[str]) -> bool:
    """Return whether some channel's consent is among the fields that `update` changed."""
    return not _CHANNELS.keys().isdisjoint(changed)


def current(*, tenant_id: UUID, customer_id: UUID) -> Customer:
    """Return the customer an id leads to now: itself, or the one it was merged into. Raises NoSuchCustomer."""
    found = customer(tenant_id=tenant_id, customer_id=customer_id)
    return customer(tenant_id=tenant_id, customer_id=found.merged_into_id) if found.merged_into_id else found


def locked(session: Session, tenant_id: UUID, customer_id: UUID) -> Record:
    """Return a customer, locked until the transaction ends; raises NoSuchCustomer or Merged."""
    person = records.lock(session, tenant_id, [customer_id]).get(customer_id)
    if person is None:
        raise NoSuchCustomer
    if session.scalar(_STATUS, {"tenant_id": tenant_id, "id": customer_id}) is not None:
        raise Merged
    return person


def say(person: Record, field: str, value: Any, now: datetime) -> None:
    """Give a field a value that holds over whatever was said up to now, by clocks that run ahead too."""
    mark, said = person.facts_at.get(field), facts.moment(now)
    if isinstance(mark, str) and not mark.startswith(facts.WEAK):
        said = max(said, mark)
    person.mark(field, said)
    person.give(field, value)
    if field in _CHANNELS:
        person.set(f"{field}_at", now)


def _custom(session: Session, tenant_id: UUID, given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise Invalid({"custom": "Give an object of values by the keys of your custom fields."})
    return custom_fields.read(given, custom_fields.load_to_write(session, tenant_id))


def _say_custom(person: Record, values: Mapping[str, Any], now: datetime) -> set[str]:
    """Give custom fields their values and return the names of those that are other than before."""
    changed = set()
    for key, value in values.items():
        name = f"{CUSTOM}{key}"
        if person.get(name) != value:
            say(person, name, value, now)
            changed.add(name)
    return changed


def _write_points(
    session: Session, tenant_id: UUID, person: Record, before: Mapping[str, Any], changed: set[str]
) -> None:
    """Keep the contact points in step: a new address joins the old ones, an emptied field takes its own away."""
    for kind in {"email", "phone"} & changed:
        key = person.values[kind]
        values = {"tenant_id": tenant_id, "customer_id": person.id, "kind": kind, "key": key or before[kind]}
        if key is None:
            session.execute(_NO_POINT, values)
            person.lose(records.hint_words([(kind, before[kind])]))
        else:
            session.execute(_POINT, values | {"source": "staff"})
            person.find_by(records.hint_words([(kind, key)]))


def _prove_consents(
    session: Session, tenant_id: UUID, person: Record, changed: set[str], actor: str, now: datetime
) -> None:
    for field in sorted(changed & _CHANNELS.keys()):
        channel, opted_in = _CHANNELS[field], person.values[field]
        values = {"tenant_id": tenant_id, "customer_id": person.id, "now": now}
        address = person.values["email" if field == "email_opt_in" else "phone"]
        session.execute(
            _CONSENT, values | {"channel": channel, "opted_in": opted_in, "address": address, "actor": actor}
        )
        title = f"{_WORDS[channel]} consent recorded by staff: {'yes' if opted_in else 'no'}"
        session.execute(_ACTIVITY, values | {"title": title})


def read(changes: Mapping[str, Any], known: Places) -> dict[str, Any]:
    """Return changes of a customer (see `update`) as they are kept, or raise Invalid with a message by field."""
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    countries = dict(known.clubs.values())
    club = as_id(changes.get("club_id"))
    country = countries.get(club, known.country) if club else known.country
    readers: dict[str, Callable[[Any], Any]] = {
        **dict.fromkeys(("title", "first_name", "last_name", "membership_tier", "membership_status"), _text),
        **dict.fromkeys(CONSENT_FIELDS.values(), _flag),
        "email": _email,
        "phone": lambda value: _phone(value, country),
        "date_of_birth": _birth_date,
        "joined_on": _joining_date,
        "handicap_index": _handicap,
        "lifecycle_stage": _stage,
        "club_id": lambda value: _club(value, countries),
        "tags": _tags,
    }
    for name, value in changes.items():
        reader = readers.get(name)
        if reader is None:
            errors[name] = "This field can't be changed."
            continue
        try:
            empty = value is None or (isinstance(value, str) and not value.strip())
            values[name] = None if empty and name not in _REQUIRED else reader(value)
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise Invalid(errors)
    return values


_REQUIRED = frozenset(("lifecycle_stage", "tags", *CONSENT_FIELDS.values()))


def _text(value: Any) -> str:
    tidy = " ".join(value.split()) if isinstance(value, str) else ""
    if not is_visible(tidy) or len(tidy) > MAX_TEXT or not is_printable(tidy):
        raise ValueError(f"Give a text of at most {MAX_TEXT} printable characters.")
    return tidy


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Say true or false; what was answered once can't be unasked.")
    return value


def _email(value: Any) -> str:
    key = email_key(value) if isinstance(value, str) else None
    if key is None:
        raise ValueError("This is not an e-mail address. Check the spelling.")
    return key


def _phone(value: Any, country: str) -> str:
    key = Places(country, {}).phone_key(value, None) if isinstance(value, str) else None
    if key is None:
        raise ValueError("This is not a phone number. Write it as it is dialled, or with its country code.")
    return key


def _date(value: Any) -> date:
    try:
        found = date.fromisoformat(value.strip()) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, date) or isinstance(found, datetime):
        raise ValueError("Write the date as 2026-11-21.")
    return found


def _birth_date(value: Any) -> date:
    found = _date(value)
    if not EARLIEST_BIRTH <= found <= clock.now().date():
        raise ValueError("A birth date lies between 1900 and today.")
    return found


def _joining_date(value: Any) -> date:
    found = a_joining_date(_date(value))
    if found is None:
        raise ValueError("A joining date lies between 1900 and a year from now.")
    return found


def _handicap(value: Any) -> Any:
    found = a_handicap(value.strip().replace(",", ".") if isinstance(value, str) else value)
    if found is None:
        raise ValueError("A handicap index lies between -10 (written +10 by golfers) and 54.")
    return found


def _stage(value: Any) -> str:
    if value not in LIFECYCLE_STAGES:
        raise ValueError(f"Choose one of: {', '.join(LIFECYCLE_STAGES)}.")
    return str(value)


def _club(value: Any, countries: Mapping[UUID, str]) -> UUID:
    found = as_id(value)
    if found not in countries or found is None:
        raise ValueError("Choose one of your clubs.")
    return found


def _tags(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > MAX_TAGS:
        raise ValueError(f"Give a list of at most {MAX_TAGS} tags.")
    for one in value:
        if problem := tag_problem(one):
            raise ValueError(problem)
    return list(dict.fromkeys(one.strip() for one in value))
