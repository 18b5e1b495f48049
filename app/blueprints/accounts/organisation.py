"""Settings → Organisation and clubs."""

from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.accounts import clubs as service
from app.accounts import places, queries
from app.blueprints.accounts import forms
from app.blueprints.accounts.blueprint import blueprint
from app.infra.errors import Invalid
from app.web.guards import current, requires
from app.web.htmx import page


@blueprint.get("/settings/clubs")
@requires("settings.manage")
def clubs() -> Response:
    """Show the organisation and list its clubs."""
    tenant_id = current().tenant_id
    return page(
        "accounts/clubs.html",
        organisation=queries.tenant_info(tenant_id=tenant_id),
        clubs=queries.clubs(tenant_id=tenant_id),
        countries=dict(places.countries()),
        locales=dict(places.locales()),
    )


@blueprint.get("/settings/clubs/new")
@requires("settings.manage")
def new_club() -> Response:
    """Show the form of a new club."""
    return _club_page(forms.PlaceForm())


@blueprint.post("/settings/clubs/new")
@requires("settings.manage")
def add_club() -> Response:
    """Add a club."""
    actor, form = current(), forms.PlaceForm(request.form)
    try:
        service.add(tenant_id=actor.tenant_id, actor=actor, ip=request.remote_addr, **form.values())
    except Invalid as error:
        form.refuse(error)
        return _club_page(form, status=422)
    flash(f"{form.text('name')} is added.", "success")
    return redirect(url_for("accounts.clubs"))


@blueprint.get("/settings/clubs/<uuid:club_id>")
@requires("settings.manage")
def club(club_id: UUID) -> Response:
    """Show one club's form."""
    found = queries.club(tenant_id=current().tenant_id, club_id=club_id)
    return _club_page(forms.PlaceForm(obj=found), found)


@blueprint.post("/settings/clubs/<uuid:club_id>")
@requires("settings.manage")
def change_club(club_id: UUID) -> Response:
    """Change a club."""
    actor, form = current(), forms.PlaceForm(request.form)
    found = queries.club(tenant_id=actor.tenant_id, club_id=club_id)
    try:
        service.change(tenant_id=actor.tenant_id, actor=actor, club_id=club_id, ip=request.remote_addr, **form.values())
    except Invalid as error:
        form.refuse(error)
        return _club_page(form, found, status=422)
    flash(f"{form.text('name')} is saved.", "success")
    return redirect(url_for("accounts.clubs"))


@blueprint.get("/settings/organisation")
@requires("settings.manage")
def organisation() -> Response:
    """Show the organisation's form."""
    found = queries.tenant_info(tenant_id=current().tenant_id)
    return page("accounts/organisation.html", form=forms.PlaceForm(obj=found))


@blueprint.post("/settings/organisation")
@requires("settings.manage")
def change_organisation() -> Response:
    """Change the organisation."""
    actor, form = current(), forms.PlaceForm(request.form)
    try:
        service.change_organisation(tenant_id=actor.tenant_id, actor=actor, ip=request.remote_addr, **form.values())
    except Invalid as error:
        form.refuse(error)
        return page("accounts/organisation.html", form=form, status=422)
    flash("The organisation is saved.", "success")
    return redirect(url_for("accounts.clubs"))


def _club_page(form: forms.PlaceForm, club: queries.ClubInfo | None = None, status: int = 200) -> Response:
    first = club is None and not queries.clubs(tenant_id=current().tenant_id)
    return page("accounts/club.html", form=form, club=club, first=first, status=status)
