"""What staff enter at the desk."""

from collections.abc import Mapping
from typing import Any

from app.conditions.fields import FieldType
from app.events.catalogue import CLUB, Category, Change, EventType, PayloadField, register
from app.events.readers import a_text


def _added(payload: Mapping[str, Any]) -> str:
    name = a_text(payload.get("added_by"))
    return f"Added by {name}" if name else "Added by staff"


register(
    EventType(
        "customer.added",
        "Customer added by staff",
        Category.OTHER,
        "user-plus",
        done="been added by staff",
        title=_added,
        fields=(
            CLUB,
            PayloadField("first_name", "First name", FieldType.TEXT),
            PayloadField("last_name", "Last name", FieldType.TEXT),
            PayloadField("added_by", "Added by", FieldType.TEXT),
        ),
        changes=(
            Change("first_name", ("first_name",), a_text),
            Change("last_name", ("last_name",), a_text),
            Change("club", ("club",), a_text),
        ),
        speaks_for_contact=True,
    ),
)
