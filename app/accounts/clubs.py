"""Acts on the organisation and its clubs."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.accounts import audit, places, queries
from app.accounts.actor import Actor
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.infra.words import is_visible

MAX_NAME = 120


def add(
    *,
    tenant_id: UUID,
    actor: Actor,
    name: str,
    country: str,
    timezone: str | None = None,
    locale: str | None = None,
    currency: str | None = None,
    ip: str | None = None,
) -> UUID:
    """Add a club and return its id; what is left empty becomes what is usual in the country.

    The organisation writes dates and money as its first club does. Raises Invalid.
    """
    values = _checked(name, country, timezone, locale, currency)
    club_id = new_id()
    with transaction(tenant_id) as session:
        if not queries.clubs(tenant_id=tenant_id):
            session.execute(
                text("""
                    UPDATE tenant SET country = :country, timezone = :timezone, locale = :locale, currency = :currency
                    WHERE id = :tenant_id
                """),
                values | {"tenant_id": tenant_id},
            )
        _write(
            """
            INSERT INTO club (tenant_id, id, name, country, timezone, locale, currency)
            VALUES (:tenant_id, :id, :name, :country, :timezone, :locale, :currency)
            """,
            tenant_id,
            values | {"tenant_id": tenant_id, "id": club_id},
        )
        audit.record(session, actor.ref, "club_added", "club", club_id, {"name": values["name"]}, ip)
    return club_id


def change(
    *,
    tenant_id: UUID,
    actor: Actor,
    club_id: UUID,
    name: str,
    country: str,
    timezone: str | None = None,
    locale: str | None = None,
    currency: str | None = None,
    ip: str | None = None,
) -> None:
    """Change a club's name and place. Raises Invalid, queries.ClubNotFound."""
    values = _checked(name, country, timezone, locale, currency)
    with transaction(tenant_id) as session:
        queries.club(tenant_id=tenant_id, club_id=club_id)
        _write(
            """
            UPDATE club SET name = :name, country = :country, timezone = :timezone, locale = :locale,
                            currency = :currency
            WHERE tenant_id = :tenant_id AND id = :id
            """,
            tenant_id,
            values | {"tenant_id": tenant_id, "id": club_id},
        )
        audit.record(session, actor.ref, "club_changed", "club", club_id, dict(values), ip)


def change_organisation(
    *,
    tenant_id: UUID,
    actor: Actor,
    name: str,
    country: str,
    timezone: str | None = None,
    locale: str | None = None,
    currency: str | None = None,
    ip: str | None = None,
) -> None:
    """Change the organisation's name and how its own pages write dates and money. Raises Invalid."""
    values = _checked(name, country, timezone, locale, currency)
    with transaction(tenant_id) as session:
        session.execute(
            text("""
                UPDATE tenant SET name = :name, country = :country, timezone = :timezone, locale = :locale,
                                  currency = :currency
                WHERE id = :tenant_id
            """),
            values | {"tenant_id": tenant_id},
        )
        audit.record(session, actor.ref, "organisation_changed", "tenant", tenant_id, dict(values), ip)


def _checked(name: str, country: str, timezone: str | None, locale: str | None, currency: str | None) -> dict[str, str]:
    errors: dict[str, str] = {}
    name = " ".join(name.split())
    if not is_visible(name) or len(name) > MAX_NAME:
        errors["name"] = f"Enter a name of 1 to {MAX_NAME} characters."
    try:
        place = places.checked(country=country, timezone=timezone, locale=locale, currency=currency)
    except Invalid as error:
        raise Invalid(errors | error.errors) from None
    if errors:
        raise Invalid(errors)
    return {
        "name": name,
        "country": place.country,
        "timezone": place.timezone,
        "locale": place.locale,
        "currency": place.currency,
    }


def _write(statement: str, tenant_id: UUID, values: dict[str, object]) -> None:
    """Write a club; two clubs of one name (in whichever case) raise Invalid."""
    with transaction(tenant_id) as session:
        try:
            with session.begin_nested():
                session.execute(text(statement), values)
        except IntegrityError:
            raise Invalid({"name": "You have a club of this name already."}) from None
