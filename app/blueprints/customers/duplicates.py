"""Suggested duplicates: pairs of profiles that may be one person, decided on one by one or many at once."""

from collections.abc import Sequence
from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.blueprints.customers import presenters
from app.blueprints.customers.base import blueprint
from app.capture import merging
from app.customers import queries, suggestions
from app.customers.merge import CannotMerge
from app.infra.ids import as_id
from app.infra.paging import DEFAULT_LIMIT
from app.road import HANDLERS
from app.web.guards import current, requires
from app.web.htmx import page


@blueprint.get("/duplicates")
@requires("customers.merge")
def duplicates() -> Response:
    """List the pairs that wait for a decision, the likeliest first."""
    tenant_id = current().tenant_id
    found = suggestions.suggested(tenant_id=tenant_id, cursor=request.args.get("cursor"))
    ids = {one for pair in found.items for one in (pair.one_id, pair.other_id)}
    return page(
        "customers/duplicates.html",
        block="results",
        page=found,
        people=queries.by_ids(tenant_id=tenant_id, customer_ids=ids),
        dismissed=[id_ for one in request.args.getlist("dismissed") if (id_ := as_id(one))][:DEFAULT_LIMIT],
        full_name=presenters.full_name,
    )


@blueprint.post("/duplicates")
@requires("customers.merge")
def decide_duplicates() -> Response:
    """Merge the chosen pairs, the newer profile into the older, or say that they are not the same."""
    ids = [id_ for one in request.form.getlist("pair") if (id_ := as_id(one))]
    if not ids:
        flash("Choose at least one pair.", "warning")
        return redirect(url_for("customers.duplicates"))
    if request.form.get("act") == "merge":
        _merge(ids)
        return redirect(url_for("customers.duplicates"))
    actor = current()
    suggestions.dismiss(tenant_id=actor.tenant_id, ids=ids, actor=actor.ref)
    return redirect(url_for("customers.duplicates", dismissed=ids))


@blueprint.post("/duplicates/reopen")
@requires("customers.merge")
def reopen_duplicates() -> Response:
    """Take dismissals back."""
    actor = current()
    ids = [id_ for one in request.form.getlist("pair") if (id_ := as_id(one))]
    suggestions.reopen(tenant_id=actor.tenant_id, ids=ids, actor=actor.ref)
    flash("They are suggested again.", "success")
    return redirect(url_for("customers.duplicates"))


def _merge(ids: Sequence[UUID]) -> None:
    actor, done, left = current(), 0, 0
    for _, one, other in suggestions.pairs(tenant_id=actor.tenant_id, ids=ids):
        try:
            merging.merge_customers(
                tenant_id=actor.tenant_id, winner_id=one, loser_id=other, actor=actor.ref, handlers=HANDLERS
            )
            done += 1
        except CannotMerge:
            # One of them went into another customer through a pair before it.
            left += 1
    words = f"{done} {'pair is' if done == 1 else 'pairs are'} merged; each merge can be undone on the profile's page."
    if left:
        words += f" {left} could not be: one of the two was merged before."
    flash(words, "success" if done else "warning")
