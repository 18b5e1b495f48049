"""Who is in a household: add, give a role, remove with undo."""

from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.blueprints.households.base import blueprint
from app.customers import households
from app.customers.greetings import ROLES
from app.customers.households import CannotJoin, Dissolved, Newcomer, NotInIt
from app.infra.ids import as_id
from app.web.guards import current, requires


@blueprint.post("/<uuid:household_id>/members")
@requires("households.edit")
def add_member(household_id: UUID) -> Response:
    """Put somebody into a household; with `move` they leave the one they are in."""
    actor, customer_id = current(), as_id(request.form.get("customer_id"))
    role = request.form.get("role")
    if customer_id is None:
        flash("Choose somebody.", "warning")
        return _back(household_id)
    try:
        households.add(
            tenant_id=actor.tenant_id,
            household_id=household_id,
            newcomer=Newcomer(customer_id, role if role in ROLES else None),
            move=bool(request.form.get("move")),
            actor=actor.ref,
        )
    except (CannotJoin, Dissolved) as refused:
        flash(refused.message, "warning")
    return _back(household_id)


@blueprint.post("/<uuid:household_id>/members/<uuid:customer_id>/role")
@requires("households.edit")
def set_role(household_id: UUID, customer_id: UUID) -> Response:
    """Say as what somebody is in a household."""
    actor = current()
    try:
        households.set_role(
            tenant_id=actor.tenant_id,
            household_id=household_id,
            customer_id=customer_id,
            role=request.form.get("role", ""),
            actor=actor.ref,
        )
    except NotInIt as refused:
        flash(refused.message, "warning")
    return _back(household_id)


@blueprint.post("/<uuid:household_id>/members/<uuid:customer_id>/remove")
@requires("households.edit")
def remove_member(household_id: UUID, customer_id: UUID) -> Response:
    """Take somebody out of a household; its page offers to undo it."""
    actor = current()
    households.remove(tenant_id=actor.tenant_id, household_id=household_id, customer_id=customer_id, actor=actor.ref)
    role = request.form.get("role")
    return redirect(
        url_for("households.show", household_id=household_id, removed=customer_id, role=role if role in ROLES else None)
    )


def _back(household_id: UUID) -> Response:
    return redirect(url_for("households.show", household_id=household_id))
