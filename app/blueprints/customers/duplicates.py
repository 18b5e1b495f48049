"""Suggested duplicates: pairs of profiles that may be one person, decided on one by one or many at once."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.blueprints.customers import presenters
from app.blueprints.customers.base import blueprint
from app.capture import merging
from app.customers import merge_queries, queries, suggestions
from app.customers.merge import CannotMerge
from app.customers.suggestions import Suggestion
from app.infra.ids import as_id
from app.infra.paging import DEFAULT_LIMIT
from app.road import HANDLERS
from app.web.downloads import PERMISSION, download
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.shell import number


@blueprint.get("/duplicates")
@requires("customers.merge")
def duplicates() -> Response:
    """List the pairs that wait for a decision, the likeliest first."""
    tenant_id = current().tenant_id
    found = suggestions.suggested(tenant_id=tenant_id, cursor=request.args.get("cursor"))
    merged = merge_queries.entries(tenant_id=tenant_id, merge_ids=_ids("merged"))
    ids = {one for pair in found.items for one in (pair.one_id, pair.other_id)} | {one.winner_id for one in merged}
    return page(
        "customers/duplicates.html",
        block="results",
        page=found,
        people=queries.by_ids(tenant_id=tenant_id, customer_ids=ids),
        dismissed=_ids("dismissed"),
        merged=[one for one in merged if one.undone_at is None],
        full_name=presenters.full_name,
    )


@blueprint.post("/duplicates/export")
@requires(PERMISSION)
def download_duplicates() -> Response:
    """Give out the pairs that wait for a decision."""
    tenant_id = current().tenant_id

    def rows(found: list[Suggestion]) -> list[list[Any]]:
        ids = {one for pair in found for one in (pair.one_id, pair.other_id)}
        people = queries.by_ids(tenant_id=tenant_id, customer_ids=ids)
        return [
            [
                pair.score,
                *(cell for one in (pair.one_id, pair.other_id) for cell in (one, presenters.full_name(people[one]))),
                pair.speaks_for,
                pair.against,
                pair.found_at,
            ]
            for pair in found
        ]

    return download(
        "duplicates",
        seen_by="customers.merge",
        header=["score", "customer_id", "name", "other_id", "other_name", "for", "against", "found_at"],
        pages=lambda cursor, limit: suggestions.suggested(tenant_id=tenant_id, cursor=cursor, limit=limit),
        rows=rows,
        filters={},
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
        return redirect(url_for("customers.duplicates", merged=_merge(ids)[:DEFAULT_LIMIT]))
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


def _ids(name: str) -> list[UUID]:
    return [id_ for one in request.args.getlist(name) if (id_ := as_id(one))][:DEFAULT_LIMIT]


def _merge(ids: Sequence[UUID]) -> list[UUID]:
    """Merge the pairs and return the merges made; say of how many it was not possible."""
    actor, left = current(), 0
    done: list[UUID] = []
    for _, one, other in suggestions.pairs(tenant_id=actor.tenant_id, ids=ids):
        try:
            merge_id = merging.merge_customers(
                tenant_id=actor.tenant_id, winner_id=one, loser_id=other, actor=actor.ref, handlers=HANDLERS
            )
            done.append(merge_id)
        except CannotMerge:
            # One of them went into another customer through a pair before it.
            left += 1
    if left:
        flash(f"{number(left)} could not be merged: one of the two was merged before.", "warning")
    return done
