"""Asking for an export or an erasure, and taking an export away. A worker does the rest (app.privacy.work)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.customers.queries import NoSuchCustomer
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Forbidden, Invalid, NotFound
from app.infra.ids import new_id
from app.infra.queue import Work, wake
from app.privacy import erasing, exporting
from app.privacy.models import COMPLETED, FAILED, PENDING, UNDER_WAY, Kind, PrivacyRequest
from app.privacy.person import lead_of

_STEPS = {Kind.EXPORT: exporting.STEPS, Kind.ERASE: erasing.STEPS}
_PIECES = text("""
    SELECT data FROM privacy_file WHERE tenant_id = :tenant_id AND request_id = :id AND part = 'zip' ORDER BY number
""")
# Two who ask at once for the same: the second finds the first one's request.
_LOCK = text("SELECT FROM customer WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")


class NoSuchRequest(NotFound):
    """The tenant has no request of this id."""

    def __init__(self) -> None:
        super().__init__("There is no such export or erasure.")


class NoFile(NotFound):
    """The export is not ready, or its time is over."""

    def __init__(self) -> None:
        super().__init__("This export has no file: it is not ready yet, or its time is over. Make a new one.")


class HasPrivateNotes(Forbidden):
    """The export holds private notes, which the caller may not read."""

    def __init__(self) -> None:
        super().__init__("This export holds private notes, so only those who may read them can download it.")


class NotFailed(Conflict):
    """Only what failed can be tried again."""

    def __init__(self) -> None:
        super().__init__("It has not failed. Reload the page.")


class UnderWay(Conflict):
    """Another request for the same is under way."""

    def __init__(self) -> None:
        super().__init__("Another one for this person is under way. Wait until it is done.")


@dataclass(frozen=True, slots=True)
class File:
    """An export to take away."""

    name: str
    data: bytes


def export(
    *, tenant_id: UUID, customer_id: UUID, actor: str, with_private: bool = False, now: datetime | None = None
) -> UUID:
    """Have all of a person collected, and return the request's id; one that is under way is not begun anew.

    `with_private`: private notes too; only those who may read them can download the file. Raises NoSuchCustomer, or
    UnderWay where the one that is under way differs in that.
    """
    return _ask(tenant_id, customer_id, Kind.EXPORT, actor, now or clock.now(), with_private=with_private)


def erase(
    *, tenant_id: UUID, customer_id: UUID, actor: str, typed: str | None = None, name: str | None = None,
    now: datetime | None = None,
) -> UUID:  # fmt: skip
    """Have a person erased, and return the request's id. Somebody who is being erased, or was, is not erased twice.

    With `name`, the confirmation `typed` must be it, else Invalid is raised. Raises NoSuchCustomer.
    """
    if name is not None and _plain(typed) != _plain(name):
        raise Invalid({"typed": f"Type the name as it stands above: {name}"})
    return _ask(tenant_id, customer_id, Kind.ERASE, actor, now or clock.now())


def _plain(words: str | None) -> str:
    return " ".join((words or "").split()).casefold()


def _ask(
    tenant_id: UUID, customer_id: UUID, kind: Kind, actor: str, now: datetime, *, with_private: bool = False
) -> UUID:
    with transaction(tenant_id) as session:
        lead = lead_of(session, tenant_id, customer_id)
        if lead is None:
            return _erased_before(session, tenant_id, customer_id, kind)
        session.execute(_LOCK, {"tenant_id": tenant_id, "id": lead})
        for known in _requests(session, tenant_id, lead, kind):
            if known.status in UNDER_WAY:
                if known.with_private != with_private:
                    raise UnderWay
                return known.id
        made = PrivacyRequest(
            tenant_id=tenant_id,
            id=new_id(),
            kind=kind,
            customer_id=lead,
            steps=len(_STEPS[kind]),
            with_private=with_private,
            requested_by=actor,
            created_at=now,
            due_at=now,
        )
        session.add(made)
        session.flush()
        audit.record(session, actor, f"customer.{kind}_asked", "customer", lead, {"request": str(made.id)})
        wake(Work.PRIVACY_JOBS, tenant_id)
        return made.id


def _erased_before(session: Session, tenant_id: UUID, customer_id: UUID, kind: Kind) -> UUID:
    """Return the request by which somebody was erased, where they are asked to be erased again."""
    if kind is Kind.ERASE:
        for known in _requests(session, tenant_id, customer_id, kind):
            return known.id
    raise NoSuchCustomer


def _requests(session: Session, tenant_id: UUID, customer_id: UUID, kind: Kind) -> list[PrivacyRequest]:
    mine = PrivacyRequest
    wanted = select(mine).where(mine.tenant_id == tenant_id, mine.customer_id == customer_id, mine.kind == kind)
    return list(session.scalars(wanted.order_by(mine.id.desc()).execution_options(populate_existing=True)))


def retry(*, tenant_id: UUID, request_id: UUID, actor: str, now: datetime | None = None) -> None:
    """Go on with what failed, from where it came to. Raises NoSuchRequest, NotFailed or UnderWay."""
    with transaction(tenant_id) as session:
        found = session.get(PrivacyRequest, (tenant_id, request_id), with_for_update=True, populate_existing=True)
        if found is None:
            raise NoSuchRequest
        if found.status != FAILED:
            raise NotFailed
        session.execute(_LOCK, {"tenant_id": tenant_id, "id": found.customer_id})
        others = _requests(session, tenant_id, found.customer_id, Kind(found.kind))
        if any(one.status in UNDER_WAY for one in others):
            raise UnderWay
        found.status, found.attempts, found.error, found.due_at = PENDING, 0, None, now or clock.now()
        session.flush()
        audit.record(session, actor, f"customer.{found.kind}_tried_again", "customer", found.customer_id)
        wake(Work.PRIVACY_JOBS, tenant_id)


def file(*, tenant_id: UUID, request_id: UUID, actor: str, sees_private: bool) -> File:
    """Return an export's file, and write down who took it. Raises NoSuchRequest, NoFile or HasPrivateNotes."""
    with transaction(tenant_id) as session:
        found = session.get(PrivacyRequest, (tenant_id, request_id), populate_existing=True)
        if found is None:
            raise NoSuchRequest
        if found.with_private and not sees_private:
            raise HasPrivateNotes
        values = {"tenant_id": tenant_id, "id": request_id}
        data = b"".join(map(bytes, session.scalars(_PIECES, values))) if found.status == COMPLETED else b""
        if not data:
            raise NoFile
        audit.record(session, actor, "customer.export_downloaded", "customer", found.customer_id)
    return File(f"person-{found.created_at:%Y-%m-%d}-{str(found.customer_id)[-6:]}.zip", data)
