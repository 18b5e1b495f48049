"""The signed words in a letter's links: short, stateless, and made in a few microseconds.

A token is base64url of `fields + signature` (app.infra.signed). Tokens never expire: a link in a letter of ten years
ago still unsubscribes.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from app.infra.config import load
from app.infra.signed import key_for, seal, unseal
from app.infra.tokens import BadToken

CLICK, OPEN = "click", "open"
# In an address there is less room, and whoever guesses has to send a mail for each guess.
MAIL_SIGNATURE_BYTES = 10
MAIL_TOKEN = 48


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """Whose link it is, and which message it stood in."""

    tenant_id: UUID
    customer_id: UUID
    message_id: UUID


@dataclass(frozen=True, slots=True)
class PreferencesLink:
    """Whose preferences a link opens, and which message it stood in."""

    tenant_id: UUID
    customer_id: UUID
    message_id: UUID


@dataclass(frozen=True, slots=True)
class ConfirmLink:
    """Whose yes a link confirms, and the address it was sent to."""

    tenant_id: UUID
    customer_id: UUID
    address: str


@dataclass(frozen=True, slots=True)
class TrackedLink:
    """The message a pixel or link stood in; `url` is where a link leads, and empty for a pixel."""

    tenant_id: UUID
    message_id: UUID
    url: str


def unsubscribe_token(tenant_id: UUID, customer_id: UUID, message_id: UUID) -> str:
    """Return the token of a message's unsubscribe link."""
    return seal("unsubscribe", tenant_id.bytes + customer_id.bytes + message_id.bytes)


def read_unsubscribe(token: str) -> UnsubscribeLink:
    """Return whose link `token` is, or raise BadToken."""
    data = unseal("unsubscribe", token)
    if len(data) != 48:
        raise BadToken
    return UnsubscribeLink(UUID(bytes=data[:16]), UUID(bytes=data[16:32]), UUID(bytes=data[32:]))


def preferences_token(tenant_id: UUID, customer_id: UUID, message_id: UUID) -> str:
    """Return the token of a message's link to its reader's preferences."""
    return seal("preferences", tenant_id.bytes + customer_id.bytes + message_id.bytes)


def read_preferences(token: str) -> PreferencesLink:
    """Return whose preferences `token` opens, or raise BadToken."""
    data = unseal("preferences", token)
    if len(data) != 48:
        raise BadToken
    return PreferencesLink(UUID(bytes=data[:16]), UUID(bytes=data[16:32]), UUID(bytes=data[32:]))


def confirm_token(tenant_id: UUID, customer_id: UUID, address: str) -> str:
    """Return the token by which the reader at `address` confirms what they agreed to."""
    return seal("confirm", tenant_id.bytes + customer_id.bytes + address.encode("utf-8", "replace"))


def read_confirm(token: str) -> ConfirmLink:
    """Return whose yes `token` confirms, from which address, or raise BadToken."""
    data = unseal("confirm", token)
    if len(data) <= 32:
        raise BadToken
    return ConfirmLink(UUID(bytes=data[:16]), UUID(bytes=data[16:32]), data[32:].decode("utf-8", "replace"))


def callback_token(tenant_id: UUID, message_id: UUID) -> str:
    """Return the token by which a provider names a message it took."""
    return seal("callback", tenant_id.bytes + message_id.bytes)


def read_callback(token: str) -> TrackedLink:
    """Return the message `token` names, or raise BadToken."""
    data = unseal("callback", token)
    if len(data) != 32:
        raise BadToken
    return TrackedLink(UUID(bytes=data[:16]), UUID(bytes=data[16:]), "")


def inbound_token(tenant_id: UUID) -> str:
    """Return the token by which a provider names whose reader wrote."""
    return seal("inbound", tenant_id.bytes)


def read_inbound(token: str) -> UUID:
    """Return the tenant `token` names, or raise BadToken."""
    data = unseal("inbound", token)
    if len(data) != 16:
        raise BadToken
    return UUID(bytes=data)


def open_token(tenant_id: UUID, message_id: UUID) -> str:
    """Return the token of a message's open pixel."""
    return seal(OPEN, tenant_id.bytes + message_id.bytes)


def read_open(token: str) -> TrackedLink:
    """Return the message whose pixel `token` names, or raise BadToken."""
    data = unseal(OPEN, token)
    if len(data) != 32:
        raise BadToken
    return TrackedLink(UUID(bytes=data[:16]), UUID(bytes=data[16:]), "")


def click_token(tenant_id: UUID, message_id: UUID, url: str) -> str:
    """Return the token of a link to `url` in a message; the address itself is signed, so it can't be exchanged."""
    return seal(CLICK, tenant_id.bytes + message_id.bytes + url.encode("utf-8", "replace"))


def read_click(token: str) -> TrackedLink:
    """Return the message and address of a tracked link, or raise BadToken. Only http(s) addresses come out."""
    data = unseal(CLICK, token)
    if len(data) <= 32:
        raise BadToken
    url = data[32:].decode("utf-8", "replace")
    if not url.startswith(("http://", "https://")) or any(ord(letter) < 33 for letter in url):
        raise BadToken
    return TrackedLink(UUID(bytes=data[:16]), UUID(bytes=data[16:32]), url)


def mail_token(tenant_id: UUID, message_id: UUID) -> str:
    """Return the token of the addresses that mail about a message comes back to.

    It is 48 small letters and digits: some mail servers write addresses in small letters. Of the tenant it holds the
    end of its id; the signature is over the whole.
    """
    data = tenant_id.bytes + message_id.bytes
    signature = hmac.digest(key_for("mail", load().secret_key), data, "sha256")[:MAIL_SIGNATURE_BYTES]
    return base64.b32encode(message_id.bytes + tenant_id.bytes[-4:] + signature).decode("ascii").lower()


def mail_token_tail(token: str) -> str:
    """Return how the id of a mail token's tenant ends, as 8 hexadecimal digits, or raise BadToken."""
    return _mail_parts(token)[1].hex()


def read_mail_token(token: str, tenant_ids: Iterable[UUID]) -> TrackedLink:
    """Return the message a mail token is of, if its tenant is one of these, or raise BadToken."""
    message_id, tail, signature = _mail_parts(token)
    config = load()
    for tenant_id in tenant_ids:
        if tenant_id.bytes[-4:] != tail:
            continue
        for secret in (config.secret_key, *config.old_secret_keys):
            expected = hmac.digest(key_for("mail", secret), tenant_id.bytes + message_id, "sha256")
            if hmac.compare_digest(signature, expected[:MAIL_SIGNATURE_BYTES]):
                return TrackedLink(tenant_id, UUID(bytes=message_id), "")
    raise BadToken


def _mail_parts(token: str) -> tuple[bytes, bytes, bytes]:
    try:
        sealed = base64.b32decode(token.encode("ascii"), casefold=True)
    except (UnicodeEncodeError, binascii.Error):
        raise BadToken from None
    if len(token) != MAIL_TOKEN or len(sealed) != 20 + MAIL_SIGNATURE_BYTES:
        raise BadToken
    return sealed[:16], sealed[16:20], sealed[20:]
