"""Where a customer is reached and what other systems call them: added, preferred, verified and taken away by staff."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import flash, redirect, request, session, url_for
from werkzeug.wrappers import Response
from wtforms import BooleanField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.blueprints.customers import contact_words, presenters
from app.blueprints.customers.base import Person, blueprint
from app.capture import contacts
from app.capture.contacts import Gone
from app.customers import contact_points
from app.customers.contact_kinds import KINDS
from app.events.validation import EXACT_KINDS
from app.infra import clock
from app.infra.errors import UserError
from app.web import forms
from app.web.guards import current, requires
from app.web.htmx import page

_AT = "/<uuid:customer_id>/contacts"
_OFF = {"autocomplete": "off"}
_GONE = "contact_gone"
UNDO_OFFERED = timedelta(minutes=15)
OTHER = "other"


class PointForm(forms.Form):
    """An address, number or token to be added."""

    kind = SelectField("Kind", choices=[SelectChoice(*one) for one in KINDS.items()], validate_choice=False)
    value = StringField("Address or number", render_kw=_OFF)
    verified = BooleanField("I made sure that it is theirs")
    preferred = BooleanField("Prefer it to what is there")


class IdForm(forms.Form):
    """An id in another system to be added."""

    kind = SelectField(
        "System",
        choices=[
            *(SelectChoice(one, presenters.id_label(one)) for one in EXACT_KINDS),
            SelectChoice(OTHER, "Another system"),
        ],
        default="scl_member_id",
        validate_choice=False,
    )
    system = StringField("Its name", description="As events call it, such as loyalty_card.", render_kw=_OFF)
    value = StringField("Id", render_kw=_OFF)


@blueprint.get(_AT)
@requires("customers.view")
def contact_list(customer_id: UUID) -> Response:
    """Show all a customer is reached at and known by."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    return _page(person)


@blueprint.post(_AT)
@requires("customers.edit")
def add_contact(customer_id: UUID) -> Response:
    """Add an address, number or token."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    form = PointForm(request.form, prefix="point-")
    try:
        contacts.add(
            tenant_id=person.tenant_id,
            customer_id=customer_id,
            kind=form.kind.data or "",
            value=form.value.data or "",
            verified=bool(form.verified.data),
            preferred=bool(form.preferred.data),
            actor=current().ref,
        )
    except UserError as error:
        form.refuse(error)
        return _page(person, point_form=form, status=422)
    flash("It is added.", "success")
    return _back(customer_id)


@blueprint.post(f"{_AT}/<uuid:point_id>/prefer")
@requires("customers.edit")
def prefer_contact(customer_id: UUID, point_id: UUID) -> Response:
    """Let a customer be reached here."""
    actor = current()
    contact_points.prefer(tenant_id=actor.tenant_id, customer_id=customer_id, point_id=point_id, actor=actor.ref)
    flash("They are reached there from now on.", "success")
    return _back(customer_id)


@blueprint.post(f"{_AT}/<uuid:point_id>/verify")
@requires("customers.edit")
def verify_contact(customer_id: UUID, point_id: UUID) -> Response:
    """Note that it is theirs, or take that back."""
    actor, yes = current(), request.form.get("verified") == "1"
    contact_points.verify(
        tenant_id=actor.tenant_id, customer_id=customer_id, point_id=point_id, verified=yes, actor=actor.ref
    )
    flash("It is marked as verified." if yes else "It counts as not verified.", "success")
    return _back(customer_id)


@blueprint.post(f"{_AT}/<uuid:point_id>/remove")
@requires("customers.edit")
def remove_contact(customer_id: UUID, point_id: UUID) -> Response:
    """Take an address, number or token away."""
    actor = current()
    gone = contacts.remove(tenant_id=actor.tenant_id, customer_id=customer_id, point_id=point_id, actor=actor.ref)
    _remember(customer_id, gone)
    return _back(customer_id)


@blueprint.post(f"{_AT}/ids")
@requires("customers.edit")
def add_external_id(customer_id: UUID) -> Response:
    """Add an id in another system."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    form = IdForm(request.form, prefix="id-")
    kind = form.kind.data or ""
    try:
        contacts.add_id(
            tenant_id=person.tenant_id,
            customer_id=customer_id,
            kind=(form.system.data or "") if kind == OTHER else kind,
            value=form.value.data or "",
            actor=current().ref,
        )
    except UserError as error:
        if "kind" in error.errors and kind == OTHER:
            error.errors["system"] = error.errors.pop("kind")
        form.refuse(error)
        return _page(person, id_form=form, status=422)
    flash("It is added.", "success")
    return _back(customer_id)


@blueprint.post(f"{_AT}/ids/<uuid:external_id>/remove")
@requires("customers.edit")
def remove_external_id(customer_id: UUID, external_id: UUID) -> Response:
    """Take an id in another system away."""
    actor = current()
    gone = contacts.remove_id(tenant_id=actor.tenant_id, customer_id=customer_id, id_=external_id, actor=actor.ref)
    _remember(customer_id, gone)
    return _back(customer_id)


@blueprint.post(f"{_AT}/give-back")
@requires("customers.edit")
def give_contact_back(customer_id: UUID) -> Response:
    """Undo the last removal."""
    actor, gone = current(), _gone(customer_id)
    session.pop(_GONE, None)
    if gone is None:
        flash("There is nothing to take back any more. Add it again.", "warning")
        return _back(customer_id)
    contacts.give_back(tenant_id=actor.tenant_id, customer_id=customer_id, gone=gone, actor=actor.ref)
    flash("It is back.", "success")
    return _back(customer_id)


def _remember(customer_id: UUID, gone: Gone) -> None:
    """Keep what was taken away where only who did it has it, for the Undo."""
    session[_GONE] = {
        "customer_id": str(customer_id),
        "at": clock.now().isoformat(),
        "kind": gone.kind,
        "value": gone.value,
        "source": gone.source,
        "verified_at": gone.verified_at.isoformat() if gone.verified_at else None,
        "verified_how": gone.verified_how,
        "preferred": gone.preferred,
        "is_id": gone.is_id,
    }


def _gone(customer_id: UUID) -> Gone | None:
    kept: dict[str, Any] = dict(session.get(_GONE) or {})
    if kept.pop("customer_id", None) != str(customer_id):
        return None
    if clock.now() - datetime.fromisoformat(kept.pop("at")) > UNDO_OFFERED:
        return None
    at = kept.pop("verified_at")
    return Gone(**kept, verified_at=datetime.fromisoformat(at) if at else None)


def _back(customer_id: UUID) -> Response:
    return redirect(url_for("customers.contact_list", customer_id=customer_id))


def _page(
    person: Person, *, point_form: PointForm | None = None, id_form: IdForm | None = None, status: int = 200
) -> Response:
    id_ = person.customer.id
    return page(
        "customers/contacts.html",
        customer=person.customer,
        name=person.name,
        points=contact_words.shown(person.tenant_id, id_),
        ids=contact_words.shown_ids(contact_points.identifiers(tenant_id=person.tenant_id, customer_id=id_)),
        point_form=point_form or PointForm(prefix="point-"),
        id_form=id_form or IdForm(prefix="id-"),
        gone=_gone(id_),
        other=OTHER,
        status=status,
    )
