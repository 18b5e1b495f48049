"""What channels to phones share: their numbers, and a text as it is sent."""

import re
from collections.abc import Mapping, Sequence
from uuid import UUID

from app.content import texts
from app.infra.config import load
from app.messaging import short_links
from app.messaging.accounts import Account
from app.messaging.channel import Outgoing, Setting

NUMBER = r"\+[1-9][0-9]{6,14}"
"""A number in E.164, as it is kept; the database asks by the same pattern."""
_NUMBER = re.compile(NUMBER)
CLOSING = "Reply STOP to opt out."
ANSWERS = (
    Setting(
        "stop_words",
        "More words that mean stop",
        "Parted by commas, beside STOP, UNSUBSCRIBE, CANCEL, END and QUIT.",
    ),
    Setting("help", "Answer to HELP", "Left empty: who you are, and how to stop it.", longest=480),
)
"""What has to be said of what readers answer."""


def clean_number(raw: str) -> str | None:
    """Return a number as it is used on the wire, or None where it is none in E.164."""
    number = raw.strip()
    return number if _NUMBER.fullmatch(number) else None


def number_key(raw: str) -> str:
    """Return a number without what people put between digits."""
    return "".join(sign for sign in raw if sign.isdigit() or sign == "+") or raw.strip()


def as_shown(text: str, account: Account, *, marketing: bool = True) -> str:
    """Return a text as its reader would get it, with codes in its links that lead nowhere: for a preview."""
    return texts.shortened(_closed(text, account, marketing), lambda _: short_links.url_of(short_links.SAMPLE))


def as_sent(batch: Sequence[Outgoing], account: Account) -> list[str]:
    """Return the text of each message as it goes out: with its end, and with links of its own that are short."""
    closed = [_closed(one.letter.text, account, one.marketing) for one in batch]
    links: list[tuple[UUID, str]] = [
        (one.message_id, url) for one, text in zip(batch, closed, strict=True) for url in texts.links_in(text)
    ]
    short = short_links.put(tenant_id=account.tenant_id, links=((id_, url) for id_, url in links if _worth(url)))
    return [_with(text, one.message_id, short) for one, text in zip(batch, closed, strict=True)]


def _with(text: str, message_id: UUID, short: Mapping[tuple[UUID, str], str]) -> str:
    return texts.shortened(text, lambda url: short.get((message_id, url), url))


def _worth(url: str) -> bool:
    return len(short_links.url_of(short_links.SAMPLE)) <= len(url)


def is_own(url: str) -> bool:
    """Return whether an address is one of our own pages, whose visits are no clicks."""
    return url.startswith((f"{load().public_url}/u/", f"{load().public_url}/p/"))


def _closed(text: str, account: Account, marketing: bool) -> str:
    return texts.closed(text, account.get("closing")) if marketing else text
