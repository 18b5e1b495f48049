"""E-mail, handed to an SMTP server (SMTP_URL)."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from uuid import UUID

from app.content.quick import Filled
from app.infra.config import Config, load
from app.infra.crypto import CannotUnseal
from app.messaging.channel import EMAIL, From, Outcome, Outgoing, Result, Setting, channels
from app.messaging.dkim import signed
from app.messaging.layout import encoded_html
from app.messaging.links import tracked
from app.messaging.mime import Encoded, HeaderProblem, Mail, build, clean_address, stuff_dots
from app.messaging.providers import provider_of
from app.messaging.smtp import Envelope
from app.messaging.smtp_pool import pool


class EmailChannel:
    """Builds MIME letters and sends them over this process's SMTP connections."""

    label = "E-mail"
    customer_field = "email"
    consent_field: str | None = "email_opt_in"
    settings: tuple[Setting, ...] = ()
    answered = False

    def clean_address(self, raw: str) -> str | None:
        """Return the address for the envelope, or None when SMTP can't take it."""
        return clean_address(raw)

    def address_key(self, raw: str) -> str:
        """Return the address in one form: compatibility characters resolved, case folded."""
        return unicodedata.normalize("NFKC", raw.strip()).casefold()

    def taker(self, address: str) -> str:
        """Return the provider of the address."""
        return provider_of(address.rpartition("@")[2].lower())

    def deliver(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Build and send every letter; one that can't be built fails alone."""
        config = load()
        now = datetime.now(UTC)
        date, at = format_datetime(now), int(now.timestamp())
        outcomes: list[Outcome | None] = [None] * len(batch)
        envelopes: list[Envelope] = []
        places: list[int] = []
        for outgoing in batch:
            outgoing.mark.kept()
        for place, outgoing in enumerate(batch):
            try:
                envelopes.append(envelope_of(outgoing, config, date, at))
                places.append(place)
            except HeaderProblem as problem:
                outcomes[place] = Outcome(Result.FAILED, str(problem))
            except CannotUnseal as problem:
                # Whoever runs Fairway can put the key back.
                outcomes[place] = Outcome(Result.RETRY, str(problem))
        sent = pool(config.smtp_url, config.mail_domain).deliver(envelopes)
        for place, outcome in zip(places, sent, strict=True):
            outcomes[place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]


def message_id_of(outgoing: Outgoing, config: Config) -> str:
    """Return the Message-ID: the same for every attempt at a message, so that a repeat can be told for one."""
    return f"{outgoing.message_id}.{_written(outgoing.tenant_id)}@{config.mail_domain}"


@lru_cache(maxsize=1_000)
def _written(tenant_id: UUID) -> str:
    """Return a tenant's id as text: it stands in three headers of each letter."""
    return str(tenant_id)


def envelope_of(outgoing: Outgoing, config: Config, date: str, at: int) -> Envelope:
    """Return a letter ready for the wire, signed `at` (seconds since 1970) if its sender signs.

    Raises HeaderProblem or CannotUnseal.
    """
    tenant = _written(outgoing.tenant_id)
    headers = [("X-Fairway-Tenant", tenant)]
    if outgoing.reply_to:
        headers.append(("Reply-To", outgoing.reply_to))
    if outgoing.unsubscribe_url:
        by_mail = f", <mailto:{outgoing.leave_address}>" if outgoing.leave_address else ""
        headers.append(("List-Unsubscribe", f"<{outgoing.unsubscribe_url}>{by_mail}"))
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
        # Programs that answer for somebody who is away know by it that nobody waits (RFC 5230), and filters who sends.
        headers.append(("List-Id", f"<news.{tenant}.{config.mail_domain}>"))
    else:
        headers.append(("Auto-Submitted", "auto-generated"))
    sender = outgoing.sender or _of_tenant(outgoing.tenant_name, config.mail_from)
    mail = Mail(
        message_id=message_id_of(outgoing, config),
        date=date,
        from_name=sender.name,
        from_address=sender.address,
        to_address=outgoing.address,
        subject=outgoing.letter.subject,
        text=outgoing.letter.text,
        html=_html(outgoing),
        boundary=outgoing.message_id,
        headers=headers,
    )
    letter = build(mail)
    if sender.signing is not None:
        letter = signed(letter, sender.signing, at)
    return Envelope(
        outgoing.return_path or config.mail_from,
        outgoing.address,
        stuff_dots(letter),
        urgent=not outgoing.marketing,
        mark=outgoing.mark,
    )


@lru_cache(maxsize=1_000)
def _of_tenant(tenant_name: str, address: str) -> From:
    return From(tenant_name, address)


def _html(outgoing: Outgoing) -> str | Encoded | None:
    """Return the letter's HTML, its links going by way of us where the reader can leave."""
    follow = bool(outgoing.unsubscribe_url)
    body = outgoing.letter.body
    if isinstance(body, Filled):
        encoded = encoded_html(body, outgoing.tenant_id, outgoing.message_id, tracked=follow)
        if encoded is not None:
            return encoded
        body = str(body)
    return tracked(body, outgoing.tenant_id, outgoing.message_id) if follow and body is not None else body


channels.register(EMAIL)(EmailChannel())
