"""Sign-ins by browser: a row on the server for each, so that every one can be ended at once.

The cookie holds `fws_<tenant>_<session>_<secret>`. A session counts while its row is neither revoked nor over and its
version is the user's: changing the password, the role or the status raises the user's version and so ends them all.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts import audit, credentials
from app.accounts.actor import Actor
from app.accounts.permissions import permissions_of
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.ids import new_id

LIFETIME = timedelta(days=30)
SEEN_EVERY = timedelta(minutes=5)
KEPT_AFTER_END = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SignIn:
    """One live sign-in, as its user sees it."""

    id: UUID
    kind: str
    ip: str | None
    user_agent: str | None
    created_at: datetime
    last_seen_at: datetime

    @property
    def by_api(self) -> bool:
        """Return whether a program signed in and not a browser."""
        return self.kind == "api"


class SignInEnded(NotFound):
    """The sign-in is over already, or is somebody else's."""

    def __init__(self) -> None:
        super().__init__("This sign-in has ended already.")


_LOAD = text("""
    SELECT s.secret_hash, s.last_seen_at, u.id AS user_id, u.name, u.email, u.role
    FROM user_session s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
    WHERE s.tenant_id = :tenant_id AND s.id = :id AND s.kind = 'web'
      AND s.revoked_at IS NULL AND s.expires_at > :now
      AND u.status = 'active' AND u.session_version = s.session_version
""")
# Two requests at once: the second finds the row seen and writes nothing.
_SEEN = text("""
    UPDATE user_session SET last_seen_at = :now, expires_at = :expires_at
    WHERE tenant_id = :tenant_id AND id = :id AND last_seen_at < :stale
""")
_CREATE = text("""
    INSERT INTO user_session (tenant_id, id, user_id, kind, session_version, secret_hash, refresh_hash, ip, user_agent,
                              created_at, last_seen_at, expires_at)
    SELECT tenant_id, :id, id, :kind, session_version, :secret_hash, :refresh_hash, :ip, :user_agent,
           :now, :now, :expires_at
    FROM users WHERE tenant_id = :tenant_id AND id = :user_id AND status = 'active'
    RETURNING session_version
""")
_FORGET_OLD = text("""
    DELETE FROM user_session
    WHERE tenant_id = :tenant_id AND user_id = :user_id AND (expires_at < :before OR revoked_at < :before)
""")
_LISTED = text("""
    SELECT s.id, s.kind, s.ip, s.user_agent, s.created_at, s.last_seen_at
    FROM user_session s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
    WHERE s.tenant_id = :tenant_id AND s.user_id = :user_id AND s.revoked_at IS NULL AND s.expires_at > :now
      AND u.session_version = s.session_version
    ORDER BY s.last_seen_at DESC, s.id DESC
    LIMIT 100
""")


def create(
    session: Session,
    *,
    tenant_id: UUID,
    user_id: UUID,
    session_id: UUID,
    kind: str,
    secret_hash: str | None = None,
    refresh_hash: str | None = None,
    ip: str | None,
    user_agent: str | None,
    now: datetime,
) -> int:
    """Insert the row of a sign-in and return its version; a user who is not active raises SignInEnded."""
    session.execute(_FORGET_OLD, {"tenant_id": tenant_id, "user_id": user_id, "before": now - KEPT_AFTER_END})
    version = session.execute(
        _CREATE,
        {
            "tenant_id": tenant_id,
            "id": session_id,
            "user_id": user_id,
            "kind": kind,
            "secret_hash": secret_hash,
            "refresh_hash": refresh_hash,
            "ip": ip,
            "user_agent": _printable(user_agent),
            "now": now,
            "expires_at": now + LIFETIME,
        },
    ).scalar_one_or_none()
    if version is None:
        raise SignInEnded
    session.execute(
        text("UPDATE users SET last_sign_in_at = :now WHERE tenant_id = :tenant_id AND id = :user_id"),
        {"now": now, "tenant_id": tenant_id, "user_id": user_id},
    )
    audit.record(session, f"user:{user_id}", "signed_in", "user", user_id, {"by": kind}, ip)
    return int(version)


def open_web(
    *,
    tenant_id: UUID,
    user_id: UUID,
    ip: str | None = None,
    user_agent: str | None = None,
    now: datetime | None = None,
) -> Actor:
    """Begin a browser's sign-in and return its actor, whose `token` goes into the cookie and is kept nowhere else."""
    now = now or clock.now()
    session_id = new_id()
    token, secret_hash = credentials.make(credentials.COOKIE, tenant_id, session_id)
    with transaction(tenant_id) as session:
        create(
            session,
            tenant_id=tenant_id,
            user_id=user_id,
            session_id=session_id,
            kind="web",
            secret_hash=secret_hash,
            ip=ip,
            user_agent=user_agent,
            now=now,
        )
    actor = load(token, now=now)
    if actor is None:
        raise SignInEnded
    return actor


def load(token: str, *, now: datetime | None = None) -> Actor | None:
    """Return the signed-in user of a cookie's token, or None when it is not (or no longer) good.

    At most every five minutes this notes that the session was seen, which puts its end 30 days off again.
    """
    given = credentials.parse(credentials.COOKIE, token)
    if given is None:
        return None
    now = now or clock.now()
    with transaction(given.tenant_id) as session:
        row = session.execute(_LOAD, {"tenant_id": given.tenant_id, "id": given.row_id, "now": now}).one_or_none()
        if row is None or not given.matches(row.secret_hash):
            return None
        if row.last_seen_at < now - SEEN_EVERY:
            session.execute(
                _SEEN,
                {
                    "tenant_id": given.tenant_id,
                    "id": given.row_id,
                    "now": now,
                    "stale": now - SEEN_EVERY,
                    "expires_at": now + LIFETIME,
                },
            )
    return Actor(
        tenant_id=given.tenant_id,
        user_id=row.user_id,
        name=row.name,
        email=row.email,
        role=row.role,
        permissions=permissions_of(row.role),
        via="session",
        session_id=given.row_id,
        token=token,
    )


def listed(*, tenant_id: UUID, user_id: UUID, now: datetime | None = None) -> list[SignIn]:
    """Return the user's live sign-ins, by browser and API, the last seen first; at most 100."""
    with transaction(tenant_id) as session:
        rows = session.execute(_LISTED, {"tenant_id": tenant_id, "user_id": user_id, "now": now or clock.now()})
        return [SignIn(*row) for row in rows]


def revoke(*, tenant_id: UUID, user_id: UUID, session_id: UUID, now: datetime | None = None) -> None:
    """End one sign-in of the user; one that has ended, or is another's, raises SignInEnded."""
    with transaction(tenant_id) as session:
        ended = session.execute(
            text("""
                UPDATE user_session SET revoked_at = :now
                WHERE tenant_id = :tenant_id AND user_id = :user_id AND id = :id AND revoked_at IS NULL
                RETURNING id
            """),
            {"tenant_id": tenant_id, "user_id": user_id, "id": session_id, "now": now or clock.now()},
        ).one_or_none()
        if ended is None:
            raise SignInEnded
        audit.record(session, f"user:{user_id}", "signed_out", "session", session_id)


def revoke_all(*, tenant_id: UUID, user_id: UUID, now: datetime | None = None) -> None:
    """End every sign-in of the user, by browser and API."""
    with transaction(tenant_id) as session:
        end_all(session, tenant_id=tenant_id, user_id=user_id, now=now or clock.now())
        audit.record(session, f"user:{user_id}", "signed_out_everywhere", "user", user_id)


def end_all(session: Session, *, tenant_id: UUID, user_id: UUID, now: datetime) -> None:
    """Within an open transaction, raise the user's version and close all their sign-ins."""
    who = {"tenant_id": tenant_id, "user_id": user_id}
    session.execute(
        text("UPDATE users SET session_version = session_version + 1 WHERE tenant_id = :tenant_id AND id = :user_id"),
        who,
    )
    session.execute(
        text("""
            UPDATE user_session SET revoked_at = :now
            WHERE tenant_id = :tenant_id AND user_id = :user_id AND revoked_at IS NULL
        """),
        who | {"now": now},
    )


def _printable(user_agent: str | None) -> str | None:
    if user_agent is None:
        return None
    return "".join(letter for letter in user_agent if letter.isprintable())[:300]
