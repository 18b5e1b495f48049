"""Tasks about customers: done with a click, on Home and on the customer's page, and taken back with another."""

from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.customers import tasks
from app.infra import clock
from app.road import TASK_FOLLOWERS
from app.web.guards import current, requires

blueprint = Blueprint("tasks", __name__, url_prefix="/tasks")


@blueprint.post("/<uuid:task_id>/done")
@requires("tasks.do")
def done(task_id: UUID) -> Answer:
    """Note that a task is done; whoever waits for it in a journey goes on."""
    actor = current()
    tasks.done(
        tenant_id=actor.tenant_id,
        task_id=task_id,
        actor=actor.ref,
        name=actor.name,
        now=clock.now(),
        followers=TASK_FOLLOWERS,
    )
    flash("The task is done.", "success")
    return _back(task_id)


@blueprint.post("/<uuid:task_id>/reopen")
@requires("tasks.do")
def reopen(task_id: UUID) -> Answer:
    """Take back that a task is done."""
    tasks.reopen(tenant_id=current().tenant_id, task_id=task_id)
    flash("The task is to be done again.", "success")
    return _back(task_id)


def _back(task_id: UUID) -> Answer:
    """Return to where the button was pressed."""
    if request.form.get("from") == "home":
        return redirect(url_for("home.index"))
    found = tasks.task(tenant_id=current().tenant_id, task_id=task_id)
    return redirect(url_for("customers.show", customer_id=found.customer_id))
