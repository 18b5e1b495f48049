"""Settings → Events: the sync log, what became of each event, and the catalogue of types."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.blueprints.events import presenters
from app.customers import queries as customers
from app.events import catalogue, queries, service
from app.infra.config import load
from app.web.downloads import PERMISSION, download
from app.web.guards import can, current, requires
from app.web.htmx import page
from app.web.lists import asked_choice
from app.web.shell import number

blueprint = Blueprint("events", __name__, url_prefix="/settings/events")
STATUSES = list(presenters.STATUS_LABELS.items())


@blueprint.get("")
@requires("events.view")
def index() -> Response:
    """List what came in, the newest first."""
    tenant_id, filters = current().tenant_id, _filters()
    found = queries.events(tenant_id=tenant_id, cursor=request.args.get("cursor"), **filters)
    return page(
        "events/index.html",
        block="results",
        page=found,
        filters=filters,
        statuses=STATUSES,
        types=_type_options(filters["type"]),
        sources=[(one, one) for one in queries.sources(tenant_id=tenant_id)],
        names=_names(tenant_id, [one.customer_id for one in found.items if one.customer_id]),
        **_words(),
    )


def _filters() -> dict[str, Any]:
    free = {name: request.args.get(name, "").strip() or None for name in ("source", "type")}
    return free | {"status": asked_choice("status", presenters.STATUS_LABELS)}


COLUMNS = (
    "event_id",
    "source",
    "type",
    "status",
    "reason",
    "customer_id",
    "matched_by",
    "confidence",
    "occurred_at",
    "received_at",
    "processed_at",
    "attempts",
)


@blueprint.post("/export")
@requires(PERMISSION)
def export() -> Response:
    """Give out the events the list shows, without what they say of people."""
    tenant_id, filters = current().tenant_id, _filters()
    return download(
        "events",
        seen_by="events.view",
        header=COLUMNS,
        pages=lambda cursor, limit: queries.events(tenant_id=tenant_id, cursor=cursor, limit=limit, **filters),
        rows=lambda found: [[getattr(one, name) for name in COLUMNS] for one in found],
        filters=filters,
    )


@blueprint.get("/<uuid:event_id>")
@requires("events.view")
def show(event_id: UUID) -> Response:
    """Show one event: what it said, whose it is, and how its application went."""
    tenant_id = current().tenant_id
    event = queries.event(tenant_id=tenant_id, event_id=event_id)
    readable = can("events.view_content")
    return page(
        "events/show.html",
        event=event,
        kind=catalogue.get(event.type),
        is_known=catalogue.is_known(event.type),
        readable=readable,
        identity=presenters.pretty(event.identity, readable),
        payload=presenters.pretty(event.payload, readable),
        names=_names(tenant_id, [event.customer_id] if event.customer_id else []),
        **_words(),
    )


@blueprint.post("/<uuid:event_id>/retry")
@requires("events.retry")
def retry(event_id: UUID) -> Response:
    """Try a failed event again."""
    service.retry(tenant_id=current().tenant_id, event_id=event_id)
    flash("The event is being applied again. Reload in a moment to see how it went.", "success")
    return redirect(url_for("events.show", event_id=event_id))


@blueprint.post("/retry")
@requires("events.retry")
def retry_all() -> Response:
    """Try all failed events again."""
    count = service.retry_all(tenant_id=current().tenant_id)
    flash(
        f"{number(count)} events are being applied again." if count else "No event has failed.",
        "success" if count else "info",
    )
    return redirect(url_for("events.index", status="received" if count else None))


@blueprint.get("/types")
@requires("events.view")
def types() -> Response:
    """Show the event types Fairway knows, and how events are sent in."""
    return page("events/types.html", rows=presenters.type_rows(), public_url=load().public_url)


def _words() -> dict[str, Any]:
    return {
        "tones": presenters.STATUS_TONES,
        "labels": presenters.STATUS_LABELS,
        "hint_words": presenters.hint_words,
        "kind_of": catalogue.get,
    }


def _type_options(chosen: str | None) -> list[tuple[str, str]]:
    """Return the types one may filter by: the known ones, and the one chosen, which need not be known."""
    options = [(kind.name, f"{kind.label} ({kind.name})") for kind in catalogue.known()]
    options.sort(key=lambda one: one[1].lower())
    if chosen and chosen not in dict(options):
        options.append((chosen, chosen))
    return options


def _names(tenant_id: UUID, ids: list[UUID]) -> dict[UUID, str]:
    """Return the customers' names by id; nothing for those who may not see customers."""
    return customers.names(tenant_id=tenant_id, customer_ids=ids) if ids and can("customers.view") else {}
