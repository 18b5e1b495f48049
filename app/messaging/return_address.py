"""The addresses by which mail about a message comes back to us: where it bounces to, replies to, and is stopped at.

`INBOUND_DOMAIN` is the domain whose mail is handed to Fairway; without it letters carry none of these. An address is a
word that says what for, and a token that says of which message (tokens.mail_token): one we did not sign is nobody's.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text

from app.infra.config import load
from app.infra.db import dispatching
from app.infra.tokens import BadToken
from app.messaging.tokens import MAIL_TOKEN, mail_token, mail_token_tail, read_mail_token

_OURS = re.compile(rf"\b(bounce|reply|leave)\+([a-z2-7]{{{MAIL_TOKEN}}})@", re.IGNORECASE | re.ASCII)
# Whoever writes thousands of tokens into one mail does not have them all looked at.
MOST_READ = 20

_TENANTS = text("SELECT id FROM tenant WHERE right(id::text, 8) = ANY(CAST(:tails AS text[]))")


class For(StrEnum):
    """What an address of ours is for."""

    BOUNCES = "bounce"
    REPLIES = "reply"
    LEAVING = "leave"


@dataclass(slots=True)
class Addresses:
    """The addresses of one message; None without a domain that mail comes in by."""

    bounces: str | None
    replies: str | None
    leaving: str | None


@dataclass(frozen=True, slots=True)
class Returned:
    """An address of ours that a mail came to: what it is for, and the message it is of."""

    what: For
    tenant_id: UUID
    message_id: UUID


def addresses(tenant_id: UUID, message_id: UUID) -> Addresses:
    """Return the addresses of a message."""
    domain = load().inbound_domain
    if domain is None:
        return Addresses(None, None, None)
    end = f"+{mail_token(tenant_id, message_id)}@{domain}"
    return Addresses(f"{For.BOUNCES}{end}", f"{For.REPLIES}{end}", f"{For.LEAVING}{end}")


def is_ours(address: str) -> bool:
    """Return whether an address looks like one of these; whether we made it, `read` tells."""
    return _OURS.match(address.strip().lstrip("<")) is not None


def read(words: str, tenant_id: UUID | None = None) -> list[Returned]:
    """Return the addresses of ours in a text that we did make (for this tenant, if one is given), without repeats.

    The domain is not looked at: a mail server that rewrites it takes nothing away.
    """
    found = dict.fromkeys((For(one[1].lower()), one[2].lower()) for one in _OURS.finditer(words))
    asked = list(found)[:MOST_READ]
    if not asked:
        return []
    tenants = [tenant_id] if tenant_id else _tenants({mail_token_tail(token) for _, token in asked})
    return [one for what, token in asked if (one := _one(what, token, tenants))]


def _one(what: For, token: str, tenants: Iterable[UUID]) -> Returned | None:
    try:
        link = read_mail_token(token, tenants)
    except BadToken:
        return None
    return Returned(what, link.tenant_id, link.message_id)


def _tenants(tails: Iterable[str]) -> list[UUID]:
    with dispatching() as session:
        return list(session.scalars(_TENANTS, {"tails": sorted(tails)}))
