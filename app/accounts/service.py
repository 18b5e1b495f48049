"""Acts on accounts: register, invite, set and change passwords, roles, disabling.

Whoever changes a role or status locks the tenant's row first, so that two admins acting at once cannot leave an
organisation without an owner.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import addresses, audit, links, passwords, sessions, sign_in
from app.accounts.actor import Actor
from app.accounts.models import Tenant, User
from app.accounts.permissions import ROLES
from app.accounts.queries import UserInfo, user
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Forbidden, Invalid
from app.infra.ids import new_id
from app.infra.words import is_visible

MAX_NAME = 120
_TAKEN = "There is an account with this address already. Sign in, or use another address."


class NotAllowed(Forbidden):
    """The act is beyond what this user may do to that one."""


class LastOwner(Conflict):
    """The organisation would have nobody left who may do everything."""

    def __init__(self) -> None:
        super().__init__("An organisation needs at least one active owner. Make somebody else an owner first.")


@dataclass(frozen=True, slots=True)
class Account:
    """Whose account was made, opened or found."""

    tenant_id: UUID
    user_id: UUID
    email: str


def register(*, organisation: str, name: str, email: str, password: str, ip: str | None = None) -> Account:
    """Make an organisation and its first user, who owns it; it has no clubs yet. Raises Invalid."""
    errors: dict[str, str] = {}
    organisation, name = _name(organisation, "organisation", errors), _name(name, "name", errors)
    email = _email(email, errors)
    _check_password(password, "password", errors, email)
    if errors:
        raise Invalid(errors)
    password_hash = passwords.hashed(password)
    account = Account(new_id(), new_id(), email)
    with transaction(account.tenant_id) as session:
        session.add(Tenant(id=account.tenant_id, name=organisation))
        session.flush()
        _add_user(session, account, name=name, role="owner", status="active", password_hash=password_hash)
        audit.record(session, f"user:{account.user_id}", "registered", "tenant", account.tenant_id, ip=ip)
    return account


def invite(*, tenant_id: UUID, actor: Actor, email: str, role: str, name: str = "", ip: str | None = None) -> UserInfo:
    """Make an account that waits for its user to set a password, and return it; the caller sends the mail.

    Raises Invalid, NotAllowed.
    """
    errors: dict[str, str] = {}
    email = _email(email, errors)
    name = _name(name or email.partition("@")[0], "name", errors)
    if role not in ROLES:
        errors["role"] = "Choose a role."
    elif role == "owner" and actor.role != "owner":
        errors["role"] = "Only an owner can invite another owner."
    if errors:
        raise Invalid(errors)
    account = Account(tenant_id, new_id(), email)
    with transaction(tenant_id) as session:
        _add_user(session, account, name=name, role=role, status="invited", password_hash=None)
        audit.record(session, actor.ref, "user_invited", "user", account.user_id, {"email": email, "role": role}, ip)
        return user(tenant_id=tenant_id, user_id=account.user_id)


def invited_again(*, tenant_id: UUID, actor: Actor, user_id: UUID, ip: str | None = None) -> UserInfo:
    """Return a user whose invitation is to be sent again; one who has answered it raises Conflict."""
    with transaction(tenant_id) as session:
        found = user(tenant_id=tenant_id, user_id=user_id)
        _may_touch(actor, found)
        if found.status != "invited":
            raise Conflict(f"{found.name} has answered the invitation already.")
        audit.record(session, actor.ref, "user_invited_again", "user", user_id, ip=ip)
    return found


def withdraw_invitation(*, tenant_id: UUID, actor: Actor, user_id: UUID, ip: str | None = None) -> None:
    """Remove an account that nobody has used yet; its link opens nothing then. Raises Conflict if it was used."""
    with transaction(tenant_id) as session:
        found = _locked(session, tenant_id, user_id)
        _may_touch(actor, found)
        if found.status != "invited":
            raise Conflict(f"{found.name} has answered the invitation already. Disable the account instead.")
        session.execute(
            text("DELETE FROM users WHERE tenant_id = :tenant_id AND id = :user_id"),
            {"tenant_id": tenant_id, "user_id": user_id},
        )
        audit.record(session, actor.ref, "invitation_withdrawn", "user", user_id, {"email": found.email}, ip)


def accept_invitation(*, token: str, name: str, password: str, ip: str | None = None) -> Account:
    """Set the name and password of an invited user, whose account is open from then on. Raises BadToken, Invalid."""
    linked = links.read(links.INVITATION, token)
    errors: dict[str, str] = {}
    name = _name(name, "name", errors)
    _check_password(password, "password", errors, linked.email)
    if errors:
        raise Invalid(errors)
    _set_password(links.INVITATION, token, password, "invitation_accepted", ip, name=name)
    return Account(linked.tenant_id, linked.user_id, linked.email)


def request_reset(*, email: str, ip: str | None = None) -> Account | None:
    """Return the active account of an address, to which the caller sends the mail; None when there is none.

    What the page says must not tell which it was.
    """
    found = sign_in.find(email)
    if found is None or found.status != "active":
        return None
    with transaction(found.tenant_id) as session:
        audit.record(session, f"user:{found.user_id}", "password_reset_asked", "user", found.user_id, ip=ip)
    return Account(found.tenant_id, found.user_id, found.email)


def reset_password(*, token: str, password: str, ip: str | None = None) -> Account:
    """Set a new password by the link of a reset mail and end every sign-in. Raises BadToken, Invalid."""
    linked = links.read(links.RESET, token)
    errors: dict[str, str] = {}
    _check_password(password, "password", errors, linked.email)
    if errors:
        raise Invalid(errors)
    _set_password(links.RESET, token, password, "password_reset", ip)
    return Account(linked.tenant_id, linked.user_id, linked.email)


def change_password(
    *, tenant_id: UUID, user_id: UUID, current: str, new: str, ip: str | None = None, now: datetime | None = None
) -> None:
    """Change the user's own password and end every sign-in, the present one too. Raises Invalid."""
    with transaction(tenant_id) as session:
        stored = session.execute(
            text("SELECT email, password_hash FROM users WHERE tenant_id = :tenant_id AND id = :user_id"),
            {"tenant_id": tenant_id, "user_id": user_id},
        ).one()
    errors: dict[str, str] = {}
    _check_password(new, "password", errors, stored.email)
    if not passwords.verify(stored.password_hash, current):
        errors["current"] = "This is not your current password."
    elif new == current:
        errors["password"] = "This is your present password. Choose another."  # noqa: S105 - words about a password
    if errors:
        raise Invalid(errors)
    password_hash = passwords.hashed(new)
    with transaction(tenant_id) as session:
        _write_password(session, tenant_id, user_id, password_hash)
        sessions.end_all(session, tenant_id=tenant_id, user_id=user_id, now=now or clock.now())
        audit.record(session, f"user:{user_id}", "password_changed", "user", user_id, ip=ip)


def rename(*, tenant_id: UUID, user_id: UUID, name: str) -> None:
    """Change the user's own name. Raises Invalid."""
    errors: dict[str, str] = {}
    name = _name(name, "name", errors)
    if errors:
        raise Invalid(errors)
    with transaction(tenant_id) as session:
        _write_name(session, tenant_id, user_id, name)


def change_role(*, tenant_id: UUID, actor: Actor, user_id: UUID, role: str, ip: str | None = None) -> UserInfo:
    """Give a user another role, which ends their sign-ins. Raises Invalid, NotAllowed, LastOwner."""
    if role not in ROLES:
        raise Invalid({"role": "Choose a role."})
    with transaction(tenant_id) as session:
        found = _locked(session, tenant_id, user_id)
        _may_touch(actor, found)
        if role == "owner" and actor.role != "owner":
            raise NotAllowed("Only an owner can make somebody an owner.")
        if found.role == role:
            return found
        if found.role == "owner":
            _keep_an_owner(session, tenant_id, user_id)
        session.execute(
            text("UPDATE users SET role = :role WHERE tenant_id = :tenant_id AND id = :user_id"),
            {"role": role, "tenant_id": tenant_id, "user_id": user_id},
        )
        sessions.end_all(session, tenant_id=tenant_id, user_id=user_id, now=clock.now())
        audit.record(session, actor.ref, "role_changed", "user", user_id, {"from": found.role, "to": role}, ip)
        return user(tenant_id=tenant_id, user_id=user_id)


def disable(*, tenant_id: UUID, actor: Actor, user_id: UUID, ip: str | None = None) -> UserInfo:
    """Close an account at once: nobody signs in to it, and who is signed in is out. Raises NotAllowed, LastOwner."""
    with transaction(tenant_id) as session:
        found = _locked(session, tenant_id, user_id)
        _may_touch(actor, found)
        if found.role == "owner":
            _keep_an_owner(session, tenant_id, user_id)
        _set_status(session, tenant_id, user_id, "disabled")
        sessions.end_all(session, tenant_id=tenant_id, user_id=user_id, now=clock.now())
        audit.record(session, actor.ref, "user_disabled", "user", user_id, ip=ip)
        return user(tenant_id=tenant_id, user_id=user_id)


def enable(*, tenant_id: UUID, actor: Actor, user_id: UUID, ip: str | None = None) -> UserInfo:
    """Open a disabled account again; one that never had a password waits for its invitation. Raises NotAllowed."""
    with transaction(tenant_id) as session:
        found = _locked(session, tenant_id, user_id)
        _may_touch(actor, found)
        if found.status != "disabled":
            return found
        session.execute(
            text("""
                UPDATE users SET status = CASE WHEN password_hash IS NULL THEN 'invited' ELSE 'active' END
                WHERE tenant_id = :tenant_id AND id = :user_id
            """),
            {"tenant_id": tenant_id, "user_id": user_id},
        )
        audit.record(session, actor.ref, "user_enabled", "user", user_id, ip=ip)
        return user(tenant_id=tenant_id, user_id=user_id)


def _add_user(
    session: Session,
    account: Account,
    *,
    name: str,
    role: str,
    status: str,
    password_hash: str | None,
) -> None:
    """Insert a user; an address that has an account, in whichever organisation, raises Invalid."""
    row = User(
        tenant_id=account.tenant_id,
        id=account.user_id,
        email=account.email,
        email_key=addresses.key(account.email),
        name=name,
        role=role,
        status=status,
        password_hash=password_hash,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise Invalid({"email": _TAKEN}) from None


def _locked(session: Session, tenant_id: UUID, user_id: UUID) -> UserInfo:
    _lock_tenant(session, tenant_id)
    return user(tenant_id=tenant_id, user_id=user_id)


def _lock_tenant(session: Session, tenant_id: UUID) -> None:
    session.execute(
        text("SELECT 1 FROM tenant WHERE id = :tenant_id FOR NO KEY UPDATE"), {"tenant_id": tenant_id}
    ).one()


def _may_touch(actor: Actor, found: UserInfo) -> None:
    if actor.user_id == found.id:
        raise NotAllowed("You cannot change your own role or close your own account. Ask another owner or admin.")
    if found.role == "owner" and actor.role != "owner":
        raise NotAllowed("Only an owner can change an owner's account.")


def _keep_an_owner(session: Session, tenant_id: UUID, leaving: UUID) -> None:
    others = session.execute(
        text("""
            SELECT count(*) FROM users
            WHERE tenant_id = :tenant_id AND role = 'owner' AND status = 'active' AND id <> :leaving
        """),
        {"tenant_id": tenant_id, "leaving": leaving},
    ).scalar_one()
    if not others:
        raise LastOwner


def _set_status(session: Session, tenant_id: UUID, user_id: UUID, status: str) -> None:
    session.execute(
        text("UPDATE users SET status = :status WHERE tenant_id = :tenant_id AND id = :user_id"),
        {"status": status, "tenant_id": tenant_id, "user_id": user_id},
    )


def _set_password(
    purpose: str, token: str, password: str, action: str, ip: str | None, *, name: str | None = None
) -> None:
    password_hash = passwords.hashed(password)
    tenant_id = links.read(purpose, token).tenant_id
    with transaction(tenant_id) as session:
        # Read again under the lock: of two uses of one link at once, the second finds it used.
        _lock_tenant(session, tenant_id)
        linked = links.read(purpose, token)
        _write_password(session, tenant_id, linked.user_id, password_hash)
        _set_status(session, tenant_id, linked.user_id, "active")
        if name is not None:
            _write_name(session, tenant_id, linked.user_id, name)
        sessions.end_all(session, tenant_id=tenant_id, user_id=linked.user_id, now=clock.now())
        audit.record(session, f"user:{linked.user_id}", action, "user", linked.user_id, ip=ip)


def _write_name(session: Session, tenant_id: UUID, user_id: UUID, name: str) -> None:
    session.execute(
        text("UPDATE users SET name = :name WHERE tenant_id = :tenant_id AND id = :user_id"),
        {"name": name, "tenant_id": tenant_id, "user_id": user_id},
    )


def _write_password(session: Session, tenant_id: UUID, user_id: UUID, password_hash: str) -> None:
    session.execute(
        text("UPDATE users SET password_hash = :hash WHERE tenant_id = :tenant_id AND id = :user_id"),
        {"hash": password_hash, "tenant_id": tenant_id, "user_id": user_id},
    )


def _name(text_: str, field: str, errors: dict[str, str]) -> str:
    name = " ".join(text_.split())
    if not is_visible(name) or len(name) > MAX_NAME:
        errors[field] = f"Enter a name of 1 to {MAX_NAME} characters."
    return name


def _email(text_: str, errors: dict[str, str]) -> str:
    try:
        return addresses.checked(text_)
    except Invalid as error:
        errors.update(error.errors)
        return text_


def _check_password(password: str, field: str, errors: dict[str, str], email: str) -> None:
    fault = passwords.check_new(password, email=email)
    if fault:
        errors[field] = fault
