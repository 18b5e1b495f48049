"""Several editors of one journey: comments on its steps, who is here, and the live numbers that come with it."""

from uuid import UUID

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.journeys import presenters
from app.blueprints.journeys.base import blueprint
from app.infra import clock
from app.infra.errors import Invalid
from app.journeys import comments, queries
from app.journeys.step_type import exit_labels
from app.journeys.titles import titles
from app.messaging import queries as messages
from app.web.guards import can, current, requires
from app.web.htmx import is_htmx, page


@blueprint.get("/<uuid:journey_id>/counts")
@requires("journeys.view")
def counts(journey_id: UUID) -> Response:
    """Return the live numbers of the canvas, each for its place, and who else has it open."""
    actor = current()
    journey = queries.journey(tenant_id=actor.tenant_id, journey_id=journey_id)
    graph = queries.draft(journey)
    found = queries.step_counts(tenant_id=actor.tenant_id, journey_id=journey_id)
    others: list[comments.Present] = []
    if actor.user_id:
        others = comments.here(
            tenant_id=actor.tenant_id,
            journey_id=journey_id,
            user_id=actor.user_id,
            name=actor.name,
            step_key=request.args.get("open", "")[:64] or None,
        )
    return page(
        "journeys/counts.html",
        journey=journey,
        counts=found,
        ways={step.key: exit_labels(step) for step in graph},
        titles=titles(tenant_id=actor.tenant_id, graph=graph),
        letters=presenters.letters(messages.step_fates(tenant_id=actor.tenant_id, journey_id=journey_id)),
        active=sum(count.active for count in found.values()),
        polling=journey.status == "ACTIVE",
        others=others,
    )


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
