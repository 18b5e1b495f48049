"""TeeTime, the booking system of the course: rounds, handicaps, competitions."""

from collections.abc import Mapping
from typing import Any

from app.conditions.fields import FieldType
from app.events.catalogue import CLUB, Category, Change, EventType, PayloadField, register
from app.events.readers import a_handicap, a_text, wall_time
from app.infra.figures import amount

ROUND = (
    CLUB,
    PayloadField("booking_id", "Booking", FieldType.TEXT),
    PayloadField("tee_time", "Tee time", FieldType.DATETIME),
    PayloadField("holes", "Holes", FieldType.NUMBER),
    PayloadField("players", "Players", FieldType.NUMBER),
)


COMPETITION = (
    CLUB,
    PayloadField("competition_id", "Competition", FieldType.TEXT),
    PayloadField("competition", "Competition's name", FieldType.TEXT),
    PayloadField("starts_at", "Start", FieldType.DATETIME),
    PayloadField("entries_close_at", "Entries close", FieldType.DATETIME),
    PayloadField("places", "Places", FieldType.NUMBER),
    PayloadField("url", "Page to enter on", FieldType.TEXT),
)


def _competition(words: str, payload: Mapping[str, Any]) -> str:
    name = a_text(payload.get("competition")) or a_text(payload.get("competition_id"))
    return f"{words}: {name}" if name else words


def _round(words: str, payload: Mapping[str, Any]) -> str:
    when = wall_time(payload.get("tee_time"))
    holes = payload.get("holes")
    parts = [f"{words} {when}" if when else words.rpartition(" ")[0]]
    if isinstance(holes, int):
        parts.append(f"{holes} holes")
    return ", ".join(parts)


def _handicap(payload: Mapping[str, Any]) -> str:
    value = a_handicap(payload.get("handicap_index", payload.get("handicapIndex")))
    if value is None:
        return "Handicap updated"
    # Golf writes a handicap better than scratch with a plus.
    return f"Handicap index now {'+' if value < 0 else ''}{amount(abs(value), 1)}"


register(
    EventType(
        "teetime.booked",
        "Tee time booked",
        Category.GOLF,
        "golf",
        done="booked a tee time",
        title=lambda payload: _round("Tee time booked for", payload),
        fields=ROUND,
    ),
    EventType(
        "teetime.completed",
        "Round played",
        Category.GOLF,
        "flag-check",
        done="played a round",
        title=lambda payload: _round("Round played on", payload),
        fields=ROUND,
    ),
    EventType(
        "teetime.missed",
        "Did not come to a tee time",
        Category.GOLF,
        "calendar-x",
        done="missed a tee time",
        title=lambda payload: _round("Did not come on", payload),
        fields=ROUND,
    ),
    EventType(
        "teetime.cancelled",
        "Tee time cancelled",
        Category.GOLF,
        "calendar-off",
        done="cancelled a tee time",
        title=lambda payload: _round("Tee time cancelled for", payload),
        fields=ROUND,
    ),
    EventType(
        "teetime.handicap.updated",
        "Handicap updated",
        Category.GOLF,
        "chart-line",
        done="got a new handicap",
        title=_handicap,
        fields=(CLUB, PayloadField("handicap_index", "Handicap index", FieldType.NUMBER)),
        changes=(Change("handicap_index", ("handicap_index", "handicapIndex"), a_handicap),),
    ),
    EventType(
        "competition.published",
        "Competition open for entries",
        Category.GOLF,
        "trophy",
        done="been able to enter a competition",
        title=lambda payload: _competition("Competition open for entries", payload),
        fields=COMPETITION,
        second_hand=True,
    ),
    EventType(
        "competition.full",
        "Competition full",
        Category.GOLF,
        "trophy",
        done="found a competition full",
        title=lambda payload: _competition("Competition full", payload),
        fields=COMPETITION,
        second_hand=True,
    ),
    EventType(
        "competition.entered",
        "Competition entered",
        Category.GOLF,
        "trophy",
        done="entered a competition",
        title=lambda payload: f"Entered competition {payload.get('competition_id', '')}",
        fields=(CLUB, PayloadField("competition_id", "Competition", FieldType.TEXT)),
    ),
)
