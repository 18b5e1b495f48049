"""Staff enter somebody: a customer we know already is found, anybody else is added, never both.

What is entered is an event like any other, so the timeline shows it and identity is resolved as always; but it is
applied at once, because somebody stands at the desk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.accounts import audit
from app.capture import identity, likeness, record
from app.capture.batch import AppliedEvent, Batch, Handler
from app.capture.claimed import Claimed, named
from app.capture.evidence import Evidence, of_event
from app.customers import service as customers
from app.customers.mass_update import field_problem
from app.events import log
from app.events.addresses import email_key
from app.events.capture_lock import lock_tenant
from app.events.places import Places, places
from app.events.validation import EXACT_KINDS, OWN_SOURCE
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import new_id

TYPE = "customer.added"


@dataclass(frozen=True, slots=True)
class Entry:
    """What was typed about somebody.

    `club` is a club's name, which reads a phone number without country code. `ids` are ids in other systems by kind;
    `profile` what else a new customer's profile shall hold, as `customers.service.update` takes it.
    """

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    member_number: str | None = None
    club: str | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entered:
    """Whom an entry came to: somebody new, or a customer who was known by `matched_by`."""

    customer_id: UUID
    is_new: bool
    matched_by: tuple[str, ...] = ()


def enter(
    *,
    tenant_id: UUID,
    entry: Entry,
    actor: str,
    actor_name: str,
    handlers: Sequence[Handler] = (),
    now: datetime | None = None,
) -> Entered:
    """Find the customer whom `entry` describes, or add them; a known customer is left as they are.

    Raises Invalid, with messages by the fields of Entry or of the profile, where it names nobody, or nothing to know
    them by, or holds what can't be kept; then nobody is added. `handlers` are told of the event, as they are of those
    that come in by the door.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        known = places(session, tenant_id)
        hints = _hints(entry, known)
        lock_tenant(session, tenant_id)
        probe_id = new_id()
        probe = _evidence(probe_id, entry, hints, known)
        match = identity.resolve(session, tenant_id, [probe], known).matches[probe_id]
        if not match.is_new:
            return Entered(match.customer_id, False, match.matched_by)
        event = _append(session, tenant_id, entry, hints, actor_name, known, moment)
        found = identity.resolve(session, tenant_id, [event.evidence], known)
        consented, merged = record.write(session, tenant_id, [event], found, moment)
        made = found.matches[event.id]
        applied = AppliedEvent(
            event.id, TYPE, event.source, event.occurred_at, event.payload, made.customer_id, made.is_new
        )
        batch = Batch(tenant_id, moment, [applied], consented, merged)
        for handler in handlers:
            handler(batch)
        likeness.look(session, tenant_id, [made.customer_id], moment)
        audit.record(session, actor, "customer.added", "customer", made.customer_id)
        if entry.profile:
            customers.update(
                tenant_id=tenant_id, customer_id=made.customer_id, changes=entry.profile, actor=actor, now=moment
            )
        return Entered(made.customer_id, True)


def _hints(entry: Entry, known: Places) -> dict[str, Any]:
    """Return the entry's hints as an event's identity has them, or raise Invalid."""
    errors: dict[str, str] = {}
    if not entry.first_name and not entry.last_name:
        errors["last_name"] = "Give a first or a last name."
    for name, given in (("first_name", entry.first_name), ("last_name", entry.last_name)):
        if given and (problem := field_problem(name, " ".join(given.split()))):
            errors[name] = problem
    if entry.email and email_key(entry.email) is None:
        errors["email"] = "This is not an e-mail address. Check the spelling."
    if entry.phone and known.phone_key(entry.phone, entry.club) is None:
        errors["phone"] = "This is not a phone number. Write it as it is dialled, or with its country code."
    if not (entry.email or entry.phone or entry.member_number or entry.ids):
        errors["email"] = "Give an e-mail address, a phone number or a member number to know them by."
    if errors:
        raise Invalid(errors)
    hints: dict[str, Any] = {"email": entry.email, "phone_number": entry.phone, "scl_member_id": entry.member_number}
    hints |= {kind: value for kind, value in entry.ids.items() if kind in EXACT_KINDS}
    hints["external_ids"] = {kind: value for kind, value in entry.ids.items() if kind not in EXACT_KINDS}
    return {name: value for name, value in hints.items() if value}


def _payload(entry: Entry) -> dict[str, str]:
    said = {"first_name": entry.first_name, "last_name": entry.last_name, "club": entry.club}
    return {name: value for name, value in said.items() if value}


def _evidence(probe_id: UUID, entry: Entry, hints: dict[str, Any], known: Places) -> Evidence:
    return of_event(
        key="",
        events=(probe_id,),
        customer_id=None,
        identity=hints,
        payload=_payload(entry),
        places=known,
        said=_payload(entry),
    )


def _append(
    session: Session,
    tenant_id: UUID,
    entry: Entry,
    hints: dict[str, Any],
    actor_name: str,
    known: Places,
    now: datetime,
) -> Claimed:
    event_id = str(new_id())
    event = {
        "id": event_id,
        "type": TYPE,
        "source": OWN_SOURCE,
        "timestamp": now.isoformat(),
        "identity": hints,
        "payload": _payload(entry) | {"added_by": actor_name},
    }
    (result,) = log.append(tenant_id=tenant_id, events=[event], own=True, now=now)
    if result.status is not log.Status.ACCEPTED:
        raise Invalid({"email": f"This can't be kept: {result.reason}."})
    return named(session, tenant_id, OWN_SOURCE, event_id, known)
