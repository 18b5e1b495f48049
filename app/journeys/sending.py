"""The settings of a journey that say how it sends: topic, send window, whose clock its local times go by."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.customers.models import Topic
from app.infra.ids import as_id
from app.journeys.models import Journey
from app.messaging import windows
from app.messaging.windows import JOURNEY, PERSON

SETTINGS = ("topic_id", "send_window", "clock")
CLOCKS = {
    PERSON: "Each person’s own, where their time zone is known",
    JOURNEY: "The journey’s, for everybody",
}


def apply(session: Session, journey: Journey, given: Mapping[str, Any], errors: dict[str, str]) -> None:
    """Put the given settings on the journey; what is wrong with them goes to `errors`."""
    with session.no_autoflush:
        if "topic_id" in given:
            topic_id = as_id(given["topic_id"]) if given["topic_id"] else None
            topic = session.get(Topic, (journey.tenant_id, topic_id)) if topic_id else None
            if given["topic_id"] and (topic is None or (topic.archived_at and topic_id != journey.topic_id)):
                errors["topic_id"] = "Choose one of the topics in use."
            else:
                journey.topic_id = topic_id
        if "send_window" in given:
            window = given["send_window"]
            if window is not None and not isinstance(window, Mapping):
                errors["send_window"] = "Give the days, and from and to where it has hours."
            else:
                journey.send_window = windows.checked(window, errors)
        if "clock" in given:
            if given["clock"] not in CLOCKS:
                errors["clock"] = f"Choose one of: {', '.join(CLOCKS)}."
            else:
                journey.clock = given["clock"]


def held_by(journey: Journey) -> tuple[Any, ...]:
    """Return what messages of a journey are held by: another one may let them out sooner."""
    return journey.send_window, journey.clock, journey.timezone


def window_words(journey: Journey) -> str:
    """Return when the journey sends."""
    return windows.read(journey.send_window).words if journey.send_window else "At any time"
