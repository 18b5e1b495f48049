"""Rehearsals of a journey that are kept as checks: listed, run, made less strict, deleted."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.journeys.base import blueprint
from app.blueprints.journeys.rehearsals import begins_at, refused, walked
from app.customers import queries as customers
from app.events import catalogue
from app.infra.errors import Invalid, UserError
from app.infra.ids import as_id
from app.journeys import checks as room
from app.journeys import made_up, occasions, queries
from app.journeys.checks import Check, Result
from app.journeys.drafts import trigger_of
from app.journeys.models import Journey
from app.journeys.step_type import MANUAL
from app.journeys.timed import TIMED
from app.web.guards import current, must, requires
from app.web.htmx import page


@blueprint.get("/<uuid:journey_id>/checks")
@requires("journeys.edit")
def checks(journey_id: UUID) -> Response:
    """List the checks of a journey."""
    return _page(_journey(journey_id))


@blueprint.post("/<uuid:journey_id>/checks/run")
@requires("journeys.edit")
def run_checks(journey_id: UUID) -> Response:
    """Run all checks on the draft and show what they found."""
    journey = _journey(journey_id)
    found, _ = room.run(tenant_id=journey.tenant_id, journey_id=journey_id)
    return _page(journey, found)


@blueprint.post("/<uuid:journey_id>/checks")
@requires("journeys.edit")
def save_check(journey_id: UUID) -> Response | Answer:
    """Keep the rehearsal of one person, or of somebody made up who is like them; show it again where it can't be."""
    journey, form = _journey(journey_id), request.form
    who, like = as_id(form.get("customer_id")), form.get("who") == "like"
    said: dict[str, Any] | None = None
    try:
        begins = begins_at(journey)
        if who is None:
            raise Invalid({"customer_id": "Choose a person."})
        said = _said()
        kept = room.save(
            tenant_id=journey.tenant_id,
            journey_id=journey_id,
            actor=current().ref,
            name=form.get("name", ""),
            starts_at=begins,
            customer_id=None if like else who,
            facts=made_up.like(tenant_id=journey.tenant_id, customer_id=who) if like else None,
            event=_kept(journey, said) if like else said,
            strictness=form.get("strictness", room.PATH),
        )
    except UserError as wrong:
        return _again(journey, wrong, who, said)
    flash(f"The check is kept, and runs whenever the draft is published. Expected: {_sums(kept)}.", "success")
    return redirect(url_for("journeys.checks", journey_id=journey_id))


def _again(journey: Journey, wrong: UserError, who: UUID | None, said: dict[str, Any] | None) -> Response:
    """Return the rehearsal that was not kept, with why; it is walked once more."""
    if who is None or "at" in wrong.told:
        return refused(journey, wrong)
    theirs = bool(request.form.get("theirs"))
    try:
        return walked(journey, who, begins_at(journey), said, theirs=theirs, kept_wrong=wrong.told, status=422)
    except UserError as other:
        return refused(journey, other)


@blueprint.post("/<uuid:journey_id>/checks/<uuid:check_id>")
@requires("journeys.edit")
def change_check(journey_id: UUID, check_id: UUID) -> Answer:
    """Make a check more or less strict, or let it expect what the draft does now."""
    journey, form = _journey(journey_id), request.form

    def change() -> str:
        room.change(
            tenant_id=journey.tenant_id,
            journey_id=journey_id,
            check_id=check_id,
            actor=current().ref,
            strictness=form.get("strictness"),
            anew=bool(form.get("anew")),
        )
        return "The check is changed."

    return _done(journey_id, change)


@blueprint.post("/<uuid:journey_id>/checks/<uuid:check_id>/delete")
@requires("journeys.edit")
def delete_check(journey_id: UUID, check_id: UUID) -> Answer:
    """Delete a check."""
    _journey(journey_id)
    room.delete(tenant_id=current().tenant_id, journey_id=journey_id, check_id=check_id, actor=current().ref)
    flash("The check is deleted.", "success")
    return redirect(url_for("journeys.checks", journey_id=journey_id))


def _journey(journey_id: UUID) -> Journey:
    must("customers.view")
    return queries.journey(tenant_id=current().tenant_id, journey_id=journey_id)


def _said() -> dict[str, Any] | None:
    """Return what the event said that let somebody into the rehearsal that is kept; None where none was asked for."""
    sent = request.form.get("said")
    if not sent:
        return None
    try:
        told = orjson.loads(sent)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        raise Invalid({"event": "What the event says can’t be read. Rehearse once more."})
    return told


def _kept(journey: Journey, said: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what somebody's own event said without words that nobody else's say: for somebody made up."""
    if said is None or not request.form.get("theirs"):
        return said
    return occasions.without_names(tenant_id=journey.tenant_id, journey_id=journey.id, payload=said)


def _done(journey_id: UUID, act: Callable[[], str]) -> Answer:
    try:
        words = act()
    except room.NoSuchCheck:
        raise
    except UserError as wrong:
        flash(" ".join(wrong.told.values()), "warning")
    else:
        flash(words, "success")
    return redirect(url_for("journeys.checks", journey_id=journey_id))


def _page(journey: Journey, found: list[Result] | None = None) -> Response:
    kept = [one.check for one in found] if found is not None else room.checks(
        tenant_id=journey.tenant_id, journey_id=journey.id
    )  # fmt: skip
    ids = [one.customer_id for one in kept if one.customer_id]
    names = customers.names(tenant_id=journey.tenant_id, customer_ids=ids)
    segments = queries.known(tenant_id=journey.tenant_id).segments
    begins = trigger_of(queries.draft(journey))[0]
    by_event = begins not in (*TIMED, MANUAL)

    def who(one: Check) -> str:
        if one.facts is not None:
            return "Somebody made up" if one.event or not by_event else "Somebody made up, let in by no event"
        if one.segment_id is not None:
            return f"Anybody of “{segments.get(one.segment_id, 'a segment that is gone')}”"
        return names.get(one.customer_id, "Nobody any more") if one.customer_id else "Nobody any more"

    context: dict[str, Any] = {
        "rows": [(one, who(one), _sums(one)) for one in kept],
        "let_in": {one.id: catalogue.title(catalogue.get(begins), one.event) for one in kept if one.event and by_event},
        "results": {one.check.id: one for one in found or ()},
        "ran": found is not None,
        "strictness": list(room.STRICTNESS.items()),
    }
    return page("journeys/checks.html", journey=journey, **context)


def _sums(one: Check) -> str:
    """Return in a few words what a check expects."""
    sent = [letter for letter in one.expected["letters"] if letter["status"] == "sent"]
    steps, end = one.expected["path"], one.expected["end"]
    ends = {"COMPLETED": "through", "EXITED": "left early", "FAILED": "failed", "ACTIVE": "still inside"}[end["status"]]
    days = steps[-1]["day"] if steps else 1
    return (
        f"{len(steps)} step{'s' if len(steps) != 1 else ''}, {len(sent)} message{'s' if len(sent) != 1 else ''} sent, "
        f"{ends} on day {days}"
    )
