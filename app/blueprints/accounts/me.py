"""One's own account: name, password, sign-ins."""

from uuid import UUID

from flask import flash, redirect, request, session, url_for
from flask_login import logout_user
from werkzeug.wrappers import Response

from app.accounts import service, sessions
from app.blueprints.accounts import forms
from app.blueprints.accounts.blueprint import blueprint
from app.blueprints.accounts.entry import open_for
from app.infra.errors import Invalid
from app.web.guards import current, requires
from app.web.htmx import page


def _user_id() -> UUID:
    """Return whose account this is; only users hold `account.self`, no machine does."""
    user_id = current().user_id
    assert user_id is not None
    return user_id


def _shown(profile: forms.ProfileForm | None = None, password: forms.PasswordForm | None = None) -> Response:
    actor = current()
    return page(
        "accounts/me.html",
        status=422 if profile or password else 200,
        actor=actor,
        profile=profile or forms.ProfileForm(name=actor.name),
        password=password or forms.PasswordForm(),
        sign_ins=sessions.listed(tenant_id=actor.tenant_id, user_id=_user_id()),
    )


@blueprint.get("/account")
@requires("account.self")
def me() -> Response:
    """Show one's own account."""
    return _shown()


@blueprint.post("/account/name")
@requires("account.self")
def rename() -> Response:
    """Change one's own name."""
    form = forms.ProfileForm(request.form)
    try:
        service.rename(tenant_id=current().tenant_id, user_id=_user_id(), name=form.text("name"))
    except Invalid as error:
        form.refuse(error)
        return _shown(profile=form)
    flash("Your name is changed.", "success")
    return redirect(url_for("accounts.me"))


@blueprint.post("/account/password")
@requires("account.self")
def change_password() -> Response:
    """Change one's own password: every sign-in ends, and this browser gets a new one."""
    actor, form = current(), forms.PasswordForm(request.form)
    try:
        service.change_password(
            tenant_id=actor.tenant_id,
            user_id=_user_id(),
            current=form.text("current"),
            new=form.text("password"),
            ip=request.remote_addr,
        )
    except Invalid as error:
        form.refuse(error)
        return _shown(password=form)
    open_for(service.Account(actor.tenant_id, _user_id(), actor.email or ""))
    flash("Your password is changed. Every other sign-in has ended.", "success")
    return redirect(url_for("accounts.me"))


@blueprint.post("/account/sign-ins/<uuid:session_id>/end")
@requires("account.self")
def end_sign_in(session_id: UUID) -> Response:
    """End one of one's own sign-ins."""
    sessions.revoke(tenant_id=current().tenant_id, user_id=_user_id(), session_id=session_id)
    flash("That sign-in has ended.", "success")
    return redirect(url_for("accounts.me"))


@blueprint.post("/account/sign-out-everywhere")
@requires("account.self")
def sign_out_everywhere() -> Response:
    """End all of one's own sign-ins, this one too."""
    sessions.revoke_all(tenant_id=current().tenant_id, user_id=_user_id())
    logout_user()
    session.clear()
    flash("You are signed out on every device.", "success")
    return redirect(url_for("accounts.sign_in"))


@blueprint.app_template_filter("device")
def device(user_agent: str | None) -> str:
    """Return a browser's description of itself in a few words: "Firefox on Windows"."""
    text = user_agent or ""
    # Every browser claims to be several others; the first that fits is the one it is.
    programs = {
        "Edg": "Edge",
        "OPR": "Opera",
        "Firefox": "Firefox",
        "Chrome": "Chrome",
        "Safari": "Safari",
        "curl": "curl",
        "python": "Python",
    }
    systems = {
        "Android": "Android",
        "iPhone": "iPhone",
        "iPad": "iPad",
        "Windows": "Windows",
        "Mac OS": "macOS",
        "Linux": "Linux",
    }
    program = next((name for mark, name in programs.items() if mark in text), None)
    system = next((name for mark, name in systems.items() if mark in text), None)
    if program and system:
        return f"{program} on {system}"
    return program or system or "Unknown device"
