"""Custom fields over the API. Their values are in each customer's `custom`."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from app.customers import custom_fields
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, Shown, Words

api = ApiBlueprint("custom_fields_api", __name__)


class CustomFieldIn(Body):
    """A field to be added. `kind` is one of TEXT, NUMBER, MONEY, DATE, YES_NO, CHOICE and LIST."""

    key: Words = Field(default="", description="Made from the label if left out.")
    label: Words
    kind: Words
    heading: Words = ""
    choices: list[Words] = Field(default_factory=list)
    currency: Words | None = None


class CustomFieldPatch(Body):
    """What to change. `kind` and `currency` change only as long as nobody has a value; the key never does."""

    label: Words | None = None
    kind: Words | None = None
    heading: Words | None = None
    choices: list[Words] | None = None
    currency: Words | None = None


class CustomFieldOut(Shown):
    """A custom field."""

    id: UUID
    key: str
    label: str
    kind: str
    heading: str
    choices: list[str]
    currency: str | None
    archived_at: datetime | None


class CustomFieldsOut(BaseModel):
    """All custom fields in their order, archived ones too: there are at most a hundred."""

    items: list[CustomFieldOut]


@api.operation("GET", "/custom-fields", permission="customers.view", returns=CustomFieldsOut)
def list_custom_fields() -> CustomFieldsOut:
    """List the custom fields."""
    found = custom_fields.fields(tenant_id=current().tenant_id, archived=True)
    return CustomFieldsOut(items=[CustomFieldOut.model_validate(one) for one in found])


@api.operation(
    "POST", "/custom-fields", permission="settings.manage", body=CustomFieldIn, returns=CustomFieldOut, status=201
)
def create_custom_field(body: CustomFieldIn) -> CustomFieldOut:
    """Add a custom field."""
    actor = current()
    made = custom_fields.add(tenant_id=actor.tenant_id, actor=actor.ref, **body.model_dump())
    return CustomFieldOut.model_validate(made)


@api.operation("GET", "/custom-fields/<uuid:field_id>", permission="customers.view", returns=CustomFieldOut)
def get_custom_field(field_id: UUID) -> CustomFieldOut:
    """Return one custom field."""
    return CustomFieldOut.model_validate(custom_fields.field(tenant_id=current().tenant_id, field_id=field_id))


@api.operation(
    "PATCH",
    "/custom-fields/<uuid:field_id>",
    permission="settings.manage",
    body=CustomFieldPatch,
    returns=CustomFieldOut,
)
def patch_custom_field(field_id: UUID, body: CustomFieldPatch) -> CustomFieldOut:
    """Change a custom field."""
    actor = current()
    changes = body.model_dump(exclude_none=True)
    changed = custom_fields.change(tenant_id=actor.tenant_id, field_id=field_id, changes=changes, actor=actor.ref)
    return CustomFieldOut.model_validate(changed)


@api.operation("DELETE", "/custom-fields/<uuid:field_id>", permission="settings.manage", returns=CustomFieldOut)
def archive_custom_field(field_id: UUID) -> CustomFieldOut:
    """Archive a custom field: it is asked for no more, its values stay."""
    actor = current()
    gone = custom_fields.archive(tenant_id=actor.tenant_id, field_id=field_id, actor=actor.ref)
    return CustomFieldOut.model_validate(gone)


@api.operation("POST", "/custom-fields/<uuid:field_id>/restore", permission="settings.manage", returns=CustomFieldOut)
def restore_custom_field(field_id: UUID) -> CustomFieldOut:
    """Take an archived custom field back."""
    actor = current()
    back = custom_fields.archive(tenant_id=actor.tenant_id, field_id=field_id, archived=False, actor=actor.ref)
    return CustomFieldOut.model_validate(back)
