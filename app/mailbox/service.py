"""Puts mails into the mailbox, and takes them out."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError

from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.ids import new_id
from app.mailbox import letters
from app.mailbox.models import MailboxMail


class UnknownTenant(NotFound):
    """The mail names a tenant that does not exist."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A mail as it came over the wire: its envelope and its bytes."""

    mail_from: str
    rcpt_to: Sequence[str]
    source: bytes


def store(*, tenant_id: UUID, mails: Sequence[Incoming], channel: str = "EMAIL") -> list[UUID]:
    """Keep all `mails` in one transaction and return their ids in the same order; raise UnknownTenant.

    `channel` is what they would have gone out on; other messages than mails are mails of the same words.
    """
    ids = [new_id() for _ in mails]
    rows = [
        _row(tenant_id, mail) | {"id": mail_id, "channel": channel} for mail_id, mail in zip(ids, mails, strict=True)
    ]
    try:
        with transaction(tenant_id) as session:
            session.execute(insert(MailboxMail), rows)
    except IntegrityError as error:
        if "fk_mailbox_mail" in str(error.orig):
            raise UnknownTenant("There is no such tenant.") from None
        raise
    return ids


def clear(*, tenant_id: UUID) -> int:
    """Remove every mail of the tenant and return how many there were."""
    with transaction(tenant_id) as session:
        return len(session.execute(delete(MailboxMail).returning(MailboxMail.id)).all())


def _row(tenant_id: UUID, mail: Incoming) -> dict[str, object]:
    headers = letters.read_headers(mail.source, ("Subject", "From", "Message-ID"))
    return {
        "tenant_id": tenant_id,
        "mail_from": _storable(mail.mail_from),
        "rcpt_to": [_storable(recipient) for recipient in mail.rcpt_to],
        "subject": headers.get("Subject", ""),
        "from_address": letters.address(headers.get("From", "")) or _storable(mail.mail_from),
        "to_address": ", ".join(_storable(recipient) for recipient in mail.rcpt_to),
        "message_id": headers.get("Message-ID"),
        "size": len(mail.source),
        "source": mail.source,
    }


def _storable(address: str) -> str:
    return address.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
