"""The links of a letter: where they lead by way of us, the pixel that tells of an open, and the way out."""

import re
from functools import cache
from html import escape, unescape
from uuid import UUID

from app.content.letters import before_body_end
from app.infra.config import load
from app.messaging.tokens import (
    callback_token,
    click_token,
    confirm_token,
    inbound_token,
    open_token,
    preferences_token,
    unsubscribe_token,
)

MAX_URL = 2_000

ANCHOR = re.compile(
    # The counts keep a page of half-open quotes from being read over and over.
    r"""(<a(?:rea)?\s(?:[^>"']|"[^"]{0,2000}"|'[^']{0,2000}'){0,500}?(?<![\w-])href\s{0,9}=\s{0,9})"""
    r"""("[^"]{0,4000}"|'[^']{0,4000}'|[^\s"'>]{1,4000})""",
    re.IGNORECASE,
)
"""A link's words before the value of its `href`, and that value."""
_UNWRITABLE = re.compile(r"[\x00-\x20\x7f]")


def unsubscribe_url(tenant_id: UUID, customer_id: UUID, message_id: UUID) -> str:
    """Return the address of the page (and one-click target) that takes this reader off the list."""
    return f"{load().public_url}/u/{unsubscribe_token(tenant_id, customer_id, message_id)}"


def preferences_url(tenant_id: UUID, customer_id: UUID, message_id: UUID) -> str:
    """Return the address of the page on which this reader chooses what to receive."""
    return f"{load().public_url}/p/{preferences_token(tenant_id, customer_id, message_id)}"


def confirm_url(tenant_id: UUID, customer_id: UUID, address: str) -> str:
    """Return the address of the page on which the reader at `address` confirms what they agreed to."""
    return f"{load().public_url}/p/confirm/{confirm_token(tenant_id, customer_id, address)}"


def callback_url(tenant_id: UUID, channel: str, message_id: UUID) -> str:
    """Return the address at which a provider tells what became of a message it took."""
    return f"{load().public_url}/hooks/{channel.lower()}/status/{callback_token(tenant_id, message_id)}"


def inbound_url(tenant_id: UUID, channel: str) -> str:
    """Return the address at which a provider tells what readers answer."""
    return f"{load().public_url}/hooks/{channel.lower()}/inbound/{inbound_token(tenant_id)}"


def tracked(html: str, tenant_id: UUID, message_id: UUID) -> str:
    """Return `html` with its http(s) links going by way of our click address, and the open pixel at its end.

    Left alone: our own links to unsubscribe and choose, other schemes, and addresses too long or odd to be signed.
    """

    def by_way_of_us(found: re.Match[str]) -> str:
        url = followed(found[2])
        return found[0] if url is None else f"{found[1]}{followed_by(url, tenant_id, message_id)}"

    return before_body_end(ANCHOR.sub(by_way_of_us, html), pixel(tenant_id, message_id))


def followed(href: str) -> str | None:
    """Return where the value of an `href`, with its quotes, leads, or None where it is to be left alone."""
    href = href.strip("\"'")
    own = _own(load().public_url)
    if href.startswith(own):
        # As it is in most letters, and soon told.
        return None
    url = unescape(href).strip()
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme not in ("http", "https") or not separator or len(url) > MAX_URL or _UNWRITABLE.search(url):
        return None
    if url.startswith(own):
        return None
    return f"{scheme}://{rest}"


def followed_by(url: str, tenant_id: UUID, message_id: UUID) -> str:
    """Return the value of an `href`, with its quotes, that leads to `url` by way of our click address."""
    return f'"{load().public_url}/t/c/{click_token(tenant_id, message_id, url)}"'


def pixel(tenant_id: UUID, message_id: UUID) -> str:
    """Return the picture that tells of an open."""
    return (
        f'<img src="{escape(load().public_url)}/t/o/{open_token(tenant_id, message_id)}" width="1" height="1" alt=""'
        ' style="border:0;width:1px;height:1px">'
    )


@cache
def _own(public_url: str) -> tuple[str, ...]:
    return f"{public_url}/u/", f"{public_url}/p/", f"{public_url}/t/"
