"""Settings → Sending: the domains letters are from, their DNS records, and the senders of the clubs."""

from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import EmailField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.accounts import queries
from app.infra.config import load
from app.infra.errors import Conflict, UserError
from app.infra.ids import as_id
from app.messaging import sending_domains
from app.messaging.dns_check import State
from app.web import forms
from app.web.guards import current, requires
from app.web.htmx import page

blueprint = Blueprint("sending", __name__, url_prefix="/settings/sending")

STATES = {State.RIGHT: "Right", State.MISSING: "Missing", State.WRONG: "Wrong", State.SILENT: "Not known"}
TONES = {State.RIGHT: "success", State.MISSING: "warning", State.WRONG: "danger", State.SILENT: "neutral"}
TITLES = {"dkim": "DKIM key", "spf": "SPF", "dmarc": "DMARC", "return": "Return path"}


class DomainForm(forms.Form):
    """A domain to send from."""

    domain = StringField(
        "Domain", render_kw={"autocomplete": "off", "autocapitalize": "none", "maxlength": 253, "inputmode": "url"}
    )


class SenderForm(forms.Form):
    """Whom letters are from."""

    name = StringField("Name", render_kw={"autocomplete": "off", "maxlength": sending_domains.MAX_NAME})
    address = EmailField("E-mail address", render_kw={"autocomplete": "off"})
    club_id = SelectField("To the customers of", validate_choice=False)


@blueprint.get("")
@requires("settings.manage")
def index() -> Response:
    """Show the senders and the sending domains."""
    return _index(_sender_form())


def _index(form: SenderForm, status: int = 200) -> Response:
    tenant_id = current().tenant_id
    return page(
        "messaging/sending.html",
        domains=sending_domains.domains(tenant_id=tenant_id),
        senders=sending_domains.senders(tenant_id=tenant_id),
        mail_from=load().mail_from,
        form=form,
        status=status,
    )


def _sender_form() -> SenderForm:
    form = SenderForm(request.form) if request.method == "POST" else SenderForm()
    clubs = queries.clubs(tenant_id=current().tenant_id)
    form.club_id.choices = [
        SelectChoice("", "All clubs without a sender of their own"),
        *(SelectChoice(str(one.id), one.name) for one in clubs),
    ]
    return form


@blueprint.get("/new")
@requires("settings.manage")
def new() -> Response:
    """Show the form that adds a domain."""
    return page("messaging/sending_new.html", form=DomainForm())


@blueprint.post("/new")
@requires("settings.manage")
def add() -> Response:
    """Add a domain."""
    actor, form = current(), DomainForm(request.form)
    try:
        made = sending_domains.add(
            tenant_id=actor.tenant_id, name=form.domain.data or "", actor=actor.ref, ip=request.remote_addr
        )
    except UserError as error:
        form.refuse(error)
        return page("messaging/sending_new.html", form=form, status=422)
    flash(f"{made.domain} is added. Now set its records.", "success")
    return redirect(url_for("sending.show", domain_id=made.id))


@blueprint.get("/<uuid:domain_id>")
@requires("settings.manage")
def show(domain_id: UUID) -> Response:
    """Show a domain's records and what was found of them."""
    one = sending_domains.domain(tenant_id=current().tenant_id, domain_id=domain_id)
    return page(
        "messaging/sending_domain.html",
        domain=one,
        records=sending_domains.records(one),
        states=STATES,
        tones=TONES,
        titles=TITLES,
    )


@blueprint.post("/<uuid:domain_id>/check")
@requires("settings.manage")
def check(domain_id: UUID) -> Response:
    """Look for a domain's records now."""
    one = sending_domains.check(tenant_id=current().tenant_id, domain_id=domain_id)
    if one.proven_at is None:
        flash("The key was not found yet. A new record may take an hour to be seen everywhere.", "warning")
    else:
        flash(f"Letters may be from {one.domain}.", "success")
    return redirect(url_for("sending.show", domain_id=domain_id))


@blueprint.post("/<uuid:domain_id>/remove")
@requires("settings.manage")
def remove(domain_id: UUID) -> Response:
    """Remove a domain."""
    actor = current()
    try:
        sending_domains.remove(tenant_id=actor.tenant_id, domain_id=domain_id, actor=actor.ref, ip=request.remote_addr)
    except Conflict as error:
        flash(str(error), "danger")
        return redirect(url_for("sending.show", domain_id=domain_id))
    flash("The domain is removed.", "success")
    return redirect(url_for("sending.index"))


@blueprint.post("/senders")
@requires("settings.manage")
def set_sender() -> Response:
    """Set whom letters to a club's customers are from."""
    actor, form = current(), _sender_form()
    try:
        sending_domains.set_sender(
            tenant_id=actor.tenant_id,
            name=form.name.data or "",
            address=form.address.data or "",
            club_id=as_id(form.club_id.data or ""),
            actor=actor.ref,
            ip=request.remote_addr,
        )
    except UserError as error:
        form.refuse(error)
        return _index(form, status=422)
    flash("The sender is saved.", "success")
    return redirect(url_for("sending.index"))


@blueprint.post("/senders/<uuid:sender_id>/remove")
@requires("settings.manage")
def remove_sender(sender_id: UUID) -> Response:
    """Remove a sender."""
    actor = current()
    sending_domains.remove_sender(
        tenant_id=actor.tenant_id, sender_id=sender_id, actor=actor.ref, ip=request.remote_addr
    )
    flash("The sender is removed.", "success")
    return redirect(url_for("sending.index"))
