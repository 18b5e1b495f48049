"""How an activity looks wherever it is listed: its icon and its tone, by type and category."""

from typing import NamedTuple

from app.events import catalogue
from app.events.catalogue import Category

CATEGORY_TONES: dict[str, str] = {
    Category.MEMBERSHIP: "accent",
    Category.GOLF: "success",
    Category.PAYMENT: "warning",
    Category.MESSAGE: "info",
    Category.ENQUIRY: "info",
    Category.PREFERENCE: "warning",
}
# Activities Fairway writes itself, which no type stands behind.
OWN_ICONS = {
    "consent.recorded": "adjustments",
    "note.general": "note",
    "note.call": "phone",
    "note.meeting": "users",
    "note.complaint": "alert-triangle",
    "note.preference": "heart",
    "note.follow_up": "flag",
}


class Look(NamedTuple):
    """An icon's name and a tone of the kit."""

    icon: str
    tone: str


def look(activity_type: str, category: str) -> Look:
    """Return how an activity of that type and category looks."""
    return Look(
        OWN_ICONS.get(activity_type) or catalogue.get(activity_type).icon, CATEGORY_TONES.get(category, "neutral")
    )
