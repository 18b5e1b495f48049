"""The tenant's clubs as events name them: by name. A club's country reads the phone numbers of its people."""

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.events.addresses import phone_key

REMEMBERED_SECONDS = 1.0
MAX_REMEMBERED = 1_000


@dataclass(frozen=True)
class Places:
    """A tenant's country, and its clubs' ids and countries by case-folded name."""

    country: str
    clubs: dict[str, tuple[UUID, str]]

    @cached_property
    def countries(self) -> tuple[str, ...]:
        """Return each country once, the tenant's own first."""
        return tuple(dict.fromkeys((self.country, *(country for _, country in self.clubs.values()))))

    def club_id(self, name: Any) -> UUID | None:
        """Return the id of the club of that name, or None."""
        found = self.clubs.get(name.strip().casefold()) if isinstance(name, str) else None
        return found[0] if found else None

    def phone_key(self, number: str, club: Any) -> str | None:
        """Return the number in E.164, or None if it is none in any of the tenant's countries.

        The country of the club of that name reads it first, then the tenant's own, then those of the other clubs: a
        member of a British club who lives in Cape Town gives the number of there as it is dialled there.
        """
        found = self.clubs.get(club.strip().casefold()) if isinstance(club, str) else None
        first = phone_key(number, found[1] if found else self.country)
        if first:
            return first
        return next((key for country in self.countries if (key := phone_key(number, country))), None)


_remembered: dict[UUID, tuple[float, Places]] = {}


def lately(session: Session, tenant_id: UUID) -> Places:
    """Return the tenant's places as they are, or were up to REMEMBERED_SECONDS ago."""
    until, known = _remembered.get(tenant_id, (0.0, None))
    if known is None or time.monotonic() > until:
        until, known = time.monotonic() + REMEMBERED_SECONDS, places(session, tenant_id)
        if len(_remembered) >= MAX_REMEMBERED:
            _remembered.clear()
        _remembered[tenant_id] = (until, known)
    return known


def places(session: Session, tenant_id: UUID) -> Places:
    """Return the tenant's places."""
    rows = session.execute(
        text(
            "SELECT t.country, c.id, c.name, c.country AS club_country FROM tenant t"
            " LEFT JOIN club c ON c.tenant_id = t.id WHERE t.id = :tenant_id"
        ),
        {"tenant_id": tenant_id},
    ).all()
    country = rows[0].country if rows else "ZA"
    return Places(country, {row.name.strip().casefold(): (row.id, row.club_country) for row in rows if row.id})
