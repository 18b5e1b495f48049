"""The list of segments, and the page of one: how many are in it, how it grew, where it is used."""

from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.segments import charts, presenters
from app.blueprints.segments.base import Shown, blueprint
from app.infra import clock
from app.road import SEGMENT_USERS
from app.segments import lately, queries, ready_made, service, usage
from app.segments.models import TYPES
from app.web.downloads import PERMISSION, download
from app.web.guards import can, current, requires
from app.web.htmx import is_htmx, page
from app.web.lists import asked_choice, asked_for, asked_id, asked_sort, just_archived

RANGES = (30, 90, 365)
_COLUMNS = (
    "name",
    "description",
    "type",
    "member_count",
    "refresh_frequency",
    "refreshed_at",
    "updated_at",
    "created_at",
    "id",
)


@blueprint.get("")
@requires("segments.view")
def index() -> Response:
    """List the segments: by type, club and part of the name, archived ones apart."""
    tenant_id, filters, sort = current().tenant_id, _filters(), asked_sort(queries.SORTS, "name")
    found = queries.page(tenant_id=tenant_id, sort=sort, cursor=request.args.get("cursor"), **filters)
    ids = [one.id for one in found.items]
    words = presenters.Words(tenant_id)
    uses = usage.of(tenant_id=tenant_id, segment_ids=ids, users=SEGMENT_USERS)
    return page(
        "segments/index.html",
        block="results",
        page=found,
        filters=filters,
        filtered=any(filters.values()),
        sort=sort,
        sentences={one.id: words.sentence(one) for one in found.items},
        lately=lately.of(tenant_id=tenant_id, segment_ids=ids, today=clock.now().astimezone(words.zone(None)).date()),
        used={key: len(found) for key, found in uses.items()},
        clubs={str(key): name for key, name in words.clubs.items()},
        type_labels=presenters.TYPE_LABELS,
        ready=ready_made.offered(tenant_id=tenant_id) if can("segments.edit") else [],
        gone=just_archived(lambda id_: queries.one(tenant_id=tenant_id, segment_id=id_)),
    )


def _filters() -> dict[str, Any]:
    return {
        "q": request.args.get("q", "").strip() or None,
        "type": asked_choice("type", TYPES),
        "club_id": asked_id("club"),
        "archived": asked_for("show", "archived"),
    }


@blueprint.post("/export")
@requires(PERMISSION)
def export_list() -> Response:
    """Give out the segments the list shows."""
    tenant_id, filters, sort = current().tenant_id, _filters(), asked_sort(queries.SORTS, "name")
    words = presenters.Words(tenant_id)
    return download(
        "segments",
        seen_by="segments.view",
        header=[*_COLUMNS, "club", "conditions"],
        pages=lambda cursor, limit: queries.page(tenant_id=tenant_id, sort=sort, cursor=cursor, limit=limit, **filters),
        rows=lambda found: [
            [
                *(getattr(one, name) for name in _COLUMNS),
                words.clubs.get(one.club_id) if one.club_id else None,
                words.sentence(one),
            ]
            for one in found
        ],
        filters=filters | {"sort": sort},
    )


@blueprint.get("/<uuid:segment_id>")
@requires("segments.view")
def show(segment_id: UUID) -> Response:
    """Show one segment: how many are in it, how it grew, where it is used."""
    shown = Shown(segment_id)
    days = int(asked_choice("days", {str(one) for one in RANGES}) or RANGES[0])
    today = clock.now().astimezone(shown.words.zone(shown.segment.club_id)).date()
    return shown.page(
        "overview",
        block="growth" if "days" in request.args else "standing",
        lately=lately.of(tenant_id=shown.tenant_id, segment_ids=[segment_id], today=today).get(segment_id),
        took=presenters.took(shown.segment.refresh_took_ms),
        growth=charts.growth(shown.tenant_id, segment_id, days, today),
        days=days,
        ranges=RANGES,
        refreshed_meanwhile=is_htmx(),
        uses=shown.uses,
    )


@blueprint.post("/ready-made")
@requires("segments.edit")
def add_ready_made() -> Answer:
    """Make one of the segments every organisation needs, and show it."""
    actor = current()
    try:
        made = ready_made.make(
            tenant_id=actor.tenant_id,
            key=request.form.get("recipe", ""),
            actor=actor.ref,
            actor_name=actor.name,
        )
    except service.NameTaken as refused:
        flash(refused.message, "warning")
        return redirect(url_for("segments.index"))
    return redirect(url_for("segments.show", segment_id=made.id))
