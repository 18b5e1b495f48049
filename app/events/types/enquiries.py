"""Enquiries, quotes, bookings and what follows them."""

from collections.abc import Callable, Mapping
from typing import Any

from app.conditions.fields import Choice, FieldType
from app.events.catalogue import CLUB, Category, EventType, PayloadField, register
from app.events.readers import a_text, money, spoken

KINDS = tuple(
    Choice(name, spoken(name).capitalize()) for name in ("golf_day", "wedding", "function", "trip", "membership")
)
FIELDS = (
    CLUB,
    PayloadField("reference", "Reference", FieldType.TEXT),
    PayloadField("kind", "Kind", FieldType.TEXT, KINDS),
    PayloadField("value", "Value", FieldType.NUMBER),
    PayloadField("starts_at", "Start", FieldType.DATETIME),
)


def _about(words: str) -> Callable[[Mapping[str, Any]], str]:
    def title(payload: Mapping[str, Any]) -> str:
        kind = a_text(payload.get("kind"))
        about = f"{words}: {spoken(kind)}" if kind else words
        worth = money(payload)
        return f"{about}, {worth}" if worth else about

    return title


def _rating(payload: Mapping[str, Any]) -> str:
    rating = payload.get("rating")
    return f"Review submitted: {rating} of 5" if isinstance(rating, int | float) else "Review submitted"


register(
    *(
        EventType(name, label, Category.ENQUIRY, icon, done=done, title=_about(label), fields=FIELDS)
        for name, label, icon, done in (
            ("enquiry.created", "Enquiry made", "message-question", "made an enquiry"),
            ("quote.sent", "Quote sent", "file-invoice", "been sent a quote"),
            ("quote.viewed", "Quote viewed", "eye", "viewed a quote"),
            ("booking.confirmed", "Booking confirmed", "calendar-check", "had a booking confirmed"),
            ("booking.cancelled", "Booking cancelled", "calendar-off", "had a booking cancelled"),
            ("trip.completed", "Trip completed", "plane-arrival", "been on a trip"),
        )
    ),
    EventType(
        "document.uploaded",
        "Document uploaded",
        Category.ENQUIRY,
        "file-upload",
        done="uploaded a document",
        title=lambda _: "Document uploaded",
        fields=(CLUB,),
    ),
    EventType(
        "review.submitted",
        "Review submitted",
        Category.SUPPORT,
        "star",
        done="written a review",
        title=_rating,
        fields=(CLUB, PayloadField("rating", "Rating", FieldType.NUMBER)),
    ),
    EventType(
        "engagement.dropped",
        "Engagement dropped",
        Category.SUPPORT,
        "trending-down",
        done="become less engaged",
        title=lambda _: "Engagement dropped",
        fields=(CLUB, PayloadField("score", "Engagement score", FieldType.NUMBER)),
    ),
)
