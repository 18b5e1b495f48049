"""Settings → Users: who has an account and what each role may do."""

from collections.abc import Callable
from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.accounts import queries, service
from app.accounts.actor import Actor
from app.accounts.permissions import PERMISSIONS, ROLES
from app.blueprints.accounts import forms, mails
from app.blueprints.accounts.blueprint import blueprint
from app.infra.errors import Invalid, UserError
from app.web.downloads import PERMISSION, download
from app.web.guards import current, requires
from app.web.htmx import page


def _roles_to_give(actor: Actor) -> list[tuple[str, str]]:
    return forms.role_choices(role for role in ROLES if role != "owner" or actor.role == "owner")


@blueprint.get("/settings/users")
@requires("users.view")
def users() -> Response:
    """List the users, and show the table of permissions."""
    shown = queries.users(tenant_id=current().tenant_id, cursor=request.args.get("cursor"))
    return page("accounts/users.html", block="results", page=shown, permissions=PERMISSIONS, roles=ROLES)


@blueprint.post("/settings/users/export")
@requires(PERMISSION)
def export_users() -> Response:
    """Give out the list of users."""
    tenant_id = current().tenant_id
    columns = ("name", "email", "role", "status", "last_sign_in_at", "created_at", "id")
    return download(
        "users",
        seen_by="users.view",
        header=columns,
        pages=lambda cursor, limit: queries.users(tenant_id=tenant_id, cursor=cursor, limit=limit),
        rows=lambda found: [[getattr(one, name) for name in columns] for one in found],
        filters={},
    )


@blueprint.get("/settings/users/invite")
@requires("users.manage")
def invite() -> Response:
    """Show the form that invites somebody."""
    form = forms.InviteForm()
    form.role.choices = _roles_to_give(current())
    return page("accounts/invite.html", form=form)


@blueprint.post("/settings/users/invite")
@requires("users.manage")
def send_invitation() -> Response:
    """Invite somebody by mail."""
    actor, form = current(), forms.InviteForm(request.form)
    form.role.choices = _roles_to_give(actor)
    try:
        invited = mails.invite(
            tenant_id=actor.tenant_id,
            actor=actor,
            email=form.text("email"),
            name=form.text("name"),
            role=form.text("role"),
            ip=request.remote_addr,
        )
    except Invalid as error:
        form.refuse(error)
        return page("accounts/invite.html", form=form, status=422)
    flash(f"An invitation is on its way to {invited.email}.", "success")
    return redirect(url_for("accounts.users"))


@blueprint.get("/settings/users/<uuid:user_id>")
@requires("users.manage")
def user(user_id: UUID) -> Response:
    """Show one user with what can be done about the account."""
    found = queries.user(tenant_id=current().tenant_id, user_id=user_id)
    return _shown(found, forms.RoleForm(role=found.role))


@blueprint.post("/settings/users/<uuid:user_id>/role")
@requires("users.manage")
def change_role(user_id: UUID) -> Response:
    """Give a user another role."""
    actor, form = current(), forms.RoleForm(request.form)
    try:
        changed = service.change_role(
            tenant_id=actor.tenant_id, actor=actor, user_id=user_id, role=form.text("role"), ip=request.remote_addr
        )
    except queries.UserNotFound:
        raise
    except UserError as error:
        form.refuse(Invalid({"role": error.errors.get("role", error.message)}))
        return _shown(queries.user(tenant_id=actor.tenant_id, user_id=user_id), form, status=error.status)
    flash(f"{changed.name} is now {changed.role}, and has to sign in again.", "success")
    return redirect(url_for("accounts.user", user_id=user_id))


@blueprint.post("/settings/users/<uuid:user_id>/disable")
@requires("users.manage")
def disable(user_id: UUID) -> Response:
    """Close an account."""
    return _act(service.disable, user_id, "{name} is signed out and cannot sign in any more.")


@blueprint.post("/settings/users/<uuid:user_id>/enable")
@requires("users.manage")
def enable(user_id: UUID) -> Response:
    """Open a closed account again."""
    return _act(service.enable, user_id, "{name}'s account is open again.")


@blueprint.post("/settings/users/<uuid:user_id>/invite-again")
@requires("users.manage")
def invite_again(user_id: UUID) -> Response:
    """Send an invitation again."""
    return _act(mails.invite_again, user_id, "A new invitation is on its way to {email}.")


@blueprint.post("/settings/users/<uuid:user_id>/withdraw")
@requires("users.manage")
def withdraw(user_id: UUID) -> Response:
    """Take an invitation back."""
    actor = current()
    service.withdraw_invitation(tenant_id=actor.tenant_id, actor=actor, user_id=user_id, ip=request.remote_addr)
    flash("The invitation is withdrawn; its link opens nothing any more.", "success")
    return redirect(url_for("accounts.users"))


def _act(act: Callable[..., queries.UserInfo], user_id: UUID, words: str) -> Response:
    actor = current()
    done = act(tenant_id=actor.tenant_id, actor=actor, user_id=user_id, ip=request.remote_addr)
    flash(words.format(name=done.name, email=done.email), "success")
    return redirect(url_for("accounts.user", user_id=user_id))


def _shown(found: queries.UserInfo, form: forms.RoleForm, status: int = 200) -> Response:
    actor = current()
    form.role.choices = _roles_to_give(actor)
    touchable = actor.user_id != found.id and (found.role != "owner" or actor.role == "owner")
    return page("accounts/user.html", user=found, form=form, touchable=touchable, status=status)
