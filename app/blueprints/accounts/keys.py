"""Settings → API keys."""

from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.accounts import api_keys
from app.accounts.permissions import PERMISSIONS, grantable_scopes
from app.blueprints.accounts import forms
from app.blueprints.accounts.blueprint import blueprint
from app.infra.errors import Invalid
from app.web.guards import current, requires
from app.web.htmx import page


@blueprint.get("/settings/api-keys")
@requires("api_keys.manage")
def api_key_list() -> Response:
    """List the organisation's keys."""
    shown = api_keys.listed(tenant_id=current().tenant_id, cursor=request.args.get("cursor"))
    return page("accounts/api_keys.html", block="results", page=shown, permissions=PERMISSIONS)


@blueprint.get("/settings/api-keys/new")
@requires("api_keys.manage")
def new_api_key() -> Response:
    """Show the form of a new key."""
    form = forms.KeyForm()
    form.offer(grantable_scopes(current().permissions))
    return page("accounts/api_key_new.html", form=form)


@blueprint.post("/settings/api-keys/new")
@requires("api_keys.manage")
def create_api_key() -> Response:
    """Make a key and show it, this once."""
    actor, form = current(), forms.KeyForm(request.form)
    form.offer(grantable_scopes(actor.permissions))
    try:
        key, full = api_keys.create(
            tenant_id=actor.tenant_id,
            actor=actor,
            name=form.text("name"),
            scopes=list(form.scopes.data or ()),
            ip=request.remote_addr,
        )
    except Invalid as error:
        form.refuse(error)
        return page("accounts/api_key_new.html", form=form, status=422)
    return page("accounts/api_key_made.html", key=key, full=full, permissions=PERMISSIONS)


@blueprint.post("/settings/api-keys/<uuid:key_id>/revoke")
@requires("api_keys.manage")
def revoke_api_key(key_id: UUID) -> Response:
    """End a key at once."""
    actor = current()
    api_keys.revoke(tenant_id=actor.tenant_id, actor=actor, key_id=key_id, ip=request.remote_addr)
    flash("The key is revoked; it opens nothing any more.", "success")
    return redirect(url_for("accounts.api_key_list"))
