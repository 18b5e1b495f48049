"""The API of clubs: their working days and closures."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from flask import request
from pydantic import Field

from app.accounts import closures, queries
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, Day, Shown

api = ApiBlueprint("clubs_api", __name__)

Weekday = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]


class ClubOut(Shown):
    """A club, where it is, and on which days of the week it works."""

    id: UUID
    name: str
    country: str
    timezone: str
    locale: str
    currency: str
    working_days: list[str]


class ClubsOut(Shown):
    """All clubs."""

    items: list[ClubOut]


class ClubPatch(Body):
    """On which days of the week the club works."""

    working_days: Annotated[list[Weekday], Field(min_length=1, max_length=7)]


class ClosureBody(Body):
    """Days on which a club is closed, the first and the last included; without a last day it is one day."""

    name: Annotated[str, Field(max_length=500)]
    starts_on: Day
    ends_on: Day | None = None
    yearly: bool = False


class ClosureOut(Shown):
    """Days on which a club is closed; `yearly` ones come again every year."""

    id: UUID
    name: str
    starts_on: date
    ends_on: date
    yearly: bool


class ClosuresOut(Shown):
    """All closures of a club, the first first."""

    items: list[ClosureOut]


@api.operation("GET", "/clubs", permission="settings.manage", returns=ClubsOut)
def list_clubs() -> ClubsOut:
    """List the clubs by name."""
    return ClubsOut(items=[ClubOut.model_validate(one) for one in queries.clubs(tenant_id=current().tenant_id)])


@api.operation("PATCH", "/clubs/<uuid:club_id>", permission="settings.manage", body=ClubPatch, returns=ClubOut)
def change_club(club_id: UUID, body: ClubPatch) -> ClubOut:
    """Say on which days of the week a club works."""
    actor = current()
    closures.set_working_days(
        tenant_id=actor.tenant_id, actor=actor, club_id=club_id, days=body.working_days, ip=request.remote_addr
    )
    return ClubOut.model_validate(queries.club(tenant_id=actor.tenant_id, club_id=club_id))


@api.operation("GET", "/clubs/<uuid:club_id>/closures", permission="settings.manage", returns=ClosuresOut)
def list_closures(club_id: UUID) -> ClosuresOut:
    """List the closures of a club."""
    found = closures.closures(tenant_id=current().tenant_id, club_id=club_id)
    return ClosuresOut(items=[ClosureOut.model_validate(one) for one in found])


@api.operation(
    "POST",
    "/clubs/<uuid:club_id>/closures",
    permission="settings.manage",
    body=ClosureBody,
    returns=ClosureOut,
    status=201,
)
def add_closure(club_id: UUID, body: ClosureBody) -> ClosureOut:
    """Close a club on some days."""
    actor = current()
    made = closures.add(
        tenant_id=actor.tenant_id, actor=actor, club_id=club_id, ip=request.remote_addr, **body.model_dump()
    )
    return ClosureOut.model_validate(made)


@api.operation(
    "PUT",
    "/clubs/<uuid:club_id>/closures/<uuid:closure_id>",
    permission="settings.manage",
    body=ClosureBody,
    returns=ClosureOut,
)
def change_closure(club_id: UUID, closure_id: UUID, body: ClosureBody) -> ClosureOut:
    """Change a closure."""
    actor = current()
    changed = closures.change(
        tenant_id=actor.tenant_id,
        actor=actor,
        club_id=club_id,
        closure_id=closure_id,
        ip=request.remote_addr,
        **body.model_dump(),
    )
    return ClosureOut.model_validate(changed)


@api.operation("DELETE", "/clubs/<uuid:club_id>/closures/<uuid:closure_id>", permission="settings.manage", status=204)
def remove_closure(club_id: UUID, closure_id: UUID) -> None:
    """Delete a closure."""
    actor = current()
    closures.remove(
        tenant_id=actor.tenant_id, actor=actor, club_id=club_id, closure_id=closure_id, ip=request.remote_addr
    )
