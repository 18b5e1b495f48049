"""The states of a message and the reasons for them, with the words the pages use."""

from enum import IntEnum, StrEnum


class Status(StrEnum):
    """How far a message came. `sending` is committed before the server is spoken to."""

    QUEUED = "queued"
    HELD = "held"
    SENDING = "sending"
    SENT = "sent"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Purpose(StrEnum):
    """Why a message is sent: marketing needs the reader's consent, transactional answers what they did."""

    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"


class Priority(IntEnum):
    """Which message matters more where a reader may not get all of them."""

    CAMPAIGN = 10
    JOURNEY = 50
    TRANSACTIONAL = 100


class Reason(StrEnum):
    """Why a message is in a state other than queued, sending or sent."""

    NO_CHANNEL = "no_channel"
    NO_ADDRESS = "no_address"
    INVALID_ADDRESS = "invalid_address"
    SUPPRESSED = "suppressed"
    OPTED_OUT = "opted_out"
    TOPIC_OPTED_OUT = "topic_opted_out"
    STOPPED = "stopped"
    NO_OPT_IN = "no_opt_in"
    NO_TOPIC_OPT_IN = "no_topic_opt_in"
    UNCONFIRMED = "unconfirmed"
    AWAITING_CONSENT = "awaiting_consent"
    EVENTS_PENDING = "events_pending"
    TEMPORARY_FAILURE = "temporary_failure"
    GAVE_UP = "gave_up"
    REFUSED = "refused"
    RENDER_ERROR = "render_error"
    NO_ANSWER = "no_answer"
    INTERRUPTED = "interrupted"
    ERASED = "erased"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    TWICE = "twice"
    HOLDOUT = "holdout"
    FREQUENCY_CAP = "frequency_cap"
    QUIET_HOURS = "quiet_hours"
    SEND_WINDOW = "send_window"
    HOUSEHOLD_COPY = "household_copy"
    COPY_PENDING = "copy_pending"
    RATE_LIMIT = "rate_limit"
    SLOWED = "slowed"
    AWAITING_WINNER = "awaiting_winner"


STATUS_WORDS = {
    Status.QUEUED: "Queued",
    Status.HELD: "Held",
    Status.SENDING: "Sending",
    Status.SENT: "Sent",
    Status.SKIPPED: "Skipped",
    Status.FAILED: "Failed",
    Status.UNKNOWN: "Unknown",
}

STATUS_TONES = {
    Status.QUEUED: "info",
    Status.HELD: "warning",
    Status.SENDING: "info",
    Status.SENT: "success",
    Status.SKIPPED: "neutral",
    Status.FAILED: "danger",
    Status.UNKNOWN: "warning",
}

REASON_WORDS = {
    Reason.NO_CHANNEL: "No such channel is installed any more.",
    Reason.NO_ADDRESS: "The customer has no address on this channel.",
    Reason.INVALID_ADDRESS: "The address on file is not one mail can go to; correct it on the customer's page.",
    Reason.SUPPRESSED: "The address is on the suppression list, where its reason stands.",
    Reason.OPTED_OUT: "The customer said no to e-mail.",
    Reason.TOPIC_OPTED_OUT: "The customer said no to this topic.",
    Reason.STOPPED: "The customer asked for no news at all, on any channel.",
    Reason.NO_OPT_IN: "The customer never said yes to e-mail.",
    Reason.NO_TOPIC_OPT_IN: "The customer never said yes to this topic, which goes only to those who did.",
    Reason.UNCONFIRMED: "The customer has not confirmed the yes by the link in the mail we sent.",
    Reason.AWAITING_CONSENT: "The customer's consent is not known yet; it may still be on its way.",
    Reason.EVENTS_PENDING: "Events that came in are being read first, since an opt-out may be among them.",
    Reason.TEMPORARY_FAILURE: "It could not be handed over yet; it is tried again by itself.",
    Reason.GAVE_UP: "Every attempt failed; the last answer is shown below.",
    Reason.REFUSED: "The mail server refused the message.",
    Reason.RENDER_ERROR: "The template could not be filled in for this customer.",
    Reason.NO_ANSWER: "The connection broke after the message was handed over, so it may have arrived.",
    Reason.INTERRUPTED: "Sending was interrupted, so it may have arrived; marketing is never sent a second time.",
    Reason.ERASED: "The person it was meant for was erased.",
    Reason.EXPIRED: "It could not go out while it was worth reading.",
    Reason.CANCELLED: "It was called off before it went out.",
    Reason.TWICE: "The customer gets it already: two profiles became one after it was begun.",
    Reason.HOLDOUT: "They were left out on purpose, so that what the campaign changes can be measured.",
    Reason.FREQUENCY_CAP: "The customer has had as many messages as the caps allow, which owners and admins set.",
    Reason.QUIET_HOURS: "Quiet hours are kept where the customer is.",
    Reason.SEND_WINDOW: "The journey sends on other days or at other hours; it goes out when these come.",
    Reason.HOUSEHOLD_COPY: "Somebody else at the same address gets it: one copy an address.",
    Reason.COPY_PENDING: "Somebody else at the same address comes first, or may, and theirs is not settled yet.",
    Reason.RATE_LIMIT: "As many have gone out as the rates allow, which owners and admins set; it waits its turn.",
    Reason.SLOWED: "Whoever takes messages to this address asks us to slow down; it goes out when they take more.",
    Reason.AWAITING_WINNER: "They get what does best with those who were written to first, once that is chosen.",
}


_ELSEWHERE = {
    Reason.INVALID_ADDRESS: "What is on file is nothing {} can go to; correct it on the customer's page.",
    Reason.OPTED_OUT: "The customer said no to {}.",
    Reason.NO_OPT_IN: "The customer never said yes to {}.",
    Reason.REFUSED: "The provider refused the message.",
}
"""Where a reason is told of another channel than e-mail."""
ANY_CHANNEL = "messages on this channel"


def reason_in_words(reason: str | None, channel: str | None = None) -> str:
    """Return the sentence for a reason, or an empty text for none; an unknown one is returned as it is.

    `channel` is what people call the one it is told of, if that is not e-mail.
    """
    if reason is None or reason not in set(Reason):
        return reason or ""
    if channel and Reason(reason) in _ELSEWHERE:
        return _ELSEWHERE[Reason(reason)].format(channel)
    return REASON_WORDS[Reason(reason)]


def instead_in_words(instead_of: str | None) -> str:
    """Return the sentence for a message that goes elsewhere than to the preferred address; an empty text for none."""
    return f"It goes to another address of theirs, because mail can’t reach them at {instead_of}." if instead_of else ""
