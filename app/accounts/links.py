"""The links in invitations and password mails: signed, timed, good once.

A link carries a fingerprint of the account as it was when the link was made. Using it changes the account (password,
session version), and so does everything else that should end it: a changed password, a disabled account.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Row, text

from app.infra.config import load
from app.infra.db import transaction
from app.infra.tokens import BadToken, sign, unsign

INVITATION = "invitation"
RESET = "reset-password"
LIFETIMES = {INVITATION: timedelta(days=7), RESET: timedelta(hours=2)}
_MAX_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Linked:
    """The account a good link leads to."""

    tenant_id: UUID
    user_id: UUID
    email: str
    name: str
    organisation: str


def invitation_link(*, tenant_id: UUID, user_id: UUID) -> str:
    """Return the address at which an invited user sets a password; made when the mail is rendered, never stored."""
    return _link(INVITATION, tenant_id, user_id)


def reset_link(*, tenant_id: UUID, user_id: UUID) -> str:
    """Return the address at which a user who forgot the password sets another."""
    return _link(RESET, tenant_id, user_id)


def read(purpose: str, token: str) -> Linked:
    """Return the account of an invitation's or reset's token, or raise BadToken."""
    if len(token) > _MAX_LENGTH:
        raise BadToken
    data = unsign(purpose, token, max_age=int(LIFETIMES[purpose].total_seconds()))
    try:
        tenant_id, user_id, fingerprint = UUID(hex=data["t"]), UUID(hex=data["u"]), str(data["f"])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise BadToken from None
    row = _account(tenant_id, user_id)
    wanted = "invited" if purpose == INVITATION else "active"
    if row is None or row.status != wanted or not hmac.compare_digest(_fingerprint(row), fingerprint):
        raise BadToken
    return Linked(tenant_id, user_id, row.email, row.name, row.organisation)


def _link(purpose: str, tenant_id: UUID, user_id: UUID) -> str:
    row = _account(tenant_id, user_id)
    if row is None:
        raise BadToken
    token = sign(purpose, {"t": tenant_id.hex, "u": user_id.hex, "f": _fingerprint(row)}, timed=True)
    return f"{load().public_url}/{purpose}/{token}"


def _account(tenant_id: UUID, user_id: UUID) -> Row[tuple[str, str, str, str | None, int, str]] | None:
    with transaction(tenant_id) as session:
        return session.execute(
            text("""
                SELECT u.email, u.name, u.status, u.password_hash, u.session_version, t.name AS organisation
                FROM users u JOIN tenant t ON t.id = u.tenant_id
                WHERE u.tenant_id = :tenant_id AND u.id = :user_id
            """),
            {"tenant_id": tenant_id, "user_id": user_id},
        ).one_or_none()


def _fingerprint(row: Row[tuple[str, str, str, str | None, int, str]]) -> str:
    account = f"{row.status}:{row.session_version}:{row.password_hash or ''}"
    return hashlib.sha256(account.encode()).hexdigest()[:32]
