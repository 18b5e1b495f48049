"""The links of a letter: where they lead by way of us, the pixel that tells of an open, and the way out."""

import re
from html import escape, unescape
from uuid import UUID

from app.content.letters import before_body_end
from app.infra.config import load
from app.messaging.tokens import click_token, confirm_token, open_token, preferences_token, unsubscribe_token

MAX_URL = 2_000

_ANCHOR = re.compile(
    # The counts keep a page of half-open quotes from being read over and over.
    r"""(<a(?:rea)?\s(?:[^>"']|"[^"]{0,2000}"|'[^']{0,2000}'){0,500}?(?<![\w-])href\s{0,9}=\s{0,9})"""
    r"""("[^"]{0,4000}"|'[^']{0,4000}'|[^\s"'>]{1,4000})""",
    re.IGNORECASE,
)
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


def tracked(html: str, tenant_id: UUID, message_id: UUID) -> str:
    """Return `html` with its http(s) links going by way of our click address, and the open pixel at its end.

    Left alone: our own links to unsubscribe and choose, other schemes, and addresses too long or odd to be signed.
    """
    public_url = load().public_url
    own = (f"{public_url}/u/", f"{public_url}/p/", f"{public_url}/t/")

    def by_way_of_us(found: re.Match[str]) -> str:
        quoted = found[2]
        url = unescape(quoted.strip("\"'")).strip()
        if (
            not url[:8].lower().startswith(("http://", "https://"))
            or url.startswith(own)
            or len(url) > MAX_URL
            or _UNWRITABLE.search(url)
        ):
            return found[0]
        scheme, _, rest = url.partition("://")
        token = click_token(tenant_id, message_id, f"{scheme.lower()}://{rest}")
        return f'{found[1]}"{public_url}/t/c/{token}"'

    html = _ANCHOR.sub(by_way_of_us, html)
    pixel = (
        f'<img src="{escape(public_url)}/t/o/{open_token(tenant_id, message_id)}" width="1" height="1" alt=""'
        ' style="border:0;width:1px;height:1px">'
    )
    return before_body_end(html, pixel)
