"""What a channel is: it knows its addresses, and hands letters over. One file in `channels/` is one channel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Protocol
from uuid import UUID

from app.content.letters import RenderedLetter
from app.infra.registry import Registry
from app.messaging.dkim import Signing
from app.messaging.in_hand import Mark, unwatched

EMAIL = "EMAIL"


class Result(StrEnum):
    """What became of one letter: `retry` means it certainly was not taken, `unknown` that nobody can tell."""

    SENT = "sent"
    RETRY = "retry"
    FAILED = "failed"
    UNKNOWN = "unknown"


# Not frozen, like all that is made for each letter: a frozen one takes eight times as long to make.
@dataclass(slots=True)
class Outcome:
    """The other side's last word on one letter.

    `code` is its number, if it has one; `refused_recipient` says the no was to the address and not to the letter;
    `no_connection` that nobody was there; `dead_address` that writing there again is no use; `retry_after` for how long
    the other side asks to be left alone, if it does; `asked_by_one` that it speaks for this address only. `slow`:
    whoever takes messages to this address, one of many, wants less or is not there (`slowing`).
    """

    result: Result
    response: str
    code: int | None = None
    refused_recipient: bool = False
    no_connection: bool = False
    dead_address: bool = False
    retry_after: timedelta | None = None
    asked_by_one: bool = False
    slow: bool = False


@dataclass(frozen=True, slots=True)
class From:
    """Whom a letter is from, and by what it is signed."""

    name: str
    address: str
    signing: Signing | None = None


@dataclass(slots=True)
class Outgoing:
    """One rendered letter on its way out. `unsubscribe_url` is there for marketing only.

    `return_path` is where word of its failing goes, if not to the address it is from; `reply_to` where answers go, and
    `leave_address` where a mail unsubscribes its reader. `sender`: whom it is from, if not from MAIL_FROM. `mark`:
    where is noted whether somebody may have it.
    """

    tenant_id: UUID
    tenant_name: str
    message_id: UUID
    address: str
    marketing: bool
    letter: RenderedLetter
    unsubscribe_url: str | None
    return_path: str | None = None
    reply_to: str | None = None
    leave_address: str | None = None
    sender: From | None = None
    mark: Mark = field(default_factory=unwatched)


@dataclass(frozen=True, slots=True)
class Setting:
    """Something an organisation says about a channel: `secret` ones are sealed and never shown again.

    `check` returns what is wrong with a value, for people; `required`: nothing goes out without it. `of_provider`: only
    a provider wants to know. `aims`: it says where, or as whom, the secret is used, and changes only together with it.
    `made` makes a secret that nobody types, and that is told to who manages the settings where it is `shown`.
    """

    name: str
    label: str
    help: str = ""
    default: str = ""
    secret: bool = False
    required: bool = False
    of_provider: bool = False
    aims: bool = False
    longest: int = 200
    check: Callable[[str], str | None] | None = None
    made: Callable[[], str] | None = None
    shown: bool = False


class Channel(Protocol):
    """One way to reach people. The profile fields hold the address and whether its owner agreed to marketing.

    A channel without a consent reaches no person but a machine, and only the stop of everything holds it back.
    `customer_field` is the kind of contact point too. `settings` are what has to be said of who carries its messages;
    a channel without any needs no account (app.messaging.accounts). `answered`: readers answer to its provider.
    """

    label: str
    customer_field: str
    consent_field: str | None
    settings: tuple[Setting, ...]
    answered: bool

    def clean_address(self, raw: str) -> str | None:
        """Return the address as it is used on the wire, or None when nothing can be sent there."""

    def address_key(self, raw: str) -> str:
        """Return the form under which equal addresses are equal, for suppressions."""

    def taker(self, address: str) -> str | None:
        """Return who takes messages to an address, where several do: each is slowed down alone (`slowing`)."""

    def deliver(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Hand the letters over and return what became of each, in order. Never raises for a letter's fault.

        Each letter's mark says `offered` by then. A channel that knows when it offers each one says `kept` before
        (`handing`).
        """


channels: Registry[Channel] = Registry("channel")


@cache
def installed() -> Registry[Channel]:
    """Return every channel there is, found on the first call."""
    channels.discover("app.messaging.channels")
    return channels


def channel(name: str) -> Channel:
    """Return the channel called `name`, or raise NotRegistered."""
    return installed().get(name)
