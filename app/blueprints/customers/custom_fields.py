"""Settings → Custom fields: what an organisation wants to know of its customers besides what everybody does."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.customers import custom_fields
from app.customers.field_kind import CustomFieldInfo, field_kinds
from app.infra.errors import UserError
from app.web import forms
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.shell import organisation

blueprint = Blueprint("custom_fields", __name__, url_prefix="/settings/custom-fields")


class CustomFieldForm(forms.Form):
    """A custom field's definition."""

    label = StringField("Label", render_kw={"maxlength": 60, "autocomplete": "off"})
    key = StringField(
        "Key",
        description="What events, files, the API and templates call it; made from the label if you leave it empty. "
        "It can’t be changed later.",
        render_kw={"maxlength": 40, "autocomplete": "off", "placeholder": "favourite_course"},
    )
    kind = SelectField("Kind", validate_choice=False)
    heading = StringField(
        "Heading",
        description="Fields with the same heading stand together on the profile.",
        render_kw={"maxlength": 60, "autocomplete": "off"},
    )
    choices = TextAreaField("Choices", render_kw={"rows": 4, "autocomplete": "off"})
    currency = StringField(
        "Currency", description="All amounts are in it.", render_kw={"maxlength": 3, "autocomplete": "off"}
    )

    def values(self) -> dict[str, Any]:
        """Return what was typed."""
        return {
            "label": self.label.data or "",
            "kind": self.kind.data or "",
            "heading": self.heading.data or "",
            "choices": (self.choices.data or "").splitlines(),
            "currency": (self.currency.data or "").strip().upper() or None,
        }


@blueprint.get("")
@requires("settings.manage")
def index() -> Response:
    """List the custom fields in their order, archived ones apart."""
    known = custom_fields.fields(tenant_id=current().tenant_id, archived=True)
    return page(
        "customers/custom_fields.html",
        fields=[one for one in known if one.archived_at is None],
        archived=[one for one in known if one.archived_at is not None],
        kinds={name: kind.label for name, kind in field_kinds()},
    )


@blueprint.get("/new")
@requires("settings.manage")
def new() -> Response:
    """Show the form of a new field."""
    return _form_page(CustomFieldForm(kind="TEXT", heading=custom_fields.HEADING, currency=organisation().currency))


@blueprint.post("/new")
@requires("settings.manage")
def add() -> Response:
    """Add a field."""
    actor, form = current(), CustomFieldForm(request.form)
    try:
        made = custom_fields.add(tenant_id=actor.tenant_id, key=form.key.data or "", actor=actor.ref, **form.values())
    except UserError as error:
        form.refuse(error)
        return _form_page(form, status=422)
    flash(f"“{made.label}” is on every profile now.", "success")
    return redirect(url_for("custom_fields.index"))


@blueprint.get("/<uuid:field_id>")
@requires("settings.manage")
def show(field_id: UUID) -> Response:
    """Show one field's form."""
    found = _found(field_id)
    form = CustomFieldForm(obj=found)
    form.choices.data = "\n".join(found.choices)
    form.currency.data = found.currency or organisation().currency
    return _form_page(form, found)


@blueprint.post("/<uuid:field_id>")
@requires("settings.manage")
def change(field_id: UUID) -> Response:
    """Change a field."""
    actor, form, found = current(), CustomFieldForm(request.form), _found(field_id)
    try:
        custom_fields.change(tenant_id=actor.tenant_id, field_id=field_id, changes=form.values(), actor=actor.ref)
    except UserError as error:
        form.refuse(error)
        return _form_page(form, found, status=422)
    flash("The field is saved.", "success")
    return redirect(url_for("custom_fields.index"))


@blueprint.post("/<uuid:field_id>/move")
@requires("settings.manage")
def move(field_id: UUID) -> Response:
    """Move a field up or down."""
    custom_fields.move(tenant_id=current().tenant_id, field_id=field_id, up=request.form.get("to") == "up")
    return redirect(url_for("custom_fields.index"))


@blueprint.post("/<uuid:field_id>/archive")
@requires("settings.manage")
def archive(field_id: UUID) -> Response:
    """Take a field off the profiles; its values stay."""
    actor = current()
    gone = custom_fields.archive(tenant_id=actor.tenant_id, field_id=field_id, actor=actor.ref)
    flash(f"“{gone.label}” is archived. Its values are kept; you can take it back below.", "info")
    return redirect(url_for("custom_fields.index"))


@blueprint.post("/<uuid:field_id>/restore")
@requires("settings.manage")
def restore(field_id: UUID) -> Response:
    """Put an archived field back on the profiles."""
    actor = current()
    back = custom_fields.archive(tenant_id=actor.tenant_id, field_id=field_id, archived=False, actor=actor.ref)
    flash(f"“{back.label}” is back on every profile.", "success")
    return redirect(url_for("custom_fields.index"))


def _found(field_id: UUID) -> CustomFieldInfo:
    return custom_fields.field(tenant_id=current().tenant_id, field_id=field_id)


def _form_page(form: CustomFieldForm, found: CustomFieldInfo | None = None, status: int = 200) -> Response:
    form.kind.choices = [SelectChoice(name, kind.label) for name, kind in field_kinds()]
    return page(
        "customers/custom_field.html",
        form=form,
        field=found,
        with_choices=[name for name, kind in field_kinds() if kind.takes_choices],
        with_currency=[name for name, kind in field_kinds() if kind.has_currency],
        status=status,
    )
