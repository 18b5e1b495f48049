"""Suggested households: people who share an address, accepted or dismissed one by one or many at once."""

from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.blueprints.customers import presenters
from app.blueprints.households.base import POINT_ICONS, blueprint
from app.customers import household_queries, household_suggestions, households, queries
from app.customers.contact_kinds import KINDS
from app.customers.households import CannotJoin
from app.infra.ids import as_id
from app.infra.paging import DEFAULT_LIMIT
from app.web.guards import current, requires
from app.web.htmx import page


@blueprint.get("/suggested")
@requires("households.edit")
def suggested() -> Response:
    """List the people who may be a household, the likeliest first."""
    tenant_id = current().tenant_id
    found = household_suggestions.suggested(tenant_id=tenant_id, cursor=request.args.get("cursor"))
    people = {one for suggestion in found.items for one in suggestion.customer_ids}
    homes = {one for suggestion in found.items for one in suggestion.household_ids}
    return page(
        "households/suggested.html",
        block="results",
        page=found,
        people=queries.by_ids(tenant_id=tenant_id, customer_ids=people),
        homes=household_queries.by_ids(tenant_id=tenant_id, household_ids=homes),
        dismissed=_ids("dismissed"),
        made=household_queries.by_ids(tenant_id=tenant_id, household_ids=_ids("made")),
        point_icons=POINT_ICONS,
        point_labels=KINDS,
        full_name=presenters.full_name,
    )


@blueprint.post("/suggested")
@requires("households.edit")
def decide_suggested() -> Response:
    """Make households of the chosen suggestions, or say that they are none."""
    actor = current()
    ids = [id_ for one in request.form.getlist("suggestion") if (id_ := as_id(one))]
    if not ids:
        flash("Choose at least one suggestion.", "warning")
        return redirect(url_for("households.suggested"))
    if request.form.get("act") == "accept":
        try:
            done = households.accept(tenant_id=actor.tenant_id, ids=ids, actor=actor.ref)
        except CannotJoin as refused:
            flash(refused.message, "warning")
            return redirect(url_for("households.suggested"))
        if done.left:
            flash("What nobody new was in, or would be too many people, was left as it is.", "warning")
        return redirect(url_for("households.suggested", made=done.households[:DEFAULT_LIMIT]))
    household_suggestions.dismiss(tenant_id=actor.tenant_id, ids=ids, actor=actor.ref)
    return redirect(url_for("households.suggested", dismissed=ids))


@blueprint.post("/suggested/reopen")
@requires("households.edit")
def reopen_suggested() -> Response:
    """Take dismissals back."""
    actor = current()
    ids = [id_ for one in request.form.getlist("suggestion") if (id_ := as_id(one))]
    household_suggestions.reopen(tenant_id=actor.tenant_id, ids=ids, actor=actor.ref)
    flash("They are suggested again.", "success")
    return redirect(url_for("households.suggested"))


def _ids(name: str) -> list[UUID]:
    return [id_ for one in request.args.getlist(name) if (id_ := as_id(one))][:DEFAULT_LIMIT]
