"""The doors: sign in and out, register, accept an invitation, forget a password."""

from flask import flash, redirect, request, session, url_for
from flask_login import current_user, login_user, logout_user
from werkzeug.wrappers import Response

from app.accounts import links, service, sessions, sign_in
from app.accounts.actor import Actor
from app.blueprints.accounts import forms, mails
from app.blueprints.accounts.blueprint import blueprint
from app.blueprints.accounts.limits import forget_tries, limits_mails, limits_registration, limits_sign_in
from app.infra.errors import Invalid
from app.web.guards import current, public, requires, safe_next
from app.web.htmx import page


def begin(actor: Actor) -> None:
    """Put a fresh sign-in into the browser; what the browser held before, a sign-in too, ends."""
    before = sessions.load(session.get("_user_id", ""))
    if before is not None and before.user_id and before.session_id:
        sessions.revoke(tenant_id=before.tenant_id, user_id=before.user_id, session_id=before.session_id)
    session.clear()
    session.permanent = True
    login_user(actor)


def open_for(account: service.Account) -> None:
    """Sign in the user of an account that has just proven itself in another way than by its password."""
    begin(
        sessions.open_web(
            tenant_id=account.tenant_id,
            user_id=account.user_id,
            ip=request.remote_addr,
            user_agent=request.user_agent.string,
        )
    )


@blueprint.get("/sign-in", endpoint="sign_in")
@public
def show_sign_in() -> Response:
    """Show the sign-in form; who is signed in already goes on."""
    target = safe_next(request.args.get("next"))
    if current_user.is_authenticated:
        return redirect(target or url_for("home.index"))
    return page("accounts/sign_in.html", form=forms.SignInForm(next=target or ""))


@blueprint.post("/sign-in")
@public
@limits_sign_in
def try_sign_in() -> Response:
    """Sign in, and go where one wanted to go."""
    form = forms.SignInForm(request.form)
    try:
        actor = sign_in.by_browser(
            email=form.text("email"),
            password=form.text("password"),
            ip=request.remote_addr,
            user_agent=request.user_agent.string,
        )
    except sign_in.SignInFailed as error:
        return page("accounts/sign_in.html", form=form, refusal=error.message, status=422)
    forget_tries()
    begin(actor)
    return redirect(safe_next(form.text("next")) or url_for("home.index"))


@blueprint.post("/sign-out")
@requires("account.self")
def sign_out() -> Response:
    """End the sign-in of this browser."""
    actor = current()
    if actor.user_id and actor.session_id:
        sessions.revoke(tenant_id=actor.tenant_id, user_id=actor.user_id, session_id=actor.session_id)
    logout_user()
    session.clear()
    flash("You are signed out.", "success")
    return redirect(url_for("accounts.sign_in"))


@blueprint.get("/register")
@public
def register() -> Response:
    """Show the form that makes an organisation."""
    return page("accounts/register.html", form=forms.RegisterForm())


@blueprint.post("/register")
@public
@limits_registration
def try_register() -> Response:
    """Make an organisation and go on to its first club."""
    form = forms.RegisterForm(request.form)
    try:
        account = service.register(
            organisation=form.text("organisation"),
            name=form.text("name"),
            email=form.text("email"),
            password=form.text("password"),
            ip=request.remote_addr,
        )
    except Invalid as error:
        form.refuse(error)
        return page("accounts/register.html", form=form, status=422)
    open_for(account)
    return redirect(url_for("accounts.new_club"))


@blueprint.get("/invitation/<token>")
@public
def invitation(token: str) -> Response:
    """Show the form that accepts an invitation; looking at it uses nothing up."""
    linked = links.read(links.INVITATION, token)
    return page(
        "accounts/invitation.html",
        form=forms.InvitationForm(name=linked.name),
        linked=linked,
        token=token,
    )


@blueprint.post("/invitation/<token>")
@public
def accept_invitation(token: str) -> Response:
    """Open the invited user's account and sign in."""
    form = forms.InvitationForm(request.form)
    try:
        account = service.accept_invitation(
            token=token, name=form.text("name"), password=form.text("password"), ip=request.remote_addr
        )
    except Invalid as error:
        form.refuse(error)
        linked = links.read(links.INVITATION, token)
        return page("accounts/invitation.html", form=form, linked=linked, token=token, status=422)
    open_for(account)
    flash("Welcome. Your account is open.", "success")
    return redirect(url_for("home.index"))


@blueprint.get("/forgot-password")
@public
def forgot_password() -> Response:
    """Show the form that asks for a link."""
    return page("accounts/forgot_password.html", form=forms.ForgotForm(), asked=False)


@blueprint.post("/forgot-password")
@public
@limits_mails
def ask_for_reset() -> Response:
    """Send a link if there is an account, and say the same in either case."""
    form = forms.ForgotForm(request.form)
    mails.request_reset(email=form.text("email"), ip=request.remote_addr)
    return page("accounts/forgot_password.html", form=form, asked=True)


@blueprint.get("/reset-password/<token>")
@public
def reset_password(token: str) -> Response:
    """Show the form for a new password; looking at it uses nothing up."""
    linked = links.read(links.RESET, token)
    return page("accounts/reset_password.html", form=forms.NewPasswordForm(), linked=linked, token=token)


@blueprint.post("/reset-password/<token>")
@public
def set_new_password(token: str) -> Response:
    """Set the new password, end every sign-in of the account, and sign in here."""
    form = forms.NewPasswordForm(request.form)
    try:
        account = service.reset_password(token=token, password=form.text("password"), ip=request.remote_addr)
    except Invalid as error:
        form.refuse(error)
        linked = links.read(links.RESET, token)
        return page("accounts/reset_password.html", form=form, linked=linked, token=token, status=422)
    open_for(account)
    flash("Your password is changed. Every other sign-in has ended.", "success")
    return redirect(url_for("home.index"))
