"""Profiles, addresses, numbers and ids changed by hand: under the capture lock, since all of these are evidence.

An address that is taken away comes back if an event names it again; who should not get mail there is suppressed or
says no.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.capture import likeness
from app.customers import contact_points, service
from app.customers.contact_points import STAFF, HasAlready, Identifier, Point
from app.events.capture_lock import lock_tenant
from app.infra import clock
from app.infra.db import transaction


@dataclass(frozen=True, slots=True)
class Gone:
    """What was taken away, so that it can be given back."""

    kind: str
    value: str
    source: str | None = None
    verified_at: datetime | None = None
    verified_how: str | None = None
    preferred: bool = False
    is_id: bool = False


# What identity goes by.
_EVIDENCE = frozenset({"first_name", "last_name", "date_of_birth", "club_id", "email", "phone"})


def change(
    *, tenant_id: UUID, customer_id: UUID, changes: Mapping[str, Any], actor: str, now: datetime | None = None
) -> frozenset[str]:
    """Change a profile as `customers.service.update` does; who looks like them now may be suggested as one person."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        if not _EVIDENCE.isdisjoint(changes):
            lock_tenant(session, tenant_id)
        changed = service.update(tenant_id=tenant_id, customer_id=customer_id, changes=changes, actor=actor, now=moment)
        if not _EVIDENCE.isdisjoint(changed):
            likeness.look(session, tenant_id, [customer_id], moment)
        return changed


def add(
    *,
    tenant_id: UUID,
    customer_id: UUID,
    kind: str,
    value: str,
    verified: bool = False,
    preferred: bool = False,
    actor: str,
    now: datetime | None = None,
) -> UUID:
    """Give a customer an address, number or token and return its id; who has it too may be suggested as one person.

    Raises NoSuchCustomer, Merged, HasAlready, or Invalid by `kind` or `value`.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        lock_tenant(session, tenant_id)
        made = contact_points.add(
            session,
            tenant_id,
            customer_id,
            kind=kind,
            value=value,
            verified=(moment, STAFF) if verified else None,
            preferred_at=moment if preferred else None,
            actor=actor,
            now=moment,
        )
        likeness.look(session, tenant_id, [customer_id], moment)
    return made


def remove(*, tenant_id: UUID, customer_id: UUID, point_id: UUID, actor: str, now: datetime | None = None) -> Gone:
    """Take an address, number or token away. Raises NoSuchCustomer, Merged or NoSuchContactPoint."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        lock_tenant(session, tenant_id)
        gone: Point = contact_points.remove(session, tenant_id, customer_id, point_id, actor=actor, now=moment)
        likeness.look(session, tenant_id, [customer_id], moment)
    return Gone(gone.kind, gone.value, gone.source, gone.verified_at, gone.verified_how, gone.preferred)


def add_id(
    *, tenant_id: UUID, customer_id: UUID, kind: str, value: str, actor: str, now: datetime | None = None
) -> UUID:
    """Give a customer an id in another system. Raises as `add` does, or AnothersId."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        lock_tenant(session, tenant_id)
        return contact_points.add_id(session, tenant_id, customer_id, kind=kind, value=value, actor=actor, now=moment)


def remove_id(*, tenant_id: UUID, customer_id: UUID, id_: UUID, actor: str, now: datetime | None = None) -> Gone:
    """Take an id in another system away. Raises NoSuchCustomer, Merged or NoSuchExternalId."""
    with transaction(tenant_id) as session:
        lock_tenant(session, tenant_id)
        gone: Identifier = contact_points.remove_id(
            session, tenant_id, customer_id, id_, actor=actor, now=now or clock.now()
        )
    return Gone(gone.kind, gone.value, gone.source, is_id=True)


def give_back(*, tenant_id: UUID, customer_id: UUID, gone: Gone, actor: str, now: datetime | None = None) -> None:
    """Give back what was taken away, as it was; what came back by itself meanwhile stays. Raises as `add_id` does."""
    moment = now or clock.now()
    source: dict[str, Any] = {"source": gone.source or STAFF, "actor": actor, "now": moment}
    with transaction(tenant_id) as session:
        lock_tenant(session, tenant_id)
        try:
            with session.begin_nested():
                if gone.is_id:
                    contact_points.add_id(session, tenant_id, customer_id, kind=gone.kind, value=gone.value, **source)
                    return
                contact_points.add(
                    session,
                    tenant_id,
                    customer_id,
                    kind=gone.kind,
                    value=gone.value,
                    verified=(gone.verified_at, gone.verified_how or STAFF) if gone.verified_at else None,
                    preferred_at=moment if gone.preferred else None,
                    **source,
                )
        except HasAlready:
            return
        likeness.look(session, tenant_id, [customer_id], moment)
