"""Web Push: a browser's subscription, a message encrypted for it (RFC 8291), and who sends it (VAPID, RFC 8292)."""

import base64
import os
import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey

RECORD_SIZE = 4096
MAX_PAYLOAD = 3_000
"""So many bytes fit into one record of every browser's push service."""
VALID_SECONDS = 12 * 3600
_CURVE = ec.SECP256R1()
_KEY = re.compile(r"[A-Za-z0-9_-]{87}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{22}")
MAX_ENDPOINT = 1_000


class BadSubscription(ValueError):
    """What was given is no subscription of a browser's."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where a browser listens (`endpoint`), its public key and the secret it shares with us."""

    endpoint: str
    key: str
    secret: str

    def __str__(self) -> str:
        return f"{self.endpoint}|{self.key}|{self.secret}"


def read(text: str) -> Subscription:
    """Return the subscription that stands in a contact point, or raise BadSubscription."""
    parts = text.split("|")
    if len(parts) != 3 or len(parts[0]) > MAX_ENDPOINT or not parts[0].startswith(("https://", "http://")):
        raise BadSubscription("This is no subscription of a browser’s.")
    endpoint, key, secret = parts
    try:
        host = urlsplit(endpoint).hostname
    except ValueError:
        host = None
    if not host:
        raise BadSubscription("This is no address of a push service’s.")
    if not _KEY.fullmatch(key) or not _SECRET.fullmatch(secret):
        raise BadSubscription("The keys of this subscription are not a browser’s.")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, decoded(key))
    except ValueError:
        raise BadSubscription("The key of this subscription is none.") from None
    return Subscription(endpoint, key, secret)


def new_key() -> str:
    """Return a private key to send by."""
    number = ec.generate_private_key(_CURVE).private_numbers().private_value
    return encoded(number.to_bytes(32, "big"))


def public_key(private: str) -> str:
    """Return the public key that browsers are told, of a private one."""
    return encoded(_point(_private(private).public_key()))


def encrypt(payload: bytes, to: Subscription, *, salt: bytes | None = None, private: str | None = None) -> bytes:
    """Return `payload` as only this browser can read it: one record of the content encoding aes128gcm.

    `salt` and the `private` key that is used this once are drawn anew unless they are given. Raises ValueError where
    it is more than a message holds.
    """
    if len(payload) > MAX_PAYLOAD:
        raise ValueError("this is more than a push message holds")
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, decoded(to.key))
    mine = _private(private) if private else ec.generate_private_key(_CURVE)
    salt = salt or os.urandom(16)
    shared = mine.exchange(ec.ECDH(), theirs)
    about = b"WebPush: info\0" + decoded(to.key) + _point(mine.public_key())
    secret = _derive(shared, decoded(to.secret), about, 32)
    key = _derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(secret, salt, b"Content-Encoding: nonce\0", 12)
    sealed = AESGCM(key).encrypt(nonce, payload + b"\x02", None)
    point = _point(mine.public_key())
    return salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(point)]) + point + sealed


def authorization(endpoint: str, private: str, subject: str, *, now: float | None = None) -> str:
    """Return the header by which a push service knows who sends: a token for its origin, signed by our key."""
    parts = urlsplit(endpoint)
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int(now if now is not None else time.time()) + VALID_SECONDS,
        "sub": subject,
    }
    token = jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, ECKey.import_key(_private(private)))
    return f"vapid t={token}, k={public_key(private)}"


def encoded(data: bytes) -> str:
    """Return bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return the bytes of base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(decoded(text), "big"), _CURVE)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _derive(secret: bytes, salt: bytes, about: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, about).derive(secret)
