"""Keyed hashes: what lets a value be known again by whoever has it, and by nobody who has only the hash."""

import hashlib
import hmac
from functools import cache
from uuid import UUID

from app.infra.config import load

PREFIX = "erased:"
"""How a hash begins that stands in a column where others have the value itself; no address begins so."""


def keyed_hash(purpose: str, tenant_id: UUID, value: str) -> str:
    """Return the hash of `value` by the newest of the ENCRYPTION_KEYS: 32 hexadecimal digits after PREFIX."""
    return _hash(load().encryption_keys[0], purpose, tenant_id, value)


def keyed_hashes(purpose: str, tenant_id: UUID, value: str) -> list[str]:
    """Return the hashes of `value` by each of the ENCRYPTION_KEYS: what was kept under an older key is still known."""
    return [_hash(key, purpose, tenant_id, value) for key in load().encryption_keys]


def _hash(key: str, purpose: str, tenant_id: UUID, value: str) -> str:
    return (
        PREFIX
        + hmac.digest(_key(purpose, key), tenant_id.bytes + value.encode("utf-8", "replace"), "sha256").hex()[:32]
    )


@cache
def _key(purpose: str, key: str) -> bytes:
    return hashlib.sha256(f"fairway:hash:{purpose}:{key}".encode()).digest()
