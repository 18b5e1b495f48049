"""What the receiver gets: the body in one of two shapes, signed as Standard Webhooks says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from app.infra import webhooks
from app.infra.webhooks import new_secret
from app.segments.sync.models import MESSAGING

__all__ = ["FIELDS", "Part", "Person", "body", "headers", "new_secret"]

FIELDS: dict[str, str] = {
    "email": "E-mail address",
    "phone": "Phone number",
    "first_name": "First name",
    "last_name": "Last name",
}
"""What may be told of a person besides their id, with its label."""
_NAMES = {
    MESSAGING: {"id": "externalId", "email": "email", "phone": "phoneNumber", "first_name": "firstName",
                "last_name": "lastName"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """A customer as the receiver is told of them: `told` holds what was chosen and is known, by FIELDS."""

    id: UUID
    told: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to tell: in a `full` push some of those who are in the segment, else who entered and who left.

    `run`, `number` and `last` let the receiver see that it has had all of a full push, and drop who was not in it.
    """

    id: UUID
    full: bool
    run: UUID
    number: int
    last: bool
    entered: Sequence[Person]
    left: Sequence[Person]

    @property
    def people(self) -> int:
        """Return how many it tells of."""
        return len(self.entered) + len(self.left)


def body(part: Part, *, shape: str, tenant_id: UUID, segment_id: UUID, name: str) -> bytes:
    """Return the part as JSON: as the Messaging service takes a segment, or as an event of a webhook."""
    push = {"mode": "full" if part.full else "changes", "run": part.run, "part": part.number, "last": part.last}
    entered = [_person(one, shape) for one in part.entered]
    left = [_person(one, shape) for one in part.left]
    said: dict[str, Any]
    if shape == MESSAGING:
        said = {
            "externalId": segment_id,
            "tenantId": tenant_id,
            "name": name,
            "contacts": entered,
            "removedContacts": left,
            "push": push,
        }
    else:
        said = {
            "type": "segment.changed",
            "data": {
                "segment": {"id": segment_id, "tenant_id": tenant_id, "name": name},
                "push": push,
                "entered": entered,
                "left": left,
            },
        }
    return orjson.dumps(said)


def _person(person: Person, shape: str) -> dict[str, Any]:
    names = _NAMES.get(shape, {})
    return {names.get(name, name): value for name, value in ({"id": person.id} | dict(person.told)).items()}


def headers(part: Part, content: bytes, *, signing: Sequence[str], now: datetime) -> dict[str, str]:
    """Return a part's headers: its id, which a repeat has too, when it goes out, and a signature by each secret."""
    return webhooks.headers(part.id, content, signing=signing, now=now)
