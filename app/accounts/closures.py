"""When clubs are closed: their working days, and closures such as Christmas Day."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from app.accounts import audit, queries
from app.accounts.actor import Actor
from app.accounts.models import Club, ClubClosure
from app.infra.db import transaction
from app.infra.errors import Invalid, NotFound
from app.infra.words import is_visible
from app.infra.working_days import WEEK, Closure, WorkingDays

MAX_NAME = 120
MOST = 200
"""So many closures a club has at most."""
MAX_DAYS = 366
MAX_YEARLY = 300
"""A closure that comes every year has to leave some days of it."""
_LOCK = text("SELECT FROM club WHERE tenant_id = :tenant_id AND id = :id FOR NO KEY UPDATE")
FIRST_YEAR, LAST_YEAR = 2000, 2200


class ClosureNotFound(NotFound):
    """The club has no such closure."""

    def __init__(self) -> None:
        super().__init__("This club has no such closure (any more).")


@dataclass(frozen=True, slots=True)
class ClosureInfo:
    """Days on which a club is closed, the first and the last included."""

    id: UUID
    name: str
    starts_on: date
    ends_on: date
    yearly: bool


@dataclass(frozen=True, slots=True)
class ClubDays:
    """The working days of an organisation's clubs, by club."""

    clubs: Mapping[UUID, WorkingDays] = field(default_factory=dict)

    def of(self, *club_ids: UUID | None) -> WorkingDays:
        """Return the working days of the first of these clubs that is one.

        Without one they are those of the organisation's only club, and with several clubs Monday to Friday.
        """
        found = next((self.clubs[one] for one in club_ids if one is not None and one in self.clubs), None)
        if found is None and len(self.clubs) == 1:
            (found,) = self.clubs.values()
        return found or WorkingDays()


def club_days(session: Session, tenant_id: UUID) -> ClubDays:
    """Return the working days and closures of all clubs, in two statements."""
    closures: dict[UUID, list[Closure]] = {}
    for one in session.scalars(select(ClubClosure).where(ClubClosure.tenant_id == tenant_id)):
        closures.setdefault(one.club_id, []).append(Closure(one.name, one.starts_on, one.ends_on, one.yearly))
    clubs = session.execute(select(Club.id, Club.working_days).where(Club.tenant_id == tenant_id))
    return ClubDays({id: WorkingDays(_week(days), tuple(closures.get(id, ()))) for id, days in clubs})


def _week(days: Collection[str]) -> frozenset[int]:
    return frozenset(WEEK.index(one) for one in days)


def set_working_days(
    *, tenant_id: UUID, actor: Actor, club_id: UUID, days: Collection[str], ip: str | None = None
) -> None:
    """Say on which days of the week a club works. Raises Invalid, ClubNotFound."""
    queries.club(tenant_id=tenant_id, club_id=club_id)
    chosen = [one for one in WEEK if one in days]
    if not chosen or len(chosen) != len(set(days)):
        raise Invalid({"working_days": "Choose at least one day of the week."})
    with transaction(tenant_id) as session:
        session.execute(
            text("UPDATE club SET working_days = :days WHERE tenant_id = :tenant_id AND id = :id"),
            {"tenant_id": tenant_id, "id": club_id, "days": chosen},
        )
        audit.record(session, actor.ref, "club_changed", "club", club_id, {"working_days": chosen}, ip)


def closures(*, tenant_id: UUID, club_id: UUID) -> list[ClosureInfo]:
    """Return a club's closures, the first first, or raise ClubNotFound."""
    queries.club(tenant_id=tenant_id, club_id=club_id)
    wanted = (
        select(ClubClosure)
        .where(ClubClosure.tenant_id == tenant_id, ClubClosure.club_id == club_id)
        .order_by(ClubClosure.starts_on, ClubClosure.id)
    )
    with transaction(tenant_id) as session:
        return [_info(one) for one in session.scalars(wanted)]


def closure(*, tenant_id: UUID, club_id: UUID, closure_id: UUID) -> ClosureInfo:
    """Return one closure of a club, or raise ClosureNotFound."""
    with transaction(tenant_id) as session:
        return _info(_found(session, tenant_id, club_id, closure_id))


def add(
    *,
    tenant_id: UUID,
    actor: Actor,
    club_id: UUID,
    name: str,
    starts_on: date | None,
    ends_on: date | None = None,
    yearly: bool = False,
    ip: str | None = None,
) -> ClosureInfo:
    """Close a club on some days and return the closure; without a last day, on one. Raises Invalid, ClubNotFound."""
    queries.club(tenant_id=tenant_id, club_id=club_id)
    made = _checked(name, starts_on, ends_on, yearly)
    with transaction(tenant_id) as session:
        # One after the other, so that two at once find each other.
        session.execute(_LOCK, {"tenant_id": tenant_id, "id": club_id})
        held = select(func.count()).where(ClubClosure.tenant_id == tenant_id, ClubClosure.club_id == club_id)
        if (session.scalar(held) or 0) >= MOST:
            raise Invalid({"name": f"A club has at most {MOST} closures. Delete those that are over."})
        row = ClubClosure(tenant_id=tenant_id, club_id=club_id, **_values(made))
        session.add(row)
        session.flush()
        audit.record(session, actor.ref, "closure_added", "club", club_id, _told(made), ip)
        return _info(row)


def change(
    *,
    tenant_id: UUID,
    actor: Actor,
    club_id: UUID,
    closure_id: UUID,
    name: str,
    starts_on: date | None,
    ends_on: date | None = None,
    yearly: bool = False,
    ip: str | None = None,
) -> ClosureInfo:
    """Change a closure and return it. Raises Invalid, ClosureNotFound."""
    made = _checked(name, starts_on, ends_on, yearly)
    with transaction(tenant_id) as session:
        row = _found(session, tenant_id, club_id, closure_id)
        for key, value in _values(made).items():
            setattr(row, key, value)
        audit.record(session, actor.ref, "closure_changed", "club", club_id, _told(made), ip)
        return _info(row)


def remove(*, tenant_id: UUID, actor: Actor, club_id: UUID, closure_id: UUID, ip: str | None = None) -> ClosureInfo:
    """Delete a closure and return what it was, or raise ClosureNotFound."""
    with transaction(tenant_id) as session:
        found = _info(_found(session, tenant_id, club_id, closure_id))
        session.execute(delete(ClubClosure).where(ClubClosure.tenant_id == tenant_id, ClubClosure.id == closure_id))
        audit.record(session, actor.ref, "closure_removed", "club", club_id, {"name": found.name}, ip)
    return found


def _found(session: Session, tenant_id: UUID, club_id: UUID, closure_id: UUID) -> ClubClosure:
    found = session.get(ClubClosure, (tenant_id, closure_id))
    if found is None or found.club_id != club_id:
        raise ClosureNotFound
    return found


def _checked(name: str, starts_on: date | None, ends_on: date | None, yearly: bool) -> Closure:
    errors: dict[str, str] = {}
    name = " ".join(name.split())
    if not is_visible(name) or len(name) > MAX_NAME:
        errors["name"] = f"Say why, in 1 to {MAX_NAME} characters: “Christmas Day”."
    if starts_on is None or not FIRST_YEAR <= starts_on.year <= LAST_YEAR:
        errors["starts_on"] = f"Choose a day between {FIRST_YEAR} and {LAST_YEAR}."
        starts_on = None
    last = ends_on or starts_on
    if starts_on is not None and last is not None:
        most = MAX_YEARLY if yearly else MAX_DAYS
        if last < starts_on:
            errors["ends_on"] = "The last day comes before the first."
        elif (last - starts_on).days >= most:
            errors["ends_on"] = f"A closure{' that comes every year' if yearly else ''} lasts at most {most} days."
    if errors or starts_on is None or last is None:
        raise Invalid(errors)
    return Closure(name, starts_on, last, yearly)


def _values(made: Closure) -> dict[str, object]:
    return {"name": made.name, "starts_on": made.starts_on, "ends_on": made.ends_on, "yearly": made.yearly}


def _told(made: Closure) -> dict[str, object]:
    return {**_values(made), "starts_on": made.starts_on.isoformat(), "ends_on": made.ends_on.isoformat()}


def _info(row: ClubClosure) -> ClosureInfo:
    return ClosureInfo(row.id, row.name, row.starts_on, row.ends_on, row.yearly)
