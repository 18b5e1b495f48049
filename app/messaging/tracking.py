"""Opens and clicks. They come in as events, like all that happens, and change no consent."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import text

from app.events import log
from app.events.validation import OWN_SOURCE
from app.infra import clock
from app.infra.db import transaction
from app.messaging.tokens import TrackedLink

# Nobody reads a letter in the seconds after it was sent; filters and proxies do.
MACHINE_SECONDS = timedelta(seconds=10)

# Mail Privacy Protection asks for every picture with nothing but this.
_BARE_BROWSER = "Mozilla/5.0"
_MACHINE = re.compile(
    r"bot\b|crawl|spider|scan|preview|prefetch|headless|barracuda|mimecast|proofpoint|forcepoint|symantec|safelinks"
    r"|urldefense|python|curl|wget|java/|go-http|okhttp|libwww|httpclient|axios|phantomjs",
    re.IGNORECASE,
)

FIND = text("""
    SELECT message.customer_id, message.channel, message.sent_at, message.sending_at, message.subject,
           message.journey_id, message.step_key, message.template_id, message.topic_id, message.campaign_id
    FROM message WHERE message.tenant_id = :tenant_id AND message.id = :id
""")

# A click on a letter is an open, even where pictures are not shown.
NOTE = text("""
    UPDATE message
    SET first_open_at = CASE WHEN channel = 'EMAIL' OR NOT :clicked THEN coalesce(first_open_at, :now)
                             ELSE first_open_at END,
        first_click_at = CASE WHEN :clicked THEN coalesce(first_click_at, :now) ELSE first_click_at END
    WHERE tenant_id = :tenant_id AND id = :id
      AND (first_open_at IS NULL OR (:clicked AND first_click_at IS NULL))
""")


class Kind(StrEnum):
    """What the reader did, by the type of its event."""

    OPENED = "message.opened"
    CLICKED = "message.clicked"


@dataclass(frozen=True, slots=True)
class Visit:
    """The request a pixel or link was asked for with."""

    method: str
    user_agent: str
    prefetch: bool = False


def record(*, kind: Kind, link: TrackedLink, visit: Visit, now: datetime | None = None) -> bool:
    """Record that a pixel or link of a message was asked for; return whether that made a new event.

    One event a day, reader and link; visits of machines are events of their own, with `is_machine`, and leave the
    message's first open and click alone. A message that no longer exists is passed over.
    """
    moment = now or clock.now()
    with transaction(link.tenant_id) as session:
        values: dict[str, Any] = {"tenant_id": link.tenant_id, "id": link.message_id}
        message = session.execute(FIND, values).first()
        if message is None or message.customer_id is None:
            return False
        machine = is_machine(visit, message.sent_at or message.sending_at, moment)
        if not machine:
            session.execute(NOTE, {**values, "now": moment, "clicked": kind is Kind.CLICKED})
        payload = {
            "message_id": str(link.message_id),
            "template_id": message.template_id and str(message.template_id),
            "topic_id": message.topic_id and str(message.topic_id),
            "journey_id": message.journey_id and str(message.journey_id),
            "step_key": message.step_key,
            "campaign_id": message.campaign_id and str(message.campaign_id),
            "channel": message.channel,
            "subject": message.subject,
            "is_machine": machine,
            "user_agent": visit.user_agent[:300],
        }
        if kind is Kind.CLICKED:
            payload["url"] = link.url
        event = {
            "id": _event_id(kind, link, machine, moment),
            "type": kind.value,
            "source": OWN_SOURCE,
            "timestamp": moment.isoformat(),
            "identity": {"customer_id": str(message.customer_id)},
            "payload": payload,
        }
        results = log.append(tenant_id=link.tenant_id, events=[event], own=True, now=moment)
    return results[0].status is log.Status.ACCEPTED


def is_machine(visit: Visit, sent_at: datetime | None, now: datetime) -> bool:
    """Return whether a visit is a filter's or proxy's rather than the reader's own."""
    agent = visit.user_agent.strip()
    return (
        visit.method == "HEAD"
        or visit.prefetch
        or agent in ("", _BARE_BROWSER)
        or _MACHINE.search(agent) is not None
        or sent_at is None
        or now - sent_at < MACHINE_SECONDS
    )


def _event_id(kind: Kind, link: TrackedLink, machine: bool, now: datetime) -> str:
    """Return the same id for repeats of a day: readers go back to a letter, and mail programs do so all the time."""
    where = hashlib.sha256(link.url.encode()).hexdigest()[:12] if link.url else "pixel"
    return f"{kind.value}:{link.message_id}:{where}:{now.date().isoformat()}{':machine' if machine else ''}"
