"""The built-in mailbox: every mail that the default channel delivered, kept on this machine only."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, TenantRow


class MailboxMail(TenantRow, Base):
    """One mail as it arrived: `source` is the whole of it, the other columns are for listing.

    A message of another `channel` is kept as a mail of the same words.
    """

    __tablename__ = "mailbox_mail"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        Index("ix_mailbox_mail_recent", "tenant_id", text("id DESC")),
    )

    channel: Mapped[str] = mapped_column(server_default="EMAIL", default="EMAIL")
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    mail_from: Mapped[str]
    rcpt_to: Mapped[list[str]]
    subject: Mapped[str]
    from_address: Mapped[str]
    to_address: Mapped[str]
    message_id: Mapped[str | None]
    size: Mapped[int]
    source: Mapped[bytes]
