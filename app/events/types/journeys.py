"""What becomes of people in journeys, as far as their timeline tells it; and who came to the end of one, or left it.

Of ends Fairway alone tells, and only where another journey waits for them. They are nothing the customer did.
"""

from collections.abc import Mapping
from typing import Any

from app.conditions.fields import FieldType
from app.events.catalogue import Category, EventType, PayloadField, register, register_own
from app.events.readers import a_text

REFUSED = "journey.refused"
COMPLETED, LEFT = "journey.completed", "journey.left"
ENDS = (COMPLETED, LEFT)
_JOURNEY = (
    PayloadField("journey_id", "Journey", FieldType.ID),
    PayloadField("journey", "Journey’s name", FieldType.TEXT),
    PayloadField("reason", "Why", FieldType.TEXT),
)


def _refused(payload: Mapping[str, Any]) -> str:
    return f"Was not let into the journey “{a_text(payload.get('journey')) or '?'}” again"[:200]


def _completed(payload: Mapping[str, Any]) -> str:
    return f"Completed the journey “{a_text(payload.get('journey')) or '?'}”"[:200]


def _left(payload: Mapping[str, Any]) -> str:
    return f"Left the journey “{a_text(payload.get('journey')) or '?'}”"[:200]


register(
    EventType(
        COMPLETED,
        "Completes a journey",
        Category.OTHER,
        "flag",
        title=_completed,
        done="completed a journey",
        fields=_JOURNEY,
        second_hand=True,
        ours=True,
    ),
    EventType(
        LEFT,
        "Leaves a journey before its end",
        Category.OTHER,
        "logout",
        title=_left,
        done="left a journey before its end",
        fields=_JOURNEY,
        second_hand=True,
        ours=True,
    ),
)
register_own(
    EventType(
        REFUSED,
        "Was not let into a journey",
        Category.OTHER,
        "user-off",
        title=_refused,
        done="been kept from entering a journey too often",
        fields=_JOURNEY,
    )
)
