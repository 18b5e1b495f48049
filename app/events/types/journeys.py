"""What becomes of people in journeys, as far as their timeline tells it."""

from collections.abc import Mapping
from typing import Any

from app.conditions.fields import FieldType
from app.events.catalogue import Category, EventType, PayloadField, register_own
from app.events.readers import a_text

REFUSED = "journey.refused"


def _refused(payload: Mapping[str, Any]) -> str:
    return f"Was not let into the journey “{a_text(payload.get('journey')) or '?'}” again"[:200]


register_own(
    EventType(
        REFUSED,
        "Was not let into a journey",
        Category.OTHER,
        "user-off",
        title=_refused,
        done="been kept from entering a journey too often",
        fields=(
            PayloadField("journey_id", "Journey", FieldType.ID),
            PayloadField("journey", "Journey’s name", FieldType.TEXT),
            PayloadField("reason", "Why", FieldType.TEXT),
        ),
    )
)
