"""SMS, handed to a provider whose API is shaped like Twilio's."""

from collections.abc import Sequence

from app.messaging import accounts, handing, local, phone, twilio
from app.messaging.channel import Outcome, Outgoing, Result, Setting, channels

NAME = "SMS"
LONGEST_NAME = 11
"""So long a sender may be that is a name and no number."""


def _check_sender(value: str) -> str | None:
    alone = value.replace(" ", "")
    if (
        phone.clean_number(value)
        or alone.startswith("MG")
        or (alone.isalnum() and alone.isascii() and len(value) <= LONGEST_NAME)
    ):
        return None
    return "Write a number such as +27821234567, a name of at most 11 letters, or the SID of a messaging service."


class SmsChannel:
    """Texts to phones."""

    label = "SMS"
    customer_field = "phone"
    consent_field: str | None = "sms_opt_in"
    answered = True
    settings = twilio.settings(
        Setting(
            "sender",
            "Sender",
            "A number such as +27821234567, a name of at most 11 letters (nobody can answer it), or the SID of a "
            "messaging service.",
            required=True,
            check=_check_sender,
        ),
        Setting(
            "closing",
            "How to opt out",
            "Put at the end of marketing, unless the text names STOP itself.",
            default=phone.CLOSING,
        ),
        *phone.ANSWERS,
    )

    def clean_address(self, raw: str) -> str | None:
        """Return the number, or None where it is none in E.164."""
        return phone.clean_number(raw)

    def address_key(self, raw: str) -> str:
        """Return the number without what people put between digits."""
        return phone.number_key(raw)

    def taker(self, address: str) -> None:
        """Return nobody: one takes them all."""

    def deliver(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Hand the texts over to whom the organisation's account names."""
        handing.not_yet(batch)
        account = accounts.of(tenant_id=batch[0].tenant_id, channel_name=NAME)
        if account.carrier == accounts.NOBODY:
            return [Outcome(Result.FAILED, accounts.NotSetUp(self.label).message) for _ in batch]
        texts = phone.as_sent(batch, account)
        sender = account.get("sender")
        if account.carrier == accounts.MAILBOX:
            return local.keep(account.tenant_id, NAME, sender or self.label, batch, texts)
        by = {"MessagingServiceSid" if sender.startswith("MG") else "From": sender}
        fields = [{"To": one.address, **by, "Body": text} for one, text in zip(batch, texts, strict=True)]
        return twilio.hand_over(account, batch, fields)


channels.register(NAME)(SmsChannel())
