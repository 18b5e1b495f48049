"""Queues: what waits, how fast it moves, who works, what failed and why."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, redirect, url_for
from redis.exceptions import RedisError
from werkzeug.wrappers import Response as Answer

from app.analytics import work
from app.infra import clock, queue
from app.infra.config import load
from app.infra.heartbeat import silent_for
from app.messaging import breaker, slowing
from app.messaging.inbound import intake
from app.messaging.inbound.intake import OUTCOME_WORDS
from app.web.guards import current, requires
from app.web.htmx import page

blueprint = Blueprint("ops", __name__, url_prefix="/ops")


@blueprint.get("/queues")
@requires("queues.view")
def queues() -> Response:
    """Show the queues; the figures renew themselves."""
    return page("ops/queues.html", block="live", **_state(current().tenant_id))


@blueprint.post("/jobs/<job_id>/retry")
@requires("queues.manage")
def retry(job_id: str) -> Answer:
    """Put a failed job back on its queue."""
    queue.retry(current().tenant_id, job_id)
    flash("The job is back on its queue.", "success")
    return redirect(url_for("ops.queues"))


@blueprint.post("/jobs/<job_id>/remove")
@requires("queues.manage")
def remove(job_id: str) -> Answer:
    """Forget a failed job; the work it stood for stays due and is found by the next tick."""
    queue.remove(current().tenant_id, job_id)
    flash("The job is forgotten. What it should have done is still due and will be picked up.", "success")
    return redirect(url_for("ops.queues"))


def _state(tenant_id: UUID) -> dict[str, Any]:
    now, silent = clock.now(), silent_for("tick")
    state: dict[str, Any] = {
        "now": now,
        "backlogs": work.backlogs(tenant_id=tenant_id, now=now),
        "failures": work.failures(tenant_id=tenant_id, now=now),
        "counted": work.COUNTED,
        "ticked_at": None if silent is None else now - silent,
        "left_alone": breaker.opened(tenant_id=tenant_id),
        "slowing": slowing.known(tenant_id=tenant_id, now=now, counted=work.COUNTED),
        "came_in": [(OUTCOME_WORDS[one], count) for one, count in intake.counts(now=now).items()],
        "takes_mail_in": load().inbound_domain,
    }
    try:
        state |= {"workers": queue.workers(), "waiting": queue.waiting(), "failed": queue.failed(tenant_id)}
    except RedisError as error:
        state["redis_error"] = str(error)
    return state
