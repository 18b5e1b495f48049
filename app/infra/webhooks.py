"""Signing what is posted to somebody's receiver, as Standard Webhooks says."""

import base64
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID

SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets begin


def new_secret() -> str:
    """Return a secret to sign with: 32 random bytes, as Standard Webhooks writes them."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def headers(what: UUID, content: bytes, *, signing: Sequence[str], now: datetime) -> dict[str, str]:
    """Return the headers of a body: the id of what it tells, which a repeat has too, when, and a signature by each."""
    message_id, at = f"msg_{what.hex}", str(int(now.timestamp()))
    signed = f"{message_id}.{at}.".encode() + content
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": at,
        "webhook-signature": " ".join(f"v1,{_signature(one, signed)}" for one in signing),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.digest(key, signed, sha256)).decode()
