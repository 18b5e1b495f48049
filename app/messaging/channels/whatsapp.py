"""WhatsApp, handed to a provider whose API is shaped like Twilio's: named templates and what is filled into them."""

from collections.abc import Sequence

import orjson

from app.content.letters import RenderedLetter
from app.messaging import accounts, handing, local, phone, twilio
from app.messaging.channel import Outcome, Outgoing, Result, Setting, channels

NAME = "WHATSAPP"


def _check_sender(value: str) -> str | None:
    return None if phone.clean_number(value) or value.startswith("MG") else "Write a number such as +27821234567."


class WhatsAppChannel:
    """Messages to WhatsApp. Which of them may go out when is the provider's to say."""

    label = "WhatsApp"
    customer_field = "whatsapp"
    consent_field: str | None = "whatsapp_opt_in"
    answered = True
    settings = twilio.settings(
        Setting("sender", "Sender", "The number WhatsApp knows you by.", required=True, check=_check_sender),
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
        """Hand the messages over to whom the organisation's account names."""
        handing.not_yet(batch)
        account = accounts.of(tenant_id=batch[0].tenant_id, channel_name=NAME)
        if account.carrier == accounts.NOBODY:
            return [Outcome(Result.FAILED, accounts.NotSetUp(self.label).message) for _ in batch]
        sender = account.get("sender")
        if account.carrier == accounts.MAILBOX:
            texts = [one.letter.text for one in batch]
            return local.keep(account.tenant_id, NAME, sender or self.label, batch, texts)
        by = {"MessagingServiceSid": sender} if sender.startswith("MG") else {"From": f"whatsapp:{sender}"}
        fields = [{"To": f"whatsapp:{one.address}", **by, **_content(one.letter)} for one in batch]
        return twilio.hand_over(account, batch, fields)


def _content(letter: RenderedLetter) -> dict[str, str]:
    """Return what names the template and fills it in; of a letter of ours, which has none, its words."""
    said = letter.parameters
    if "parameters.name" not in said:
        return {"Body": letter.text}
    values: dict[str, str] = {}
    while (key := f"parameters.values.{len(values) + 1}") in said:
        # WhatsApp refuses line breaks and runs of spaces in a value, and an empty one.
        values[str(len(values) + 1)] = " ".join(said[key].split()) or "-"
    return {
        "ContentSid": said["parameters.name"],
        "ContentLanguage": said["parameters.language"],
        "ContentVariables": orjson.dumps(values).decode(),
    }


channels.register(NAME)(WhatsAppChannel())
