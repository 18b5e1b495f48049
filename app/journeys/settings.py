"""The settings of a journey, apart from its graph: read, checked, written onto the row."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy.orm import Session

from app.accounts.models import Club, Tenant
from app.infra import clock
from app.infra.errors import Invalid
from app.infra.ids import as_id
from app.infra.words import is_visible
from app.journeys import leaving, reentry, sending
from app.journeys.models import Journey
from app.journeys.reentry import is_within
from app.messaging import outbox
from app.messaging.states import Reason

MAX_NAME = 200
MAX_TEXT = 2000
SETTINGS = (
    *("name", "description", "club_id", "max_enrollments", "timezone"),
    *reentry.SETTINGS,
    *leaving.SETTINGS,
    *sending.SETTINGS,
)


def held_by(journey: Journey) -> dict[str, Any]:
    """Return the settings of a journey by name."""
    return {name: getattr(journey, name) for name in SETTINGS}


def apply_settings(session: Session, journey: Journey, given: Mapping[str, Any]) -> None:
    """Put the given settings on the journey, or raise Invalid with a message for each that can't be."""
    before = sending.held_by(journey)
    errors: dict[str, str] = {name: "There is no such setting." for name in given if name not in SETTINGS}
    if "name" in given:
        name = str(given["name"] or "").strip()
        if not is_visible(name) or len(name) > MAX_NAME:
            errors["name"] = f"Give a name of 1 to {MAX_NAME} characters."
        journey.name = name
    if "description" in given:
        told = given["description"] or ""
        journey.description = (told.strip() or None) if isinstance(told, str) else None
        if not isinstance(told, str) or len(told.strip()) > MAX_TEXT:
            errors["description"] = f"Give at most {MAX_TEXT} characters."
    if "club_id" in given:
        journey.club_id = as_id(given["club_id"]) if given["club_id"] else None
        with session.no_autoflush:
            if given["club_id"] and not (journey.club_id and session.get(Club, (journey.tenant_id, journey.club_id))):
                errors["club_id"] = "Choose one of your clubs."
    reentry.apply(journey, given, errors)
    leaving.apply(session, journey, given, errors)
    if "max_enrollments" in given:
        journey.max_enrollments = given["max_enrollments"]
        if journey.max_enrollments is not None and not is_within(journey.max_enrollments, 1, 2_000_000_000):
            errors["max_enrollments"] = "Give a number from 1, or leave it empty for no limit."
    if "timezone" in given:
        journey.timezone = str(given["timezone"] or "")
        if journey.timezone not in available_timezones():
            errors["timezone"] = "Choose a time zone such as Africa/Johannesburg."
    sending.apply(session, journey, given, errors)
    if errors:
        raise Invalid(errors)
    if journey.published_version is not None and sending.held_by(journey) != before:
        session.flush()
        outbox.look_again(
            tenant_id=journey.tenant_id, reason=Reason.SEND_WINDOW, journey_id=journey.id, now=clock.now()
        )
    journey.updated_at = clock.now()


def zone_of(session: Session, tenant_id: UUID, club_id: UUID | None) -> str:
    """Return the time zone a journey has unless told otherwise: its club's, else the tenant's."""
    club = session.get(Club, (tenant_id, club_id)) if isinstance(club_id, UUID) else None
    tenant = session.get(Tenant, tenant_id)
    return club.timezone if club else tenant.timezone if tenant else "UTC"
