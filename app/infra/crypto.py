"""Keyed hashes and sealed secrets, both under the ENCRYPTION_KEYS.

A keyed hash lets a value be known again by whoever has it, and by nobody who has only the hash. A sealed secret is read
again by Fairway alone: not from a copy of the database, and not in another tenant.
"""

import hashlib
import hmac
from functools import cache
from uuid import UUID

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from app.infra.config import load

PREFIX = "erased:"
"""How a hash begins that stands in a column where others have the value itself; no address begins so."""


def keyed_hash(purpose: str, tenant_id: UUID, value: str) -> str:
    """Return the hash of `value` by the newest of the ENCRYPTION_KEYS: 32 hexadecimal digits after PREFIX."""
    return _hash(load().encryption_keys[0], purpose, tenant_id, value)


def keyed_hashes(purpose: str, tenant_id: UUID, value: str) -> list[str]:
    """Return the hashes of `value` by each of the ENCRYPTION_KEYS: what was kept under an older key is still known."""
    return [_hash(key, purpose, tenant_id, value) for key in load().encryption_keys]


class CannotUnseal(RuntimeError):
    """None of the ENCRYPTION_KEYS opens the secret: the one that sealed it was taken away."""


def seal(purpose: str, tenant_id: UUID, secret: str) -> str:
    """Return `secret` encrypted and authenticated under the newest of the ENCRYPTION_KEYS, as text to keep."""
    header = {"alg": "dir", "enc": "A256GCM"}
    return jwe.encrypt_compact(header, secret.encode(), _seal_key(purpose, tenant_id, load().encryption_keys[0]))


def unseal(purpose: str, tenant_id: UUID, sealed: str) -> str:
    """Return the secret that `seal` made `sealed` of, under whichever of the keys; raise CannotUnseal."""
    for key in load().encryption_keys:
        try:
            plain = jwe.decrypt_compact(sealed, _seal_key(purpose, tenant_id, key)).plaintext
        except (JoseError, ValueError):
            continue
        if plain is not None:
            return str(plain, "utf-8")
    raise CannotUnseal(f"a secret of {purpose} can't be read: put the key that sealed it back into ENCRYPTION_KEYS")


def _seal_key(purpose: str, tenant_id: UUID, key: str) -> OctKey:
    return OctKey.import_key(hashlib.sha256(f"fairway:seal:{purpose}:{tenant_id}:{key}".encode()).digest())


def _hash(key: str, purpose: str, tenant_id: UUID, value: str) -> str:
    return (
        PREFIX
        + hmac.digest(_key(purpose, key), tenant_id.bytes + value.encode("utf-8", "replace"), "sha256").hex()[:32]
    )


@cache
def _key(purpose: str, key: str) -> bytes:
    return hashlib.sha256(f"fairway:hash:{purpose}:{key}".encode()).digest()
