"""The doors: sign in and out, register, accept an invitation, forget a password."""

from contextlib import suppress

from flask import flash, redirect, request, session, url_for
from flask_login import current_user, login_user, logout_user
from werkzeug.wrappers import Response

from app.accounts import links, service, sessions, sign_in
from app.accounts.actor import Actor
from app.blueprints.accounts import forms, mails
from app.blueprints.accounts.blueprint import blueprint
from app.blueprints.accounts.limits import forget_tries, limits_mails, limits_registration, limits_sign_in
from app.infra.errors import Invalid
from app.web.guards import public, safe_next
from app.web.htmx import page


def begin(actor: Actor) -> None:
    """Put a fresh sign-in into the browser; a sign-in it held before ends."""
    end_present()
    session.clear()
    session.permanent = True
    login_user(actor)


def end_present() -> None:
    """End the sign-in this browser holds, if it holds one."""
    present = sessions.load(str(session.get("_user_id", "")))
    if present is not None and present.user_id and present.session_id:
        # A second click may have ended it meanwhile.
        with suppress(sessions.SignInEnded):
            sessions.revoke(tenant_id=present.tenant_id, user_id=present.user_id, session_id=present.session_id)


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


@blueprint.route("/sign-in", methods=["GET", "POST"], endpoint="sign_in")
@public
@limits_sign_in
def enter() -> Response:
    """Show the sign-in form, or sign in and go where one wanted to go; who is signed in already goes on."""
    if request.method == "GET":
        target = safe_next(request.args.get("next"))
        if current_user.is_authenticated:
            return redirect(target or url_for("home.index"))
        return page("accounts/sign_in.html", form=forms.SignInForm(next=target or ""))
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
@public
def sign_out() -> Response:
    """End the sign-in of this browser, if it has one."""
    end_present()
    logout_user()
    session.clear()
    flash("You are signed out.", "success")
    return redirect(url_for("accounts.sign_in"))


@blueprint.route("/register", methods=["GET", "POST"])
@public
@limits_registration
def register() -> Response:
    """Show the form that makes an organisation, or make it and go on to its first club."""
    if request.method == "GET":
        return page("accounts/register.html", form=forms.RegisterForm())
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


@blueprint.route("/invitation/<token>", methods=["GET", "POST"])
@public
def accept_invitation(token: str) -> Response:
    """Show the form that accepts an invitation, which uses nothing up, or open the account and sign in."""
    linked = links.read(links.INVITATION, token)
    form = forms.InvitationForm(request.form, name=linked.name)
    status = 200
    if request.method == "POST":
        try:
            account = service.accept_invitation(
                token=token, name=form.text("name"), password=form.text("password"), ip=request.remote_addr
            )
        except Invalid as error:
            form.refuse(error)
            status = 422
        else:
            open_for(account)
            flash("Welcome. Your account is open.", "success")
            return redirect(url_for("home.index"))
    return page("accounts/invitation.html", form=form, linked=linked, token=token, status=status)


@blueprint.route("/forgot-password", methods=["GET", "POST"])
@public
@limits_mails
def forgot_password() -> Response:
    """Show the form that asks for a link, or send it if there is an account and say the same in either case."""
    form = forms.ForgotForm(request.form)
    asked = request.method == "POST"
    if asked:
        mails.request_reset(email=form.text("email"), ip=request.remote_addr)
    return page("accounts/forgot_password.html", form=form, asked=asked)


@blueprint.route("/reset-password/<token>", methods=["GET", "POST"])
@public
def reset_password(token: str) -> Response:
    """Show the form for a new password, which uses nothing up, or set it, end every sign-in and sign in here."""
    linked = links.read(links.RESET, token)
    form = forms.NewPasswordForm(request.form)
    status = 200
    if request.method == "POST":
        try:
            account = service.reset_password(token=token, password=form.text("password"), ip=request.remote_addr)
        except Invalid as error:
            form.refuse(error)
            status = 422
        else:
            open_for(account)
            flash("Your password is changed. Every other sign-in has ended.", "success")
            return redirect(url_for("home.index"))
    return page("accounts/reset_password.html", form=form, linked=linked, token=token, status=status)
