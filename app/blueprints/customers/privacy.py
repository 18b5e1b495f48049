"""A customer's rights: take away all we have of them, or have it erased."""

from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import StringField

from app.blueprints.customers.base import Person, blueprint
from app.blueprints.privacy import presenters
from app.infra.errors import Invalid
from app.privacy import queries, service
from app.privacy.registry import ELSEWHERE
from app.web import forms
from app.web.guards import can, current, requires
from app.web.htmx import page

SHOWN = 10


class EraseForm(forms.Form):
    """The name of the person, typed once more."""

    typed = StringField("Their name", render_kw={"autocomplete": "off", "spellcheck": "false"})


@blueprint.get("/<uuid:customer_id>/privacy")
@requires("customers.export")
def privacy(customer_id: UUID) -> Response:
    """Show what was exported of a customer, and offer to export or erase all."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    found = queries.requests(tenant_id=person.tenant_id, customer_id=customer_id, limit=SHOWN).items
    return person.page(
        "privacy",
        requests=presenters.lines(person.tenant_id, found),
        sees_private=can("notes.view_private"),
        days=presenters.DAYS_KEPT,
    )


@blueprint.post("/<uuid:customer_id>/export")
@requires("customers.export")
def export(customer_id: UUID) -> Response:
    """Collect all of a customer; private notes are in it for those who may read them."""
    actor = current()
    request_id = service.export(
        tenant_id=actor.tenant_id,
        customer_id=customer_id,
        actor=actor.ref,
        with_private=actor.may("notes.view_private"),
    )
    return redirect(url_for("privacy.show", request_id=request_id))


@blueprint.get("/<uuid:customer_id>/erase")
@requires("customers.erase")
def ask_erase(customer_id: UUID) -> Response:
    """Show what erasing a customer would do, and ask for their name."""
    person = Person(customer_id)
    return person.moved or _erase_page(person, EraseForm())


@blueprint.post("/<uuid:customer_id>/erase")
@requires("customers.erase")
def erase(customer_id: UUID) -> Response:
    """Erase a customer, once their name was typed."""
    person, form = Person(customer_id), EraseForm(request.form)
    if person.moved:
        return person.moved
    try:
        request_id = service.erase(
            tenant_id=person.tenant_id,
            customer_id=customer_id,
            actor=current().ref,
            typed=form.typed.data or "",
            name=person.name,
        )
    except Invalid as error:
        form.refuse(error)
        return _erase_page(person, form, status=422)
    flash("Erasing has begun. You can leave this page.", "info")
    return redirect(url_for("privacy.show", request_id=request_id))


def _erase_page(person: Person, form: EraseForm, status: int = 200) -> Response:
    plan = queries.plan(tenant_id=person.tenant_id, customer_id=person.customer.id)
    return page(
        "customers/erase.html",
        customer=person.customer,
        name=person.name,
        plan=plan,
        elsewhere=ELSEWHERE,
        form=form,
        status=status,
    )
