"""Home: what the signed-in role needs first, kept up to date by itself."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, redirect, url_for
from werkzeug.wrappers import Response as Answer

from app.analytics import home, work
from app.campaigns import approval, awaiting
from app.customers import tasks
from app.infra import clock
from app.web.activities import look
from app.web.guards import can, current, requires
from app.web.htmx import page
from app.web.shell import NAVIGATION, organisation

blueprint = Blueprint("home", __name__)
LATELY = timedelta(minutes=15)
"""So long what somebody did can be taken back on Home."""


@blueprint.get("/")
@requires("home.view")
def index() -> Response | Answer:
    """Show what runs, what went out and what wants attention; staff get the search, ops go to the queues."""
    if can("queues.view") and not can("customers.view"):
        return redirect(url_for("ops.queues"))
    return page("home/index.html", block="live", **_figures())


@blueprint.get("/settings")
@requires("home.view")
def settings() -> Answer:
    """Lead to the first page of settings that the role may see; who may see none of them has a page of their own."""
    there = next(items for label, items in NAVIGATION if label == "Settings")
    seen = next((one.endpoint for one in there if can(one.permission)), "accounts.me")
    return redirect(url_for(seen))


def _figures() -> dict[str, Any]:
    actor, now = current(), clock.now()
    tenant_id = actor.tenant_id
    figures: dict[str, Any] = {"now": now, "look": look}
    if can("journeys.view"):
        figures["journeys"] = home.running_journeys(tenant_id=tenant_id)
        figures["today"] = home.today(tenant_id=tenant_id, zone=ZoneInfo(organisation().timezone), now=now)
        figures["failures"] = work.failures(tenant_id=tenant_id, now=now)
    if can(approval.PERMISSION):
        figures["to_approve"] = approval.waiting_for(tenant_id=tenant_id, actor=actor.ref)
    if can("campaigns.run"):
        figures["of_mine"] = awaiting.of_mine(tenant_id=tenant_id, actor=actor.ref, now=now)
    if can(tasks.PERMISSION):
        figures["tasks"] = tasks.mine(tenant_id=tenant_id, user_id=actor.user_id, role=actor.role or "")
        figures["done_tasks"] = tasks.done_by(tenant_id=tenant_id, actor=actor.ref, since=now - LATELY)
    if can("customers.view"):
        figures["latest"] = home.latest(tenant_id=tenant_id, limit=12 if can("journeys.view") else 30)
    return figures
