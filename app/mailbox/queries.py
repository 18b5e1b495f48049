"""Reads of the mailbox."""

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, or_, select

from app.accounts.models import User
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, Page, cut, id_cursor
from app.mailbox import letters
from app.mailbox.models import MailboxMail


class NoSuchMail(NotFound):
    """There is no such mail in this tenant's mailbox."""


@dataclass(frozen=True, slots=True)
class MailLine:
    """One mail in a list; `size` in bytes."""

    id: UUID
    received_at: datetime
    from_address: str
    to_address: str
    subject: str
    message_id: str | None
    size: int
    channel: str


@dataclass(frozen=True, slots=True)
class MailView:
    """One mail to read: its line, its envelope, and what stands in it."""

    line: MailLine
    mail_from: str
    rcpt_to: list[str]
    letter: letters.Letter


GONE = "This mail is not in the mailbox (any more)."
LISTED = tuple(getattr(MailboxMail, field.name) for field in fields(MailLine))


def list_mails(
    *,
    tenant_id: UUID,
    reader: UUID | None = None,
    q: str | None = None,
    channel: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[MailLine]:
    """Return the mails whose subject, sender or recipient contains `q` (in any case), newest first.

    `channel`: those that would have gone out on it.

    `reader` is a user who may not read colleagues' mail, see `_readable`; None reads all.
    """
    query = select(*LISTED).where(*_readable(tenant_id, reader)).order_by(MailboxMail.id.desc()).limit(limit + 1)
    if q:
        columns = (MailboxMail.subject, MailboxMail.to_address, MailboxMail.from_address)
        query = query.where(or_(*(column.icontains(q.replace("\x00", ""), autoescape=True) for column in columns)))
    if channel:
        query = query.where(MailboxMail.channel == channel)
    if cursor:
        query = query.where(MailboxMail.id < id_cursor(cursor))
    with transaction(tenant_id) as session:
        rows = session.execute(query).all()
    return cut(rows, limit, lambda row: (row.id,), lambda row: MailLine(*row))


def get(*, tenant_id: UUID, mail_id: UUID, reader: UUID | None = None) -> MailView:
    """Return one mail taken apart, or raise NoSuchMail, also where `reader` may not read it."""
    query = select(*LISTED, MailboxMail.mail_from, MailboxMail.rcpt_to, MailboxMail.source).where(
        *_readable(tenant_id, reader), MailboxMail.id == mail_id
    )
    with transaction(tenant_id) as session:
        row = session.execute(query).one_or_none()
    if row is None:
        raise NoSuchMail(GONE)
    return MailView(MailLine(*row[: len(LISTED)]), row.mail_from, row.rcpt_to, letters.read(row.source))


def source(*, tenant_id: UUID, mail_id: UUID, reader: UUID | None = None) -> bytes:
    """Return a mail's bytes as they came over the wire, or raise NoSuchMail, also where `reader` may not read it."""
    query = select(MailboxMail.source).where(*_readable(tenant_id, reader), MailboxMail.id == mail_id)
    with transaction(tenant_id) as session:
        found = session.scalar(query)
    if found is None:
        raise NoSuchMail(GONE)
    return bytes(found)


def _readable(tenant_id: UUID, reader: UUID | None) -> tuple[ColumnElement[bool], ...]:
    """Return what a mail must fulfil: the tenant's, and for a `reader` not to a colleague.

    A colleague's mails are invitations and new passwords: whoever opens one signs in as that colleague.
    """
    tenants = MailboxMail.tenant_id == tenant_id
    if reader is None:
        return (tenants,)
    to_colleague = exists().where(
        User.tenant_id == tenant_id, User.id != reader, User.email_key == func.lower(MailboxMail.to_address)
    )
    return (tenants, ~to_colleague)
