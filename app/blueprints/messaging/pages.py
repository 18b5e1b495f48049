"""The pages of messages: all of them with filters, and each one with its why."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request

from app.infra import clock
from app.messaging import explain, queries
from app.messaging.feedback import BOUNCE_WORDS
from app.messaging.runs import NEVER
from app.messaging.states import (
    REASON_WORDS,
    STATUS_TONES,
    STATUS_WORDS,
    Reason,
    Status,
    instead_in_words,
    reason_in_words,
)
from app.web.channels import CHANNEL_LABELS, NOT_MAIL
from app.web.downloads import PERMISSION, download
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.lists import asked_choice, asked_for, asked_id
from app.web.shell import organisation

blueprint = Blueprint("messaging", __name__, url_prefix="/messages")

WAITING = "waiting"
"""What the filter by status calls all that is still to go out."""
IN_LINE = "in_line"
"""What it calls those of them that wait for no winner of an A/B test."""
WORDS: dict[str, Any] = {
    "tones": STATUS_TONES,
    "labels": STATUS_WORDS,
    "why": reason_in_words,
    "instead": instead_in_words,
    "bounces": BOUNCE_WORDS,
    "channel_labels": CHANNEL_LABELS,
    "channel_words": NOT_MAIL,
    "never": NEVER,
}


@blueprint.get("")
@requires("messages.view")
def index() -> Response:
    """List messages, by what became of them, why, and what they are of."""
    tenant_id, filters = current().tenant_id, _filters()
    found = queries.page(tenant_id=tenant_id, cursor=request.args.get("cursor"), **filters)
    return page(
        "messaging/index.html",
        block="results",
        page=found,
        filters=filters,
        statuses=[
            (WAITING, "Waiting (queued or held)"),
            (IN_LINE, "Waiting, but for no winner"),
            *STATUS_WORDS.items(),
        ],
        shown=WAITING if filters["waiting"] else IN_LINE if filters["in_line"] else filters["status"],
        reasons=[(one.value, words) for one, words in REASON_WORDS.items()],
        journeys=queries.journey_choices(tenant_id=tenant_id),
        campaigns=queries.campaign_choices(tenant_id=tenant_id),
        now=clock.now(),
        **WORDS,
    )


def _filters() -> dict[str, Any]:
    status = asked_choice("status", {*Status, WAITING, IN_LINE})
    today = asked_for("today", "1")
    return {
        "status": status if status not in (WAITING, IN_LINE) else None,
        "waiting": status == WAITING,
        "in_line": status == IN_LINE,
        "reason": asked_choice("reason", set(Reason)),
        "journey_id": asked_id("journey"),
        "campaign_id": asked_id("campaign"),
        "customer_id": asked_id("customer"),
        "since": clock.midnight(clock.now(), ZoneInfo(organisation().timezone)) if today else None,
    }


COLUMNS = (
    "channel",
    "status",
    "reason",
    "to_address",
    "instead_of",
    "customer_name",
    "customer_id",
    "journey_name",
    "campaign_name",
    "template_name",
    "subject",
    "due_at",
    "sent_at",
    "id",
)


@blueprint.post("/export")
@requires(PERMISSION)
def export() -> Response:
    """Give out the messages the list shows."""
    tenant_id, filters = current().tenant_id, _filters()
    return download(
        "messages",
        seen_by="messages.view",
        header=COLUMNS,
        pages=lambda cursor, limit: queries.page(tenant_id=tenant_id, cursor=cursor, limit=limit, **filters),
        rows=lambda found: [[one[name] for name in COLUMNS] for one in found],
        filters=filters,
    )


@blueprint.get("/<uuid:message_id>")
@requires("messages.view")
def show(message_id: UUID) -> Response:
    """Show one message: where it stands, why, and what the other side said."""
    tenant_id = current().tenant_id
    message = queries.get(tenant_id=tenant_id, message_id=message_id)
    open_ = message["status"] in (Status.QUEUED, Status.HELD, Status.SKIPPED)
    return page(
        "messaging/show.html",
        message=message,
        now=clock.now(),
        story=explain.story(message),
        looked=explain.of_message(tenant_id=tenant_id, message_id=message_id, now=clock.now()) if open_ else [],
        **WORDS,
    )
