"""Sign-ins by API: an access token (JWT) of minutes, and a refresh token that is good once.

An access token is checked against its session's row at every request, so that ending a session ends it too. A refresh
token that was used already tells that somebody has a copy: the session ends for both.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from sqlalchemy import text

from app.accounts import audit, sessions
from app.accounts.actor import Actor
from app.accounts.credentials import digest
from app.accounts.permissions import permissions_of
from app.infra import clock
from app.infra.config import load
from app.infra.db import transaction
from app.infra.errors import UserError
from app.infra.ids import new_id
from app.infra.tokens import BadToken, sign, unsign

ACCESS_LIFETIME = timedelta(minutes=15)
AUDIENCE = "fairway-api"
BEARER = "Bearer"
_ALGORITHM = "HS256"
_HEADER = {"typ": "JWT", "alg": _ALGORITHM}
_MAX_LENGTH = 2048
_REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a sign-in by API gives; `expires_in` counts the access token's seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = BEARER


class RefreshRefused(UserError):
    """The refresh token is unknown, over, or was used before."""

    status = 401
    title = "Sign in again"

    def __init__(self) -> None:
        super().__init__("This refresh token is not valid (any more). Sign in again.")


_ACTIVE = text("""
    SELECT u.name, u.email, u.role
    FROM user_session s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
    WHERE s.tenant_id = :tenant_id AND s.id = :id AND s.user_id = :user_id AND s.kind = 'api'
      AND s.revoked_at IS NULL AND s.expires_at > :now
      AND u.status = 'active' AND s.session_version = u.session_version AND u.session_version = :version
""")
# Locked: of two requests with one refresh token, the second sees the first's new hash.
_REFRESHABLE = text("""
    SELECT s.user_id, s.refresh_hash, u.session_version
    FROM user_session s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
    WHERE s.tenant_id = :tenant_id AND s.id = :id AND s.kind = 'api' AND s.revoked_at IS NULL AND s.expires_at > :now
      AND u.status = 'active' AND s.session_version = u.session_version
    FOR UPDATE OF s
""")
_ROTATE = text("""
    UPDATE user_session SET refresh_hash = :refresh_hash, last_seen_at = :now, expires_at = :expires_at
    WHERE tenant_id = :tenant_id AND id = :id
""")


def open_api(
    *,
    tenant_id: UUID,
    user_id: UUID,
    ip: str | None = None,
    user_agent: str | None = None,
    now: datetime | None = None,
) -> TokenPair:
    """Begin a sign-in by API and return its tokens; a user who is not active raises sessions.SignInEnded."""
    now = now or clock.now()
    session_id = new_id()
    refresh_token = _new_refresh(tenant_id, session_id)
    with transaction(tenant_id) as session:
        version = sessions.create(
            session,
            tenant_id=tenant_id,
            user_id=user_id,
            session_id=session_id,
            kind="api",
            refresh_hash=digest(refresh_token),
            ip=ip,
            user_agent=user_agent,
            now=now,
        )
    return _pair(tenant_id, user_id, session_id, version, refresh_token, now)


def refresh(token: str, *, ip: str | None = None, now: datetime | None = None) -> TokenPair:
    """Return new tokens for an unused refresh token; a used one ends its session. Raises RefreshRefused."""
    now = now or clock.now()
    try:
        given = unsign(_REFRESH, token) if len(token) <= _MAX_LENGTH else {}
        tenant_id, session_id = UUID(hex=given["t"]), UUID(hex=given["s"])
    except (BadToken, KeyError, ValueError, TypeError):
        raise RefreshRefused from None
    fresh = _new_refresh(tenant_id, session_id)
    where = {"tenant_id": tenant_id, "id": session_id, "now": now}
    with transaction(tenant_id) as session:
        row = session.execute(_REFRESHABLE, where).one_or_none()
        reused = row is not None and not hmac.compare_digest(row.refresh_hash or "", digest(token))
        if row is not None and reused:
            session.execute(
                text("UPDATE user_session SET revoked_at = :now WHERE tenant_id = :tenant_id AND id = :id"), where
            )
            audit.record(session, f"user:{row.user_id}", "refresh_token_reused", "session", session_id, ip=ip)
        elif row is not None:
            session.execute(_ROTATE, where | {"refresh_hash": digest(fresh), "expires_at": now + sessions.LIFETIME})
    if row is None or reused:
        raise RefreshRefused
    return _pair(tenant_id, row.user_id, session_id, row.session_version, fresh, now)


def read_access(token: str, *, now: datetime | None = None) -> Actor | None:
    """Return the user an access token was made for, or None when it proves nothing (any more)."""
    now = now or clock.now()
    claims = _claims(token, now)
    if claims is None:
        return None
    try:
        tenant_id, user_id, session_id = (UUID(claims[name]) for name in ("tenant", "sub", "sid"))
        version = int(claims["ver"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    with transaction(tenant_id) as session:
        row = session.execute(
            _ACTIVE,
            {"tenant_id": tenant_id, "id": session_id, "user_id": user_id, "version": version, "now": now},
        ).one_or_none()
    if row is None:
        return None
    return Actor(
        tenant_id=tenant_id,
        user_id=user_id,
        name=row.name,
        email=row.email,
        role=row.role,
        permissions=permissions_of(row.role),
        via="jwt",
        session_id=session_id,
    )


def _claims(token: str, now: datetime) -> dict[str, Any] | None:
    """Return the claims of a token we made that is not over; its header must be, to the letter, the one we write."""
    if len(token) > _MAX_LENGTH:
        return None
    registry = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        iss={"essential": True, "value": load().public_url},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        read = jwt.decode(token, _key(), algorithms=[_ALGORITHM])
        if read.header != _HEADER:
            return None
        registry.validate(read.claims)
    except (JoseError, ValueError, TypeError, RecursionError):
        return None
    return read.claims


def _pair(
    tenant_id: UUID, user_id: UUID, session_id: UUID, version: int, refresh_token: str, now: datetime
) -> TokenPair:
    issued = int(now.timestamp())
    seconds = int(ACCESS_LIFETIME.total_seconds())
    claims: dict[str, Any] = {
        "iss": load().public_url,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "tenant": str(tenant_id),
        "sid": str(session_id),
        "ver": version,
        "iat": issued,
        "exp": issued + seconds,
        "jti": new_id().hex,
    }
    access = jwt.encode(dict(_HEADER), claims, _key(), algorithms=[_ALGORITHM])
    return TokenPair(access_token=access, refresh_token=refresh_token, expires_in=seconds)


@cache
def _key() -> OctKey:
    return OctKey.import_key(hmac.digest(load().secret_key.encode(), b"fairway:access-token", "sha256"))


def _new_refresh(tenant_id: UUID, session_id: UUID) -> str:
    """Return a refresh token: signed, so that any that is ours but not the present one is known to be a used one."""
    return sign(_REFRESH, {"t": tenant_id.hex, "s": session_id.hex, "n": new_id().hex})
