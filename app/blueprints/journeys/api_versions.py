"""The API of a journey's versions: what was published, what it changed, what the draft would change and for whom."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.blueprints.journeys.api import JourneyOut, StepModel, shown
from app.infra.paging import Page
from app.journeys import lifecycle, publishing, queries, service
from app.journeys import versions as room
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, PageQuery, Shown

api = ApiBlueprint("journey_versions_api", __name__)


class PublishBody(Body):
    """Where people of removed steps go on, by the key of the removed step: a step of the draft, or null: they leave.

    Without `placements` they leave when they are next due. With `rebase_waits` who waits at a wait whose settings
    changed waits, from when they came, as long as it says then. With `draft_revision` nothing is published if somebody
    changed the draft since.
    """

    placements: dict[str, str | None] | None = None
    rebase_waits: bool = False
    note: Annotated[str, Field(max_length=publishing.MAX_NOTE)] | None = None
    anyway: Annotated[str, Field(max_length=500)] | None = None
    """Why it is published although checks of the draft don't pass (422 without it); it stands in the audit log."""
    draft_revision: int | None = None


class ChangeOut(Shown):
    """One difference: `what` is trigger, added, removed, moved, connected, settings or renamed; journey is a setting of
    the journey itself, which holds since it was saved (`step_key` is empty then)."""

    what: str
    step_key: str
    sentence: str


class TouchedOut(Shown):
    """How many people stand at the step, on a way to it, and past it; `again` of the last come to it once more."""

    here: int
    before: int
    past: int
    again: int


class DraftChangeOut(ChangeOut):
    """A difference between the live version and the draft, with the people it touches now.

    Settings of the journey (`what` is `journey`) hold already: `people` is null then.
    """

    people: TouchedOut | None


class RemovedOut(Shown):
    """A removed step with the people who stand there; `default` is what followed it, null where nothing did."""

    key: str
    title: str
    people: int
    default: str | None


class WaitingOut(Shown):
    """A wait whose settings changed, with the people who wait there."""

    key: str
    sentence: str
    people: int


class DraftChangesOut(Shown):
    """What publishing the draft would mean; `places` are the steps people can be put at."""

    draft_revision: int
    changes: list[DraftChangeOut]
    removed: list[RemovedOut]
    waits: list[WaitingOut]
    places: dict[str, str]


class VersionOut(Shown):
    """A published version; `people` came in under it, `changes` are those to the one before."""

    number: int
    note: str | None
    live: bool
    people: int
    created_at: datetime
    created_by: str
    created_by_name: str
    changes: list[ChangeOut]


class VersionStepsOut(VersionOut):
    """A version with its steps."""

    steps: list[StepModel]


class VersionChangesOut(Shown):
    """What is different between two versions."""

    from_version: int
    to_version: int
    changes: list[ChangeOut]


class ChangesQuery(Body):
    """The version to compare with; the one before if it is left out."""

    from_: Annotated[int | None, Field(alias="from")] = None


class RestoreBody(Body):
    """With `draft_revision` it is refused if somebody changed the draft since."""

    draft_revision: int | None = None


@api.operation(
    "POST", "/journeys/<uuid:journey_id>/publish", permission="journeys.run", body=PublishBody, returns=JourneyOut
)
def publish_journey(journey_id: UUID, body: PublishBody) -> JourneyOut:
    """Make the draft of an active or paused journey the version people follow from their next step on.

    422 names the removed steps where people stand and `placements` says nothing of them.
    """
    actor = current()
    return shown(
        lifecycle.publish(tenant_id=actor.tenant_id, journey_id=journey_id, actor=actor.ref, **body.model_dump())
    )


@api.operation("GET", "/journeys/<uuid:journey_id>/changes", permission="journeys.view", returns=DraftChangesOut)
def journey_changes(journey_id: UUID) -> DraftChangesOut:
    """Tell what publishing the draft would change, and how many people each change touches."""
    tenant_id = current().tenant_id
    journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    found = publishing.review(tenant_id=tenant_id, journey=journey, known=queries.known(tenant_id=tenant_id))
    told: list[dict[str, Any]] = [
        {**ChangeOut.model_validate(one).model_dump(), "people": people and TouchedOut.model_validate(people)}
        for one, people in found.changes
    ]
    return DraftChangesOut.model_validate(
        {
            "draft_revision": journey.draft_revision,
            "changes": told,
            "removed": [RemovedOut.model_validate(one) for one in found.removed],
            "waits": [WaitingOut.model_validate(one) for one in found.waits],
            "places": found.places,
        }
    )


@api.operation(
    "GET",
    "/journeys/<uuid:journey_id>/versions",
    permission="journeys.view",
    query=PageQuery,
    returns=VersionOut,
    paged=True,
)
def journey_versions(journey_id: UUID, query: PageQuery) -> Page[VersionOut]:
    """List the versions of a journey, newest first."""
    tenant_id = current().tenant_id
    known = queries.known(tenant_id=tenant_id)
    found = room.versions(tenant_id=tenant_id, journey_id=journey_id, known=known, **query.model_dump())
    return Page([VersionOut.model_validate(one) for one in found.items], found.next_cursor)


@api.operation(
    "GET",
    "/journeys/<uuid:journey_id>/versions/<int:number>",
    permission="journeys.view",
    returns=VersionStepsOut,
)
def journey_version(journey_id: UUID, number: int) -> VersionStepsOut:
    """Show one version with its steps."""
    tenant_id = current().tenant_id
    known = queries.known(tenant_id=tenant_id)
    found = room.version(tenant_id=tenant_id, journey_id=journey_id, number=number, known=known)
    return VersionStepsOut.model_validate(
        {**VersionOut.model_validate(found).model_dump(), "steps": found.graph.to_json()["steps"]}
    )


@api.operation(
    "GET",
    "/journeys/<uuid:journey_id>/versions/<int:number>/changes",
    permission="journeys.view",
    query=ChangesQuery,
    returns=VersionChangesOut,
)
def version_changes(journey_id: UUID, number: int, query: ChangesQuery) -> VersionChangesOut:
    """Tell what is different between two versions of a journey."""
    tenant_id = current().tenant_id
    earlier = number - 1 if query.from_ is None else query.from_
    journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    before, after = (room.state(journey=journey, number=one) for one in (earlier, number))
    told = room.between(before, after, queries.known(tenant_id=tenant_id))
    return VersionChangesOut(
        from_version=earlier, to_version=number, changes=[ChangeOut.model_validate(one) for one in told]
    )


@api.operation(
    "POST",
    "/journeys/<uuid:journey_id>/versions/<int:number>/restore",
    permission="journeys.edit",
    body=RestoreBody,
    returns=JourneyOut,
)
def restore_journey_version(journey_id: UUID, number: int, body: RestoreBody) -> JourneyOut:
    """Make a version the draft again; it is one edit, and people follow it once it is published."""
    actor = current()
    return shown(
        service.restore_version(
            tenant_id=actor.tenant_id,
            journey_id=journey_id,
            actor=actor.ref,
            number=number,
            draft_revision=body.draft_revision,
        )
    )
