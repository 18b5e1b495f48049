"""Settings → Clubs: the working days and closures of a club."""

from uuid import UUID

from babel.dates import format_date
from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.accounts import closures as service
from app.accounts import queries
from app.blueprints.accounts import forms
from app.blueprints.accounts.blueprint import blueprint
from app.infra.errors import Invalid
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.shell import organisation


@blueprint.get("/settings/clubs/<uuid:club_id>/closures")
@requires("settings.manage")
def closures(club_id: UUID) -> Response:
    """Show when a club is closed."""
    return _page(club_id)


@blueprint.post("/settings/clubs/<uuid:club_id>/working-days")
@requires("settings.manage")
def set_working_days(club_id: UUID) -> Response:
    """Say on which days of the week a club works."""
    actor, form = current(), forms.WorkingDaysForm(request.form)
    try:
        service.set_working_days(
            tenant_id=actor.tenant_id,
            actor=actor,
            club_id=club_id,
            days=form.working_days.data or [],
            ip=request.remote_addr,
        )
    except Invalid as error:
        form.refuse(error)
        return _page(club_id, week=form, status=422)
    flash("The working days are saved.", "success")
    return redirect(url_for("accounts.closures", club_id=club_id))


@blueprint.post("/settings/clubs/<uuid:club_id>/closures")
@requires("settings.manage")
def add_closure(club_id: UUID) -> Response:
    """Close a club on some days."""
    actor, form = current(), forms.ClosureForm(request.form)
    try:
        made = service.add(
            tenant_id=actor.tenant_id, actor=actor, club_id=club_id, ip=request.remote_addr, **form.values()
        )
    except Invalid as error:
        form.refuse(error)
        return _page(club_id, adding=form, status=422)
    flash(f"“{made.name}” is added.", "success")
    return redirect(url_for("accounts.closures", club_id=club_id))


@blueprint.get("/settings/clubs/<uuid:club_id>/closures/<uuid:closure_id>")
@requires("settings.manage")
def closure(club_id: UUID, closure_id: UUID) -> Response:
    """Show the form of one closure."""
    tenant_id = current().tenant_id
    found = service.closure(tenant_id=tenant_id, club_id=club_id, closure_id=closure_id)
    return _closure_page(club_id, found, forms.ClosureForm(obj=found))


@blueprint.post("/settings/clubs/<uuid:club_id>/closures/<uuid:closure_id>")
@requires("settings.manage")
def change_closure(club_id: UUID, closure_id: UUID) -> Response:
    """Change a closure."""
    actor, form = current(), forms.ClosureForm(request.form)
    found = service.closure(tenant_id=actor.tenant_id, club_id=club_id, closure_id=closure_id)
    try:
        service.change(
            tenant_id=actor.tenant_id,
            actor=actor,
            club_id=club_id,
            closure_id=closure_id,
            ip=request.remote_addr,
            **form.values(),
        )
    except Invalid as error:
        form.refuse(error)
        return _closure_page(club_id, found, form, status=422)
    flash(f"“{form.text('name')}” is saved.", "success")
    return redirect(url_for("accounts.closures", club_id=club_id))


@blueprint.post("/settings/clubs/<uuid:club_id>/closures/<uuid:closure_id>/delete")
@requires("settings.manage")
def remove_closure(club_id: UUID, closure_id: UUID) -> Response:
    """Delete a closure."""
    actor = current()
    found = service.remove(
        tenant_id=actor.tenant_id, actor=actor, club_id=club_id, closure_id=closure_id, ip=request.remote_addr
    )
    flash(f"“{found.name}” is deleted.", "success")
    return redirect(url_for("accounts.closures", club_id=club_id))


def _page(
    club_id: UUID,
    *,
    week: forms.WorkingDaysForm | None = None,
    adding: forms.ClosureForm | None = None,
    status: int = 200,
) -> Response:
    tenant_id = current().tenant_id
    found = service.closures(tenant_id=tenant_id, club_id=club_id)
    club = queries.club(tenant_id=tenant_id, club_id=club_id)
    return page(
        "accounts/closures.html",
        club=club,
        closures=[(one, _days(one)) for one in found],
        week=week or forms.WorkingDaysForm(data={"working_days": club.working_days}),
        form=adding or forms.ClosureForm(),
        status=status,
    )


def _closure_page(club_id: UUID, found: service.ClosureInfo, form: forms.ClosureForm, status: int = 200) -> Response:
    club = queries.club(tenant_id=current().tenant_id, club_id=club_id)
    return page("accounts/closure.html", club=club, closure=found, form=form, status=status)


def _days(one: service.ClosureInfo) -> str:
    style, locale = "d MMMM" if one.yearly else "d MMMM y", organisation().locale
    first, last = (str(format_date(day, style, locale=locale)) for day in (one.starts_on, one.ends_on))
    return first if one.starts_on == one.ends_on else f"{first} to {last}"
