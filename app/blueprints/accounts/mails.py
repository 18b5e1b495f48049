"""Acts that send a mail: the act and its mail commit together."""

from uuid import UUID

from app.accounts import service
from app.accounts.actor import Actor
from app.accounts.queries import UserInfo
from app.infra.db import transaction
from app.infra.ids import new_id
from app.messaging import outbox


def invite(*, tenant_id: UUID, actor: Actor, email: str, name: str, role: str, ip: str | None) -> UserInfo:
    """Invite a user by mail. Raises Invalid."""
    with transaction(tenant_id):
        invited = service.invite(tenant_id=tenant_id, actor=actor, email=email, name=name, role=role, ip=ip)
        _put(tenant_id, "invitation", invited.id, invited.email)
    return invited


def invite_again(*, tenant_id: UUID, actor: Actor, user_id: UUID, ip: str | None) -> UserInfo:
    """Send an invitation again. Raises Conflict when it was answered."""
    with transaction(tenant_id):
        invited = service.invited_again(tenant_id=tenant_id, actor=actor, user_id=user_id, ip=ip)
        _put(tenant_id, "invitation", invited.id, invited.email)
    return invited


def request_reset(*, email: str, ip: str | None) -> None:
    """Send the link for a new password, if the address has an account; the caller learns nothing of it."""
    account = service.request_reset(email=email, ip=ip)
    if account is not None:
        _put(account.tenant_id, "reset_password", account.user_id, account.email)


def _put(tenant_id: UUID, letter: str, user_id: UUID, address: str) -> None:
    # Each asking is an intention of its own, so the key is too.
    outbox.put_one(
        tenant_id=tenant_id,
        to_address=address,
        dedupe_key=f"{letter}:{user_id}:{new_id()}",
        builtin=letter,
        user_id=user_id,
    )
