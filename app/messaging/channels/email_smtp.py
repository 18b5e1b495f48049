"""E-mail, handed to an SMTP server (SMTP_URL)."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from app.infra.config import Config, load
from app.messaging.channel import EMAIL, Outcome, Outgoing, Result, channels
from app.messaging.links import tracked
from app.messaging.mime import HeaderProblem, Mail, build, clean_address, stuff_dots
from app.messaging.smtp import Envelope, pool


class EmailChannel:
    """Builds MIME letters and sends them over this process's SMTP connections."""

    label = "E-mail"
    customer_field = "email"
    consent_field = "email_opt_in"

    def clean_address(self, raw: str) -> str | None:
        """Return the address for the envelope, or None when SMTP can't take it."""
        return clean_address(raw)

    def address_key(self, raw: str) -> str:
        """Return the address in one form: compatibility characters resolved, case folded."""
        return unicodedata.normalize("NFKC", raw.strip()).casefold()

    def deliver(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Build and send every letter; one that can't be built fails alone."""
        config = load()
        date = format_datetime(datetime.now(UTC))
        outcomes: list[Outcome | None] = [None] * len(batch)
        envelopes: list[Envelope] = []
        places: list[int] = []
        for place, outgoing in enumerate(batch):
            try:
                envelopes.append(_envelope(outgoing, config, date))
                places.append(place)
            except HeaderProblem as problem:
                outcomes[place] = Outcome(Result.FAILED, str(problem))
        sent = pool(config.smtp_url, config.mail_domain).deliver(envelopes)
        for place, outcome in zip(places, sent, strict=True):
            outcomes[place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]


def message_id_of(outgoing: Outgoing, config: Config) -> str:
    """Return the Message-ID: the same for every attempt at a message, so that a repeat can be told for one."""
    return f"{outgoing.message_id}.{outgoing.tenant_id}@{config.mail_domain}"


def _envelope(outgoing: Outgoing, config: Config, date: str) -> Envelope:
    html = outgoing.letter.html
    headers = [("X-Fairway-Tenant", str(outgoing.tenant_id))]
    if outgoing.reply_to:
        headers.append(("Reply-To", outgoing.reply_to))
    if outgoing.unsubscribe_url:
        by_mail = f", <mailto:{outgoing.leave_address}>" if outgoing.leave_address else ""
        headers.append(("List-Unsubscribe", f"<{outgoing.unsubscribe_url}>{by_mail}"))
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
        if html is not None:
            html = tracked(html, outgoing.tenant_id, outgoing.message_id)
    else:
        headers.append(("Auto-Submitted", "auto-generated"))
    mail = Mail(
        message_id=message_id_of(outgoing, config),
        date=date,
        from_name=outgoing.tenant_name,
        from_address=config.mail_from,
        to_address=outgoing.address,
        subject=outgoing.letter.subject,
        text=outgoing.letter.text,
        html=html,
        boundary=outgoing.message_id,
        headers=headers,
    )
    return Envelope(outgoing.return_path or config.mail_from, outgoing.address, stuff_dots(build(mail)))


channels.register(EMAIL)(EmailChannel())
