"""The page of suppressed addresses: find, add, lift with a reason."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.customers import contact_points
from app.customers.contact_points import Point
from app.infra.crypto import PREFIX
from app.infra.errors import UserError
from app.infra.ids import as_id
from app.messaging import suppression
from app.messaging.channel import EMAIL, installed
from app.messaging.suppression import REASONS, SuppressedBecause
from app.web import forms
from app.web.channels import CHANNEL_LABELS, CHANNEL_OF
from app.web.downloads import PERMISSION, download
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.lists import asked_choice, asked_for

blueprint = Blueprint("suppressions", __name__, url_prefix="/suppressions")

TONES = {SuppressedBecause.HARD_BOUNCE: "danger", SuppressedBecause.COMPLAINT: "warning"}
OF_SOMEBODY_ERASED = "An address of somebody who was erased"


@blueprint.app_template_filter("suppressed_address")
def suppressed_address(key: str) -> str:
    """Return what to call an entry of the list: its address, or words where only a hash of it was kept."""
    return OF_SOMEBODY_ERASED if key.startswith(PREFIX) else key


class AddForm(forms.Form):
    """An address to suppress, and why."""

    channel = SelectField("Channel", validate_choice=False, default=EMAIL)
    address = StringField("Address or number", render_kw={"autocomplete": "off"})
    reason = SelectField(
        "Reason",
        choices=[SelectChoice(one, REASONS[one]) for one in suppression.BY_HAND],
        default=SuppressedBecause.MANUAL,
        validate_choice=False,
    )
    detail = StringField("Note", render_kw={"maxlength": suppression.MAX_DETAIL, "autocomplete": "off"})


class LiftForm(forms.Form):
    """Why messages may go to an address again."""

    reason = StringField(
        "Why may messages go there again?", render_kw={"maxlength": suppression.MAX_DETAIL, "autocomplete": "off"}
    )


@blueprint.get("")
@requires("messages.view")
def index() -> Response:
    """List suppressed addresses, the newest first."""
    filters = _filters()
    found = suppression.page(tenant_id=current().tenant_id, cursor=request.args.get("cursor"), **filters)
    return page(
        "messaging/suppressions.html",
        block="results",
        page=found,
        filters={**filters, "show": "lifted" if filters["lifted"] else None},
        channel_labels=CHANNEL_LABELS,
        reasons=REASONS,
        reason_options=list(REASONS.items()),
        tones=TONES,
    )


def _filters() -> dict[str, Any]:
    reason = asked_choice("reason", set(SuppressedBecause))
    return {
        "q": request.args.get("q") or None,
        "reason": SuppressedBecause(reason) if reason else None,
        "lifted": asked_for("show", "lifted"),
    }


COLUMNS = ("channel", "reason", "detail", "added_by", "created_at", "lifted_at", "lifted_by", "lift_reason")


@blueprint.post("/export")
@requires(PERMISSION)
def export() -> Response:
    """Give out the addresses the list shows."""
    tenant_id, filters = current().tenant_id, _filters()
    return download(
        "suppressions",
        seen_by="messages.view",
        header=["address", *COLUMNS],
        pages=lambda cursor, limit: suppression.page(tenant_id=tenant_id, cursor=cursor, limit=limit, **filters),
        rows=lambda found: [
            [suppressed_address(one.address_key), *(getattr(one, name) for name in COLUMNS)] for one in found
        ],
        filters=filters,
    )


@blueprint.get("/new")
@requires("suppressions.manage")
def new() -> Response:
    """Show the form that adds an address; from a customer's page it holds theirs."""
    point = _point()
    return _add_page(AddForm(data={"address": point.value, "channel": CHANNEL_OF.get(point.kind)} if point else {}))


@blueprint.post("/new")
@requires("suppressions.manage")
def add() -> Response:
    """Suppress an address."""
    actor, form = current(), AddForm(request.form)
    chosen = form.reason.data if form.reason.data in set(SuppressedBecause) else SuppressedBecause.MANUAL
    try:
        made = suppression.add(
            tenant_id=actor.tenant_id,
            address=form.address.data or "",
            channel_name=form.channel.data or EMAIL,
            because=SuppressedBecause(chosen),
            detail=form.detail.data,
            actor=actor.ref,
        )
    except UserError as error:
        form.refuse(error)
        return _add_page(form, status=error.status)
    flash(f"{made.address_key} is suppressed.", "success")
    return redirect(_back())


def _add_page(form: AddForm, status: int = 200) -> Response:
    customer_id = as_id(request.values.get("customer_id", ""))
    form.channel.choices = [SelectChoice(name, one.label) for name, one in installed()]
    return page("messaging/suppression_new.html", form=form, status=status, customer_id=customer_id, back=_back())


def _point() -> Point | None:
    """Return the contact point that the page is asked for: addresses stand in no URL."""
    customer_id, point_id = as_id(request.args.get("customer_id", "")), as_id(request.args.get("point_id", ""))
    if customer_id is None or point_id is None:
        return None
    points = contact_points.points(tenant_id=current().tenant_id, customer_id=customer_id)
    return next((one for one in points if one.id == point_id), None)


def _back() -> str:
    """Return where somebody came from: the customer whose address it is, or the list."""
    customer_id = as_id(request.values.get("customer_id", ""))
    return url_for("customers.contact_list", customer_id=customer_id) if customer_id else url_for("suppressions.index")


@blueprint.get("/<uuid:suppression_id>/lift")
@requires("suppressions.manage")
def ask(suppression_id: UUID) -> Response:
    """Show an entry, and ask why it should be lifted."""
    return _lift_page(suppression_id, LiftForm())


@blueprint.post("/<uuid:suppression_id>/lift")
@requires("suppressions.manage")
def lift(suppression_id: UUID) -> Response:
    """Let mail go to an address again."""
    actor, form = current(), LiftForm(request.form)
    try:
        lifted = suppression.lift(
            tenant_id=actor.tenant_id, suppression_id=suppression_id, reason=form.reason.data or "", actor=actor.ref
        )
    except UserError as error:
        form.refuse(error)
        return _lift_page(suppression_id, form, status=422)
    flash(f"Mail may go to {_named(lifted.address_key)} again.", "success")
    return redirect(url_for("suppressions.index"))


def _named(key: str) -> str:
    name = suppressed_address(key)
    return name if name == key else name[0].lower() + name[1:]


def _lift_page(suppression_id: UUID, form: LiftForm, status: int = 200) -> Response:
    entry = suppression.entry(tenant_id=current().tenant_id, suppression_id=suppression_id)
    return page(
        "messaging/suppression_lift.html",
        entry=entry,
        address=_named(entry.address_key),
        form=form,
        reasons=REASONS,
        status=status,
    )
