"""Who is in a segment: the list, and it as a file; and who is put on a static one's list, and taken off it."""

from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.customers.presenters import STAGE_LABELS, full_name
from app.blueprints.segments.base import Shown, blueprint
from app.capture.imports import queries as imports
from app.customers import queries as customers
from app.infra.errors import Invalid
from app.infra.ids import as_id
from app.road import SEGMENT_TELLERS, SEGMENT_USERS
from app.segments import queries, service
from app.segments.models import STATIC
from app.segments.usage import InUse
from app.web.downloads import PERMISSION, download
from app.web.guards import can, current, requires
from app.web.htmx import page
from app.web.shell import localtime, number

FOUND = 50
_COLUMNS = ("first_name", "last_name", "email", "phone", "membership_tier", "lifecycle_stage")


def _q() -> str | None:
    return request.args.get("q", "").strip() or None


@blueprint.get("/<uuid:segment_id>/people")
@requires("customers.view")
def people(segment_id: UUID) -> Response:
    """List who is in the segment, by name."""
    shown = Shown(segment_id)
    found = queries.members(tenant_id=shown.tenant_id, segment_id=segment_id, q=_q(), cursor=request.args.get("cursor"))
    return shown.page(
        "people",
        block="results",
        page=found,
        q=_q(),
        clubs=shown.words.clubs,
        full_name=full_name,
        stage_labels=STAGE_LABELS,
        removed=_removed(shown.tenant_id),
        may_change=shown.segment.type == STATIC and not shown.segment.archived_at and can("segments.edit"),
    )


@blueprint.post("/<uuid:segment_id>/people/export")
@requires(PERMISSION)
def export_people(segment_id: UUID) -> Response:
    """Give out who is in the segment, as the list shows them."""
    tenant_id, q = current().tenant_id, _q()
    shown = Shown(segment_id)

    def rows(found: list[queries.Member]) -> list[list[Any]]:
        return [
            [
                *(getattr(one.customer, name) for name in _COLUMNS),
                shown.words.clubs.get(one.customer.club_id) if one.customer.club_id else None,
                one.entered_at,
                one.customer.id,
            ]
            for one in found
        ]

    return download(
        "people-in-segment",
        seen_by="customers.view",
        header=[*_COLUMNS, "club", "in_since", "id"],
        pages=lambda cursor, limit: queries.members(
            tenant_id=tenant_id, segment_id=segment_id, q=q, cursor=cursor, limit=limit
        ),
        rows=rows,
        filters={"segment": segment_id, "q": q},
    )


def _removed(tenant_id: UUID) -> tuple[UUID, str] | None:
    """Return whom somebody has just taken off the list, and what they are called."""
    customer_id = as_id(request.args.get("removed"))
    names = customers.names(tenant_id=tenant_id, customer_ids=[customer_id]) if customer_id else {}
    return (customer_id, names[customer_id]) if customer_id in names else None


@blueprint.get("/<uuid:segment_id>/people/add")
@requires("segments.edit")
def adding(segment_id: UUID) -> Response:
    """Look for customers to put on a static segment's list; or paste them, or take those of an import."""
    return _adding_page(Shown(segment_id))


def _adding_page(shown: Shown, status: int = 200, **said: Any) -> Response:
    tenant_id, q = shown.tenant_id, _q()
    found = customers.customers(tenant_id=tenant_id, q=q, limit=FOUND).items if q else []
    ids = [one.id for one in found]
    runs = imports.runs(tenant_id=tenant_id).items if can("imports.view") else []
    return page(
        "segments/adding.html",
        block="results",
        status=status,
        segment=shown.segment,
        q=q,
        found=found,
        inside=queries.inside(tenant_id=tenant_id, segment_id=shown.segment.id, customer_ids=ids),
        full_name=full_name,
        imports=[(str(one.id), f"{one.file_name}, {localtime(one.created_at)}") for one in runs],
        **said,
    )


@blueprint.post("/<uuid:segment_id>/people")
@requires("segments.edit")
def add_people(segment_id: UUID) -> Answer:
    """Put those chosen on the list."""
    actor = current()
    chosen = [one for text in request.form.getlist("customer_id") if (one := as_id(text))]
    if not chosen:
        flash("Choose somebody.", "warning")
        return redirect(url_for("segments.adding", segment_id=segment_id, q=request.form.get("q") or None))
    added = service.add_people(
        tenant_id=actor.tenant_id,
        segment_id=segment_id,
        customer_ids=chosen,
        actor=actor.ref,
        tellers=SEGMENT_TELLERS,
    )
    return _added(segment_id, added)


def _added(segment_id: UUID, added: int) -> Answer:
    words = "Nobody new is" if not added else "1 person is" if added == 1 else f"{number(added)} people are"
    flash(f"{words} on the list.", "success" if added else "info")
    return redirect(url_for("segments.people", segment_id=segment_id))


@blueprint.post("/<uuid:segment_id>/people/pasted")
@requires("segments.edit")
def add_pasted(segment_id: UUID) -> Response | Answer:
    """Put those on the list whose e-mail addresses or member numbers were pasted; say which lines matched nobody."""
    actor, lines = current(), request.form.get("lines", "")
    try:
        found = service.add_pasted(
            tenant_id=actor.tenant_id, segment_id=segment_id, lines=lines, actor=actor.ref, tellers=SEGMENT_TELLERS
        )
    except Invalid as wrong:
        return _adding_page(Shown(segment_id), lines=lines, line_errors=list(wrong.errors.values()), status=422)
    if not found.unmatched and not found.ambiguous:
        return _added(segment_id, found.added)
    # What is left to be looked at stays in the form.
    left = "\n".join([*found.unmatched, *found.ambiguous])
    return _adding_page(Shown(segment_id), lines=left, pasted=found)


@blueprint.post("/<uuid:segment_id>/people/imported")
@requires("segments.edit")
def add_imported(segment_id: UUID) -> Answer:
    """Put everybody on the list whom an import added or changed."""
    actor = current()
    try:
        added = service.add_imported(
            tenant_id=actor.tenant_id,
            segment_id=segment_id,
            import_id=as_id(request.form.get("import_id")),
            actor=actor.ref,
            tellers=SEGMENT_TELLERS,
        )
    except Invalid as wrong:
        flash(next(iter(wrong.errors.values())), "warning")
        return redirect(url_for("segments.adding", segment_id=segment_id))
    return _added(segment_id, added)


@blueprint.post("/<uuid:segment_id>/people/<uuid:customer_id>/remove")
@requires("segments.edit")
def remove_person(segment_id: UUID, customer_id: UUID) -> Answer:
    """Take somebody off the list; its page offers to undo it."""
    actor = current()
    try:
        service.remove_people(
            tenant_id=actor.tenant_id,
            segment_id=segment_id,
            customer_ids=[customer_id],
            actor=actor.ref,
            users=SEGMENT_USERS,
            tellers=SEGMENT_TELLERS,
        )
    except InUse as refused:
        flash(refused.message, "warning")
        return redirect(url_for("segments.show", segment_id=segment_id, _anchor="used-in"))
    return redirect(url_for("segments.people", segment_id=segment_id, removed=customer_id))
