"""Who entered and left segments. Fairway alone says so, and only of segments that somebody listens to.

Nothing the customer did: it is not their last activity, else a segment that asks for that would let them in and out for
ever.
"""

from collections.abc import Mapping
from typing import Any

from app.conditions.fields import FieldType
from app.events.catalogue import Category, EventType, PayloadField, register
from app.events.readers import a_text

ENTERED, LEFT = "segment.entered", "segment.left"
MOVES = (ENTERED, LEFT)
FIELDS = (
    PayloadField("segment_id", "Segment", FieldType.ID),
    PayloadField("segment", "Segment's name", FieldType.TEXT),
)


def _entered(payload: Mapping[str, Any]) -> str:
    return f"Entered the segment “{a_text(payload.get('segment')) or '?'}”"[:200]


def _left(payload: Mapping[str, Any]) -> str:
    return f"Left the segment “{a_text(payload.get('segment')) or '?'}”"[:200]


register(
    EventType(
        ENTERED,
        "Enters a segment",
        Category.OTHER,
        "user-plus",
        title=_entered,
        done="entered a segment",
        fields=FIELDS,
        second_hand=True,
        ours=True,
    ),
    EventType(
        LEFT,
        "Leaves a segment",
        Category.OTHER,
        "user-x",
        title=_left,
        done="left a segment",
        fields=FIELDS,
        second_hand=True,
        ours=True,
    ),
)
