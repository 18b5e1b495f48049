"""A provider of texts: a real HTTP server that takes them as Twilio does, and answers as it is asked to."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import orjson

from app.messaging import accounts
from tests.segments.receiver import Receiver, Told

SID, TOKEN = "AC0123", "a token of a provider"
LONG = "https://club.example/book?day=saturday&holes=18&players=4&buggy=yes&from=08:00"
TAKEN = orjson.dumps({"sid": "SM1", "status": "queued", "error_code": None})


def set_up(tenant_id: UUID, receiver: Receiver, channel: str = "SMS", **more: str) -> None:
    """Let a channel's messages be carried by the receiver."""
    accounts.save(
        tenant_id=tenant_id,
        channel_name=channel,
        carrier="provider",
        settings={
            "base_url": f"{receiver.origin}/2010-04-01",
            "account_sid": SID,
            "auth_token": TOKEN,
            "sender": "+27110000000",
        }
        | more,
        actor="system",
    )


def form(told: Told) -> dict[str, str]:
    """Return the fields of a message it was told."""
    return dict(parse_qsl(told.body.decode()))


def error(code: int, message: str = "no", **more: Any) -> bytes:
    """Return the body of a refusal."""
    return orjson.dumps({"code": code, "message": message, **more})


def reader(customer: Callable[..., UUID], **fields: Any) -> UUID:
    """Return a customer who is reached by phone alone, unless told otherwise."""
    return customer(**{"phone": "+27824751967", "sms_opt_in": True, "email_opt_in": False} | fields)


def put(texter: Any, *people: UUID, **more: Any) -> list[UUID]:
    """Put a text for each into the outbox."""
    found: list[UUID] = texter.put(*people, channel_name="SMS", **more)
    return found
