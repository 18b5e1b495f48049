"""The history of a journey: its versions, any two beside each other, and an earlier one made the draft again."""

from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.journeys import presenters
from app.blueprints.journeys.base import blueprint
from app.blueprints.journeys.board import known
from app.blueprints.journeys.publishing import ICONS
from app.infra.errors import UserError
from app.journeys import queries, service
from app.journeys import versions as room
from app.journeys.changes import Change, naming
from app.journeys.drafts import WrongStatus
from app.journeys.models import Journey
from app.journeys.queries import NoSuchVersion
from app.web.guards import can, current, requires
from app.web.htmx import page

DRAFT = "draft"
PAGE = 20


@blueprint.get("/<uuid:journey_id>/versions")
@requires("journeys.view")
def versions(journey_id: UUID) -> Response:
    """List the versions of a journey: who published them, what they changed, and how many people came in under each."""
    tenant_id = current().tenant_id
    journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    cursor = request.args.get("cursor")
    found = room.versions(tenant_id=tenant_id, journey_id=journey_id, known=known(tenant_id), cursor=cursor, limit=PAGE)
    return page(
        "journeys/versions.html",
        block="results",
        journey=journey,
        page=found,
        icons=ICONS,
        alone=_alone,
        differs=journey.published_version is not None and queries.draft_differs(tenant_id=tenant_id, journey=journey),
        editable=can("journeys.edit") and journey.status != "ARCHIVED",
    )


@blueprint.get("/<uuid:journey_id>/versions/compare")
@requires("journeys.view")
def compare_versions(journey_id: UUID) -> Response:
    """Show two versions beside each other, or one beside the draft, with what is different marked and told."""
    tenant_id = current().tenant_id
    journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    latest = str(journey.published_version or DRAFT)
    asked = request.args.get("from", latest), request.args.get("to", DRAFT)
    before, after = (room.state(journey=journey, number=_number(one)) for one in asked)
    around = naming(known(tenant_id), before.graph, after.graph)
    told = room.between(before, after, around)
    sides = [
        {"name": _name(one), "canvas": presenters.draw(state.graph, known=around, problems=[]), "marks": marks}
        for one, state, marks in zip(asked, (before, after), _marks(told), strict=True)
    ]
    return page(
        "journeys/compare.html", journey=journey, asked=asked, sides=sides, changes=told, icons=ICONS,
        alone=_alone, choices=_choices(journey),
    )  # fmt: skip


def _alone(told: list[Change]) -> list[tuple[Change, None]]:
    """Return changes without whom they touch."""
    return [(one, None) for one in told]


def _choices(journey: Journey) -> list[tuple[str, str]]:
    numbers = range(journey.published_version or 0, 0, -1)
    return [(DRAFT, "Draft"), *((str(number), f"Version {number}") for number in numbers)]


def _name(asked: str) -> str:
    return "Draft" if asked == DRAFT else f"Version {asked}"


def _number(asked: str) -> int | None:
    """Return the number of a version, None for the draft."""
    if asked == DRAFT:
        return None
    if not (asked.isascii() and asked.isdigit() and len(asked) < 10):
        raise NoSuchVersion
    return int(asked)


def _marks(told: list[Change]) -> tuple[dict[str, str], dict[str, str]]:
    """Return for either side how each step is marked: a word for it by key."""
    gone = {one.step_key: "removed" for one in told if one.what == "removed"}
    come = {one.step_key: "added" for one in told if one.what == "added"}
    both = {one.step_key: "moved" if one.what == "moved" else "changed" for one in told}
    return both | come | gone, both | gone | come


@blueprint.post("/<uuid:journey_id>/versions/<int:number>/restore")
@requires("journeys.edit")
def restore_version(journey_id: UUID, number: int) -> Answer:
    """Make a version the draft again; undo takes it back."""
    actor = current()
    act: dict[str, Any] = {"tenant_id": actor.tenant_id, "journey_id": journey_id, "actor": actor.ref}
    try:
        service.restore_version(**act, number=number)
    except WrongStatus as refused:
        flash(refused.message, "warning")
        return redirect(url_for("journeys.versions", journey_id=journey_id))
    flash(f"Version {number} is the draft now. Undo takes it back; nobody follows it before you publish it.", "success")
    return redirect(url_for("journeys.builder", journey_id=journey_id))


@blueprint.post("/<uuid:journey_id>/versions/<int:number>/note")
@requires("journeys.edit")
def note_version(journey_id: UUID, number: int) -> Answer:
    """Say what a version is for."""
    actor, note = current(), request.form.get("note", "")
    try:
        room.annotate(tenant_id=actor.tenant_id, journey_id=journey_id, number=number, actor=actor.ref, note=note)
    except NoSuchVersion:
        raise
    except UserError as refused:
        flash("; ".join(refused.errors.values()), "warning")
    return redirect(url_for("journeys.versions", journey_id=journey_id))
