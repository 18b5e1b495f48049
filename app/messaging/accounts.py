"""By whom a channel's messages are carried: an organisation's account with a provider, or nobody yet.

Before one is set up, what goes out on such a channel is kept in the built-in mailbox, and in production not sent at
all: no message leaves Fairway because nobody had thought of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.accounts import audit
from app.infra import crypto
from app.infra.clock import now as _now
from app.infra.config import load
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, NotFound
from app.messaging.channel import Setting, channel, installed
from app.messaging.models import ChannelAccount

NOBODY, MAILBOX, PROVIDER = "none", "mailbox", "provider"
CARRIERS = {
    MAILBOX: "The built-in mailbox: nothing leaves Fairway",
    PROVIDER: "A provider",
    NOBODY: "Nobody: nothing is sent",
}
"""Who carries the messages, in words."""
_SEAL = "channel"


class NotSetUp(Conflict):
    """Nobody carries the messages of the channel."""

    def __init__(self, label: str) -> None:
        super().__init__(f"{label} is not set up. An owner or admin says who carries it in Settings → Channels.")


@dataclass(frozen=True, slots=True)
class Account:
    """Who carries a channel's messages (`carrier`), and what has to be said to them; `secret` opens their door."""

    tenant_id: UUID
    channel: str
    carrier: str
    settings: Mapping[str, Any]
    secret: str | None
    version: int

    def get(self, name: str) -> str:
        """Return a setting; what was never said is as the channel has it."""
        usual = next((one.default for one in channel(self.channel).settings if one.name == name), "")
        return str(self.settings.get(name, usual) or "")


def of(*, tenant_id: UUID, channel_name: str) -> Account:
    """Return the account by which a channel's messages go out."""
    with transaction(tenant_id) as session:
        row = session.execute(
            select(ChannelAccount).where(ChannelAccount.tenant_id == tenant_id, ChannelAccount.channel == channel_name)
        ).scalar_one_or_none()
        if row is None:
            carrier = NOBODY if load().is_production else MAILBOX
            return Account(tenant_id, channel_name, carrier, {}, None, 0)
        sealed = row.secret
        found = Account(tenant_id, channel_name, row.carrier, dict(row.settings), None, row.version)
    if sealed is None:
        return found
    secret = crypto.unseal(_SEAL, tenant_id, sealed)
    return Account(tenant_id, channel_name, found.carrier, found.settings, secret, found.version)


def missing(*, tenant_id: UUID, channel_name: str) -> str | None:
    """Return why nothing can go out on a channel, for people; None where it can."""
    found = channel(channel_name)
    if found.settings and of(tenant_id=tenant_id, channel_name=channel_name).carrier == NOBODY:
        return NotSetUp(found.label).message
    return None


def having_settings() -> list[str]:
    """Return the channels that have an account of the organisation's."""
    return [name for name, one in installed() if one.settings]


def save(
    *,
    tenant_id: UUID,
    channel_name: str,
    carrier: str,
    settings: Mapping[str, str | None],
    actor: str,
) -> Account:
    """Let a channel's messages be carried so from now on and return the account.

    A secret that is left empty stays what it was, unless where or as whom it is used is changed: then it has to be
    given again. Raises Invalid with a message for each setting that is wrong.
    """
    if channel_name not in having_settings():
        raise NotFound("There is no such channel, or nothing to set about it.")
    fields = channel(channel_name).settings
    errors: dict[str, str] = {name: "There is no such setting." for name in settings if not _field(fields, name)}
    if carrier not in CARRIERS:
        errors["carrier"] = f"Choose one of: {', '.join(CARRIERS)}."
    with transaction(tenant_id) as session:
        before = of(tenant_id=tenant_id, channel_name=channel_name)
        kept: dict[str, str] = {}
        for one in fields:
            typed = " ".join((settings.get(one.name) or "").split())
            if one.secret:
                continue
            kept[one.name] = typed if one.name in settings else before.get(one.name)
            if problem := _problem(one, kept[one.name], needed=carrier == PROVIDER):
                errors[one.name] = problem
        secret_field = next((one for one in fields if one.secret), None)
        given = ((settings.get(secret_field.name) if secret_field else None) or "").strip()
        secret = given or before.secret
        if secret_field and secret_field.made:
            secret = before.secret or secret_field.made()
        if secret_field and carrier == PROVIDER and not secret:
            errors[secret_field.name] = "Write it: without it nothing can be sent."
        # Whoever may manage the settings may use the secret, and not have it sent to where they read it.
        aimed = any(one.aims and kept[one.name] != before.get(one.name) for one in fields)
        if secret_field and before.secret and aimed and not given:
            errors[secret_field.name] = "Give it again: the one that is kept is for the address and account before."
        if errors:
            raise Invalid(errors)
        values = {
            "carrier": carrier,
            "settings": kept,
            "secret": crypto.seal(_SEAL, tenant_id, secret) if secret else None,
            "version": before.version + 1,
            "updated_at": _now(),
        }
        session.execute(
            insert(ChannelAccount)
            .values(tenant_id=tenant_id, channel=channel_name, **values)
            .on_conflict_do_update(index_elements=["tenant_id", "channel"], set_=values)
        )
        audit.record(session, actor, "channel.change", "channel", None, {"channel": channel_name, "carrier": carrier})
    return of(tenant_id=tenant_id, channel_name=channel_name)


def _field(fields: tuple[Setting, ...], name: str) -> Setting | None:
    return next((one for one in fields if one.name == name), None)


def _problem(field: Setting, value: str, *, needed: bool) -> str | None:
    if not value:
        return "Write it: without it nothing can be sent." if field.required and needed else None
    if len(value) > field.longest:
        return f"Use at most {field.longest} characters."
    return field.check(value) if field.check else None
