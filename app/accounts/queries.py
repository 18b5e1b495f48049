"""What can be read about a tenant, its clubs and its users."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from app.accounts.places import Place
from app.infra.db import once, transaction
from app.infra.errors import NotFound
from app.infra.paging import Page, cut, id_cursor


@dataclass(frozen=True, slots=True)
class TenantInfo:
    """An organisation and how it writes dates, numbers and money."""

    id: UUID
    name: str
    country: str
    locale: str
    timezone: str
    currency: str


@dataclass(frozen=True, slots=True)
class ClubInfo:
    """One club of an organisation; `working_days` are the days of the week on which it works, Monday first."""

    id: UUID
    name: str
    country: str
    timezone: str
    locale: str
    currency: str
    working_days: list[str]

    @property
    def place(self) -> Place:
        """Return where the club is."""
        return Place(self.country, self.timezone, self.locale, self.currency)


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Somebody with an account; `status` is invited, active or disabled."""

    id: UUID
    email: str
    name: str
    role: str
    status: str
    last_sign_in_at: datetime | None
    created_at: datetime


class UserNotFound(NotFound):
    """The tenant has no such user."""

    def __init__(self) -> None:
        super().__init__("There is no such user in your organisation.")


class ClubNotFound(NotFound):
    """The tenant has no such club."""

    def __init__(self) -> None:
        super().__init__("There is no such club in your organisation.")


_USER = "SELECT id, email, name, role, status, last_sign_in_at, created_at FROM users WHERE tenant_id = :tenant_id"
_CLUB = "SELECT id, name, country, timezone, locale, currency, working_days FROM club WHERE tenant_id = :tenant_id"


@once
def tenant_info(*, tenant_id: UUID) -> TenantInfo:
    """Return the organisation itself."""
    with transaction(tenant_id) as session:
        row = session.execute(
            text("SELECT id, name, country, locale, timezone, currency FROM tenant WHERE id = :tenant_id"),
            {"tenant_id": tenant_id},
        ).one()
    return TenantInfo(*row)


@once
def clubs(*, tenant_id: UUID) -> list[ClubInfo]:
    """Return the organisation's clubs by name."""
    with transaction(tenant_id) as session:
        rows = session.execute(text(f"{_CLUB} ORDER BY lower(name)"), {"tenant_id": tenant_id}).all()
    return [ClubInfo(*row) for row in rows]


def club(*, tenant_id: UUID, club_id: UUID) -> ClubInfo:
    """Return one club, or raise ClubNotFound."""
    with transaction(tenant_id) as session:
        row = session.execute(text(f"{_CLUB} AND id = :id"), {"tenant_id": tenant_id, "id": club_id}).one_or_none()
    if row is None:
        raise ClubNotFound
    return ClubInfo(*row)


def known_as(*, tenant_id: UUID, club_id: UUID | None) -> str:
    """Return what people of a club know the sender of their mail as: by the club's name, else by the organisation's."""
    if club_id is None:
        return tenant_info(tenant_id=tenant_id).name
    return club(tenant_id=tenant_id, club_id=club_id).name


def users(*, tenant_id: UUID, limit: int = 50, cursor: str | None = None) -> Page[UserInfo]:
    """Return the organisation's users, the oldest account first."""
    after = id_cursor(cursor)
    with transaction(tenant_id) as session:
        rows = session.execute(
            text(f"{_USER} AND (CAST(:after AS uuid) IS NULL OR id > :after) ORDER BY id LIMIT :limit"),
            {"tenant_id": tenant_id, "after": after, "limit": limit + 1},
        ).all()
    return cut(rows, limit, lambda row: (row.id,), lambda row: UserInfo(*row))


def active_users(*, tenant_id: UUID, limit: int = 1000) -> list[UserInfo]:
    """Return the users who can sign in, by name."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            text(f"{_USER} AND status = 'active' ORDER BY lower(name), id LIMIT :limit"),
            {"tenant_id": tenant_id, "limit": limit},
        ).all()
    return [UserInfo(*row) for row in rows]


def user(*, tenant_id: UUID, user_id: UUID) -> UserInfo:
    """Return one user, or raise UserNotFound."""
    with transaction(tenant_id) as session:
        row = session.execute(text(f"{_USER} AND id = :id"), {"tenant_id": tenant_id, "id": user_id}).one_or_none()
    if row is None:
        raise UserNotFound
    return UserInfo(*row)


def names(*, tenant_id: UUID, user_ids: list[UUID]) -> dict[UUID, str]:
    """Return the names of those of the users that exist."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            text("SELECT id, name FROM users WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))"),
            {"tenant_id": tenant_id, "ids": user_ids},
        ).all()
    return {row.id: row.name for row in rows}
