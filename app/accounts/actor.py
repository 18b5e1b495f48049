"""Whoever asks for something: a signed-in user (by browser or API) or a machine with a key."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """One caller, authenticated. `token` is what Flask-Login keeps in the cookie of a browser's session."""

    tenant_id: UUID
    user_id: UUID | None
    name: str
    email: str | None
    role: str | None
    permissions: frozenset[str]
    via: Literal["session", "jwt", "key"]
    session_id: UUID | None = None
    key_id: UUID | None = None
    token: str | None = None

    is_authenticated = True
    is_active = True
    is_anonymous = False

    @property
    def ref(self) -> str:
        """Return the word that names this actor in records: `user:<uuid>` or `key:<uuid>`."""
        return f"user:{self.user_id}" if self.user_id else f"key:{self.key_id}"

    def may(self, permission: str) -> bool:
        """Return whether the actor has `permission`."""
        return permission in self.permissions

    def get_id(self) -> str | None:
        """Return the cookie's token, as Flask-Login asks for it; None for an actor of the API."""
        return self.token
