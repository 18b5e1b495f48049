"""Consent, and what becomes of the messages Fairway sends. Of a payload's flags only those of CHANNELS are read."""

from collections.abc import Mapping
from typing import Any

from app.conditions.fields import TENANTS, Choice, FieldType, Phrases
from app.events.catalogue import CLUB, Category, Consent, EventType, PayloadField, get, register, register_own
from app.events.readers import a_text

CHANNELS = {"EMAIL": "email", "SMS": "sms", "PUSH": "push", "WHATSAPP": "whatsapp"}
_WORDS = {"EMAIL": "e-mail", "SMS": "SMS", "PUSH": "push", "WHATSAPP": "WhatsApp"}
_NOUNS = {"SMS": "an SMS", "PUSH": "a push message", "WHATSAPP": "a WhatsApp message", "WEBHOOK": "a webhook"}
CONSENTS = tuple(Consent(channel, (f"{name}_opt_in", f"{name}OptIn")) for channel, name in CHANNELS.items())
CHANNEL = PayloadField(
    "channel",
    "Channel",
    FieldType.CHOICE,
    tuple(Choice(one, words[:1].upper() + words[1:]) for one, words in _WORDS.items()),
)
FIELDS = (
    CHANNEL,
    PayloadField("journey_id", "Journey", FieldType.ID),
    PayloadField("campaign_id", "Campaign", FieldType.ID),
    PayloadField("template_id", "Template", FieldType.ID),
    PayloadField("topic_id", "Topic", FieldType.ID),
    PayloadField("subject", "Subject", FieldType.TEXT),
    PayloadField("step_key", "Journey step", FieldType.TEXT),
    PayloadField("message_id", "Message", FieldType.ID),
)
BOUNCES = {
    "hard": ("Nobody is there", "bounced for good"),
    "soft": ("Not for now", "bounced for now"),
    "blocked": ("We were turned away", "was turned away"),
}
"""Why a message came back: as a choice, and as it is told."""
IS_MACHINE = PayloadField(
    "is_machine",
    "Was a machine’s doing",
    FieldType.BOOLEAN,
    phrases=Phrases(yes="a machine did it", no="a person did it"),
)
"""Mail systems open mails and follow links by themselves."""


def _preferences(payload: Mapping[str, Any]) -> str:
    said = []
    for consent in CONSENTS:
        flag = consent.read(payload)
        if flag is not None:
            said.append(f"{_WORDS[consent.channel]} {'on' if flag else 'off'}")
    more = payload.get("said")
    said += [_topic(one) for one in more if isinstance(one, Mapping)] if isinstance(more, list) else []
    about = ", ".join(_named(payload))
    if not said:
        return f"Contact preferences updated: {about}"[:200] if about else "Contact preferences updated"
    return f"Contact preferences: {f'{about} by ' if about else ''}{', '.join(said)}"[:200]


def _named(payload: Mapping[str, Any]) -> tuple[str, ...]:
    return get("contactPreference.updated").named_topics(payload)


def _topic(said: Mapping[str, Any]) -> str:
    """Return what was said about one topic on one channel, or of the global stop, as our own events have it."""
    if said.get("channel") == "ALL":
        return "no news at all" if said.get("state") == "unsubscribed" else "news again"
    state = {"subscribed": "on", "unsubscribed": "off"}.get(str(said.get("state")), "to be confirmed")
    by = _WORDS.get(str(said.get("channel")), "")
    return f"{a_text(said.get('topic')) or 'news'} by {by} {state}"[:200]


def _subject(words: str, payload: Mapping[str, Any]) -> str:
    subject = a_text(payload.get("subject"))
    return f"{words}: {subject[:120]}" if subject else words


def _what(payload: Mapping[str, Any]) -> str:
    """Return what came back, as it begins a sentence; whoever names no channel speaks of e-mail."""
    named = {"SMS": "SMS", "PUSH": "Push message", "WHATSAPP": "WhatsApp message"}
    return named.get(str(payload.get("channel")), "E-mail")


def _bounced(payload: Mapping[str, Any]) -> str:
    _, words = BOUNCES.get(str(payload.get("bounce")), ("", "could not be delivered"))
    return _subject(f"{_what(payload)} {words}", payload)


def _replied(payload: Mapping[str, Any]) -> str:
    return _subject(f"Replied to {_noun(payload)}", payload)


def _noun(payload: Mapping[str, Any]) -> str:
    """Return what a message is called by its channel; one that names none is an e-mail."""
    return _NOUNS.get(str(payload.get("channel")), "an e-mail")


def _done(person: str, machine: str, payload: Mapping[str, Any]) -> str:
    """Return what was done with a message, and that it was a machine where it was one."""
    did = f"A machine {machine}" if payload.get("is_machine") else person
    return _subject(f"{did} {_noun(payload)}", payload)


def _is_mail(payload: Mapping[str, Any]) -> bool:
    return str(payload.get("channel") or "EMAIL") == "EMAIL"


def _opened(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """Mail systems open mails on their own; only a person's opening is one."""
    return () if payload.get("is_machine") or not _is_mail(payload) else ("last_email_open_at",)


def _clicked(payload: Mapping[str, Any]) -> tuple[str, ...]:
    return () if payload.get("is_machine") or not _is_mail(payload) else ("last_email_click_at",)


register(
    EventType(
        "contactPreference.updated",
        "Contact preferences changed",
        Category.PREFERENCE,
        "adjustments",
        done="changed their contact preferences",
        title=_preferences,
        fields=(
            CLUB,
            PayloadField("topic", "Topic", FieldType.TEXT),
            *(
                PayloadField(
                    f"{name}_opt_in",
                    f"Agrees to {_WORDS[channel]}",
                    FieldType.BOOLEAN,
                    phrases=Phrases(yes=f"they agree to {_WORDS[channel]}", no=f"they decline {_WORDS[channel]}"),
                )
                for channel, name in CHANNELS.items()
            ),
        ),
        consents=CONSENTS,
        topics=("topic", "topics"),
    ),
    EventType(
        "message.unsubscribed",
        "Unsubscribed",
        Category.PREFERENCE,
        "mail-off",
        done="unsubscribed",
        title=lambda payload: _subject("Unsubscribed from e-mail", payload),
        fields=FIELDS,
        consents=(Consent("EMAIL", value=False),),
    ),
    EventType(
        "message.complained",
        "Marked as spam",
        Category.PREFERENCE,
        "mail-exclamation",
        done="marked an e-mail as spam",
        title=lambda payload: _subject("Marked an e-mail as spam", payload),
        fields=FIELDS,
        consents=(Consent("EMAIL", value=False),),
    ),
    EventType(
        "message.opened",
        "E-mail opened",
        Category.MESSAGE,
        "mail-opened",
        done="opened an e-mail",
        title=lambda payload: _done("Opened", "opened", payload),
        fields=(IS_MACHINE, *FIELDS),
        marks=_opened,
    ),
    EventType(
        "message.clicked",
        "Link clicked",
        Category.MESSAGE,
        "click",
        done="clicked a link in an e-mail",
        title=lambda payload: _done("Clicked a link in", "followed a link in", payload),
        fields=(IS_MACHINE, PayloadField("url", "Link", FieldType.TEXT), *FIELDS),
        marks=_clicked,
    ),
    EventType(
        "message.delivered",
        "Message delivered",
        Category.MESSAGE,
        "mail-check",
        done="had a message delivered",
        title=lambda payload: _subject(f"{_what(payload)} was delivered", payload),
        fields=FIELDS,
    ),
    EventType(
        "message.bounced",
        "Message bounced",
        Category.MESSAGE,
        "mail-x",
        done="had a message bounce",
        title=_bounced,
        fields=(
            PayloadField(
                "bounce", "Why it came back", FieldType.CHOICE, tuple(Choice(one, w) for one, (w, _) in BOUNCES.items())
            ),
            PayloadField("reason", "Reason", FieldType.TEXT),
            *FIELDS,
        ),
    ),
    EventType(
        "message.replied",
        "Replied",
        Category.MESSAGE,
        "message-circle",
        done="replied to a message",
        title=_replied,
        fields=(PayloadField("excerpt", "What they wrote", FieldType.TEXT), *FIELDS),
    ),
)
register_own(
    EventType(
        "message.sent",
        "E-mail sent",
        Category.MESSAGE,
        "send",
        done="been sent an e-mail",
        title=lambda payload: _subject(f"Was sent {_noun(payload)}", payload),
        fields=FIELDS,
    )
)
register_own(
    EventType(
        "message.converted",
        "Did what a message was for",
        Category.MESSAGE,
        "flag-check",
        done="done what a message was for",
        title=lambda payload: _subject("Did what a message was for", payload),
        fields=(
            *FIELDS,
            PayloadField("event_type", "What they did", FieldType.TEXT),
            PayloadField("amount", "Amount", FieldType.NUMBER, phrases=Phrases(money=TENANTS)),
            PayloadField("currency", "Currency", FieldType.TEXT),
        ),
    )
)
