"""Opaque words that prove something: cookie of a sign-in, API key. Each names its tenant and row beside the secret.

The tenant has to be in the word: row-level security shows no row before a tenant is set.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from uuid import UUID

_WORD = re.compile(r"(fw[a-z])_([0-9a-f]{32})_([0-9a-f]{32})_([0-9a-f]{48})")
COOKIE = "fws"
API_KEY = "fwk"


@dataclass(frozen=True, slots=True)
class Credential:
    """A word taken apart; nothing about it is proven until its secret matches the row's hash."""

    tenant_id: UUID
    row_id: UUID
    secret: str

    def matches(self, stored_hash: str | None) -> bool:
        """Return whether the secret is the one whose hash was stored, in constant time."""
        return stored_hash is not None and hmac.compare_digest(digest(self.secret), stored_hash)


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret in hex; 192 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def make(kind: str, tenant_id: UUID, row_id: UUID) -> tuple[str, str]:
    """Return a new word for the row, to be shown once, and the hash of its secret, to be stored."""
    secret = secrets.token_hex(24)
    return f"{kind}_{tenant_id.hex}_{row_id.hex}_{secret}", digest(secret)


def parse(kind: str, word: str) -> Credential | None:
    """Return the parts of a word of `kind`, or None when it is not one."""
    found = _WORD.fullmatch(word)
    if found is None or found[1] != kind:
        return None
    return Credential(tenant_id=UUID(hex=found[2]), row_id=UUID(hex=found[3]), secret=found[4])
