"""Signing letters by DKIM (RFC 6376), so that their receivers know whose they are and that nobody changed them.

Signed by `cryptography`: dkimpy, in Python alone, takes many times as long for each letter. The tests verify with it.
Both canonicalizations are relaxed: a relay may fold headers anew and trim blanks.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from app.infra.crypto import seal, unseal

KEY_BITS = 2048
CACHED_KEYS = 200
SIGNED = (
    b"from",
    b"to",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"mime-version",
    b"content-type",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"list-id",
    b"auto-submitted",
    b"precedence",
)
# Named once more than they are there: nobody can add another of them.
SEALED = (b"from", b"to", b"subject", b"reply-to", b"list-unsubscribe", b"list-unsubscribe-post")

_PURPOSE = "dkim"
_FIELDS = re.compile(rb"\r\n(?![ \t])")
_BLANKS = re.compile(rb"[ \t]+")
_LOOSE = re.compile(rb"[ \t]{2,}|\t|[ \t]\r\n")
_B64_LINE = 72


@dataclass(frozen=True, slots=True)
class Signing:
    """Whose signature letters carry: a sending domain, the selector its key is found under, and the sealed key."""

    tenant_id: UUID
    domain: str
    selector: str
    sealed_key: str


def make_key(tenant_id: UUID) -> tuple[str, str]:
    """Return a new private key, sealed, and its public key as it stands in the DNS record's `p=`."""
    key = generate_private_key(65537, KEY_BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return seal(_PURPOSE, tenant_id, private.decode("ascii")), base64.b64encode(public).decode("ascii")


def signed(letter: bytes, signing: Signing, at: int) -> bytes:
    """Return `letter`, whose lines end in CRLF, with its signature before it. `at`: seconds since 1970.

    Raises CannotUnseal where the key that sealed the domain's was taken away.
    """
    head, _, body = letter.partition(b"\r\n\r\n")
    fields: dict[bytes, bytes] = {}
    for field in _FIELDS.split(head):
        name, _, value = field.partition(b":")
        fields[name.strip().lower()] = value
    names = [name for name in SIGNED if name in fields]
    relaxed = b"".join(b"%b:%b\r\n" % (name, _relaxed(fields[name])) for name in names)
    bodys = base64.b64encode(hashlib.sha256(_relaxed_body(body)).digest())
    listed = b":".join([*names, *SEALED])
    begun = b" v=1; a=rsa-sha256; c=relaxed/relaxed; d=%b; s=%b;\r\n t=%d; h=%b;\r\n bh=%b;\r\n b=" % (
        signing.domain.encode("ascii"),
        signing.selector.encode("ascii"),
        at,
        _folded(listed),
        bodys,
    )
    key = _key(signing)
    word = base64.b64encode(key.sign(b"%bdkim-signature:%b" % (relaxed, _relaxed(begun)), PKCS1v15(), hashes.SHA256()))
    lines = b"\r\n ".join(word[start : start + _B64_LINE] for start in range(0, len(word), _B64_LINE))
    return b"DKIM-Signature:%b%b\r\n%b" % (begun, lines, letter)


def _folded(names: bytes) -> bytes:
    """Return the list of names in lines of a handful each."""
    each = names.split(b":")
    return b":\r\n  ".join(b":".join(each[start : start + 5]) for start in range(0, len(each), 5))


def _relaxed(value: bytes) -> bytes:
    return _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _relaxed_body(body: bytes) -> bytes:
    if _LOOSE.search(body):
        body = _BLANKS.sub(b" ", body).replace(b" \r\n", b"\r\n")
    body = body.rstrip(b"\r\n")
    return body + b"\r\n" if body else b""


@lru_cache(maxsize=CACHED_KEYS)
def _key(signing: Signing) -> RSAPrivateKey:
    pem = unseal(_PURPOSE, signing.tenant_id, signing.sealed_key)
    key = serialization.load_pem_private_key(pem.encode("ascii"), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key
