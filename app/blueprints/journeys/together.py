"""Several editors of one journey: comments on its steps, who is here, and the live numbers that come with it."""

from typing import Any
from uuid import UUID

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.journeys import presenters
from app.blueprints.journeys.base import blueprint
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.journeys import comments, letters, queries
from app.journeys.graph import Graph
from app.journeys.kinds import exit_labels
from app.journeys.models import Journey
from app.journeys.titles import titles
from app.web.guards import can, current, requires
from app.web.htmx import is_htmx, page


@blueprint.post("/<uuid:journey_id>/pulse")
@requires("journeys.view")
def pulse(journey_id: UUID) -> Response:
    """Note who has the canvas open, and return who else has and, of a live journey, its numbers, each for its place."""
    actor = current()
    journey = queries.journey(tenant_id=actor.tenant_id, journey_id=journey_id)
    graph = queries.draft(journey)
    others: list[comments.Present] = []
    if actor.user_id:
        others = comments.here(
            tenant_id=actor.tenant_id,
            journey_id=journey_id,
            user_id=actor.user_id,
            name=actor.name,
            step_key=(can("journeys.edit") and request.form.get("open", "")[:64]) or None,
        )
    return page(
        "journeys/counts.html",
        journey=journey,
        titles=titles(tenant_id=actor.tenant_id, graph=graph),
        others=others,
        talk=comments.open_counts(tenant_id=actor.tenant_id, journey_id=journey_id),
        polling=journey.status == "ACTIVE",
        **(_numbers(journey, graph) if journey.status == "ACTIVE" else {}),
    )


def _numbers(journey: Journey, graph: Graph) -> dict[str, Any]:
    """Return the live numbers of the steps anybody has come to."""
    with transaction(journey.tenant_id):
        counts = queries.step_counts(tenant_id=journey.tenant_id, journey_id=journey.id)
    return {
        "counts": counts,
        "ways": {step.key: exit_labels(step) for step in graph if step.key in counts},
        "letters": presenters.letters(letters.lately(journey)),
        "active": sum(count.active for count in counts.values()),
    }


@blueprint.post("/<uuid:journey_id>/steps/<key>/comments")
@requires("journeys.edit")
def add_comment(journey_id: UUID, key: str) -> Response | Answer:
    """Write a comment on a step."""
    actor, body = current(), request.form.get("body", "")
    assert actor.user_id is not None  # pages are for people who signed in
    error = None
    try:
        comments.add(
            tenant_id=actor.tenant_id,
            journey_id=journey_id,
            step_key=key,
            author_id=actor.user_id,
            author_name=actor.name,
            body=body,
        )
    except Invalid as refused:
        error = refused.errors["body"]
    return _shown(journey_id, key, body if error else "", error)


@blueprint.post("/<uuid:journey_id>/comments/<uuid:comment_id>")
@requires("journeys.edit")
def resolve_comment(journey_id: UUID, comment_id: UUID) -> Response | Answer:
    """Settle a comment, or open it again."""
    actor = current()
    found = comments.resolve(
        tenant_id=actor.tenant_id,
        journey_id=journey_id,
        comment_id=comment_id,
        by_name=actor.name,
        resolved=request.form.get("resolved") == "1",
        now=clock.now(),
    )
    return _shown(journey_id, found.step_key)


def _shown(journey_id: UUID, key: str, body: str = "", error: str | None = None) -> Response | Answer:
    if not is_htmx():
        return redirect(url_for("journeys.step", journey_id=journey_id, key=key))
    tenant_id = current().tenant_id
    journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    return page(
        "journeys/_comments.html",
        status=422 if error else 200,
        journey=journey,
        step_key=key,
        comments=comments.of_step(tenant_id=tenant_id, journey_id=journey_id, step_key=key),
        comment_body=body,
        comment_error=error,
        may_comment=can("journeys.edit"),
        answered=True,
        talk=comments.open_counts(tenant_id=tenant_id, journey_id=journey_id),
    )
