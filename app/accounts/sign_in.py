"""Signing in with a password, by browser or API.

An unknown address, a disabled account and a wrong password get the same words after the same work.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from app.accounts import addresses, audit, passwords, sessions, tokens
from app.accounts.actor import Actor
from app.infra.db import transaction
from app.infra.errors import UserError


class SignInFailed(UserError):
    """The address and the password are not those of an active account."""

    status = 401
    title = "Sign-in failed"

    def __init__(self) -> None:
        super().__init__("This e-mail address and password do not belong together. Check both and try again.")


@dataclass(frozen=True, slots=True)
class Found:
    """A user found by address, before anything is proven."""

    tenant_id: UUID
    user_id: UUID
    email: str
    password_hash: str | None
    status: str


def find(email: str) -> Found | None:
    """Return the user of an address, of whichever tenant; row-level security shows exactly that row."""
    key = addresses.known_key(email)
    with transaction(None) as session:
        session.execute(text("SELECT set_config('fairway.sign_in', :key, true)"), {"key": key or ""})
        row = session.execute(
            text("SELECT tenant_id, id, email, password_hash, status FROM users WHERE email_key = :key"), {"key": key}
        ).one_or_none()
        # The transaction may be part of a longer one in which nobody else's row must show.
        session.execute(text("SELECT set_config('fairway.sign_in', '', true)"))
    return None if row is None else Found(*row)


def check(*, email: str, password: str, ip: str | None = None) -> Found:
    """Return the active user whose password this is, or raise SignInFailed; failures of known users are recorded."""
    found = find(email)
    active = found is not None and found.status == "active"
    right = passwords.verify(found.password_hash if found else None, password)
    if found is None or not (active and right):
        _record_failure(found, ip)
        raise SignInFailed
    if found.password_hash and passwords.outdated(found.password_hash):
        _rehash(found, password)
    return found


def by_browser(
    *, email: str, password: str, ip: str | None = None, user_agent: str | None = None, now: datetime | None = None
) -> Actor:
    """Sign a user in and return the actor whose token goes into the cookie; raises SignInFailed."""
    found = check(email=email, password=password, ip=ip)
    try:
        return sessions.open_web(
            tenant_id=found.tenant_id, user_id=found.user_id, ip=ip, user_agent=user_agent, now=now
        )
    except sessions.SignInEnded:
        raise SignInFailed from None


def by_api(
    *, email: str, password: str, ip: str | None = None, user_agent: str | None = None, now: datetime | None = None
) -> tokens.TokenPair:
    """Sign a user in and return an access token with its refresh token; raises SignInFailed."""
    found = check(email=email, password=password, ip=ip)
    try:
        return tokens.open_api(tenant_id=found.tenant_id, user_id=found.user_id, ip=ip, user_agent=user_agent, now=now)
    except sessions.SignInEnded:
        raise SignInFailed from None


def _record_failure(found: Found | None, ip: str | None) -> None:
    # Not waiting for the disk keeps a failure for a known address from taking longer than for an unknown one.
    with transaction(found.tenant_id if found else None) as session:
        session.execute(text("SELECT set_config('synchronous_commit', 'off', true)"))
        if found:
            audit.record(session, f"user:{found.user_id}", "sign_in_failed", "user", found.user_id, ip=ip)


def _rehash(found: Found, password: str) -> None:
    fresh = passwords.hashed(password)
    with transaction(found.tenant_id) as session:
        session.execute(
            text("""
                UPDATE users SET password_hash = :fresh
                WHERE tenant_id = :tenant_id AND id = :user_id AND password_hash = :old
            """),
            {"fresh": fresh, "tenant_id": found.tenant_id, "user_id": found.user_id, "old": found.password_hash},
        )
