"""A second person's yes over the API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.blueprints.campaigns.api import api
from app.campaigns import approval, queries
from app.campaigns.approval import Standing, State
from app.web.guards import current
from app.web.schemas import Body, Shown, Text


class NoteBody(Body):
    """A word with it."""

    note: Annotated[Text, Field(max_length=approval.MAX_NOTE)] = ""


class AskedOut(Shown):
    """What was asked, for how many people, and what was answered: `approved`, `declined`, `superseded`, or not yet."""

    id: UUID
    asked_by_name: str
    asked_at: datetime
    note: str
    people: int
    up_to: int
    decision: str | None
    decided_by_name: str
    decided_at: datetime | None
    answer: str


class ApprovalOut(Shown):
    """How it stands, in `words` too. A yes holds for `up_to` people and what was asked for."""

    state: State
    words: str
    people: int
    above: int | None
    latest: AskedOut | None


def _shown(standing: Standing) -> ApprovalOut:
    return ApprovalOut(
        state=standing.state,
        words=standing.words,
        people=standing.people,
        above=standing.above,
        latest=AskedOut.model_validate(standing.latest) if standing.latest else None,
    )


def _who() -> dict[str, Any]:
    actor = current()
    return {"tenant_id": actor.tenant_id, "actor": actor.ref, "actor_name": actor.name}


def _now(campaign_id: UUID) -> ApprovalOut:
    tenant_id = current().tenant_id
    campaign = queries.one(tenant_id=tenant_id, campaign_id=campaign_id)
    return _shown(approval.of(tenant_id=tenant_id, campaign=campaign))


@api.operation("GET", "/campaigns/<uuid:campaign_id>/approval", permission="campaigns.view", returns=ApprovalOut)
def campaign_approval(campaign_id: UUID) -> ApprovalOut:
    """Tell whether a campaign needs a second person's yes, and how that stands."""
    return _now(campaign_id)


@api.operation(
    "POST",
    "/campaigns/<uuid:campaign_id>/approval",
    permission="campaigns.run",
    body=NoteBody,
    returns=ApprovalOut,
    status=201,
)
def ask_campaign_approval(campaign_id: UUID, body: NoteBody) -> ApprovalOut:
    """Ask for a second person's yes; who may give it is told by mail. 409 where none is needed, or it is asked for."""
    approval.ask(**_who(), campaign_id=campaign_id, note=body.note)
    return _now(campaign_id)


@api.operation(
    "POST",
    "/campaigns/<uuid:campaign_id>/approve",
    permission=approval.PERMISSION,
    body=NoteBody,
    returns=ApprovalOut,
)
def approve_campaign(campaign_id: UUID, body: NoteBody) -> ApprovalOut:
    """Say yes to a campaign that somebody else made and asked for: a signed-in person does, no API key."""
    approval.decide(**_who(), campaign_id=campaign_id, note=body.note, approve=True)
    return _now(campaign_id)


@api.operation(
    "POST",
    "/campaigns/<uuid:campaign_id>/decline",
    permission=approval.PERMISSION,
    body=NoteBody,
    returns=ApprovalOut,
)
def decline_campaign(campaign_id: UUID, body: NoteBody) -> ApprovalOut:
    """Say no to a campaign that somebody else made and asked for, with a word why."""
    approval.decide(**_who(), campaign_id=campaign_id, note=body.note, approve=False)
    return _now(campaign_id)
