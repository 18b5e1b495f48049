"""The built-in mailbox as a carrier: what would have gone to a phone or a browser is kept here, for reading."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.header import Header
from email.mime.text import MIMEText
from email.utils import format_datetime
from uuid import UUID

from app.content.letters import one_line
from app.infra.config import load
from app.mailbox import service as mailbox
from app.mailbox.service import Incoming
from app.messaging.channel import Outcome, Outgoing, Result

KEPT = "Kept in the built-in mailbox; nothing left Fairway."
SHOWN = 80


def keep(tenant_id: UUID, channel: str, sender: str, batch: Sequence[Outgoing], texts: Sequence[str]) -> list[Outcome]:
    """Keep messages in the mailbox, each with its text as its reader would get it."""
    mails = [_mail(channel, sender, one, text) for one, text in zip(batch, texts, strict=True)]
    for one in batch:
        one.mark.offered()
    mailbox.store(tenant_id=tenant_id, mails=mails, channel=channel)
    for one in batch:
        one.mark.taken()
    return [Outcome(Result.SENT, KEPT) for _ in batch]


def excerpt(text: str) -> str:
    """Return how a text begins, on one line, in place of a subject."""
    line = " ".join(one_line(text).split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _mail(channel: str, sender: str, outgoing: Outgoing, text: str) -> Incoming:
    # Not an EmailMessage, which reads what is written into its headers: a name may look like an encoded word.
    mail = MIMEText(text, "plain", "utf-8")
    mail["Subject"] = Header(one_line(outgoing.letter.subject) or excerpt(text), "utf-8").encode()
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{outgoing.message_id}.{outgoing.tenant_id}@{load().mail_domain}>"
    mail["X-Fairway-Channel"] = channel
    mail["X-Fairway-From"] = Header(one_line(sender)).encode()
    mail["X-Fairway-To"] = Header(one_line(outgoing.address)).encode()
    return Incoming(sender, [outgoing.address], mail.as_bytes())
