"""Identifiers that sort by the time they were made, so that new rows land together in an index."""

import os
import time
from datetime import datetime, timedelta
from uuid import UUID


def new_id() -> UUID:
    """Return a UUID version 7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then 74 random bits."""
    value = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def new_ids(count: int) -> list[str]:
    """Return so many new ids as texts, in their order, for statements that make many rows.

    Postgres asks the system for random bytes for each id (4 µs, with `uuid7()`); here it is asked once. Where an id has
    its version 7's first random bits, these count on (RFC 9562, 6.2): 62 random ones are left.
    """
    now, random = int(time.time() * 1000), os.urandom(8 * count).hex()
    found = []
    for number in range(count):
        later, place = divmod(number, 4096)
        begun, rest = f"{now + later:012x}", random[16 * number : 16 * number + 16]
        variant = "89ab"[int(rest[0], 16) & 3]
        found.append(f"{begun[:8]}-{begun[8:]}-7{place:03x}-{variant}{rest[1:4]}-{rest[4:]}")
    return found


def as_id(value: object) -> UUID | None:
    """Return the id that a value is, or that its text says; None where it is none."""
    if isinstance(value, UUID):
        return value
    try:
        return UUID(str(value))
    except ValueError:
        return None


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest version 7 UUID of `moment`, or of 1970: rows made since then have ids at or above it."""
    return UUID(int=max(int(moment.timestamp() * 1000), 0) << 80 | 0x7 << 76 | 0x2 << 62)


def first_id_before(identity: UUID, by: timedelta) -> UUID:
    """Return the smallest version 7 UUID of the moment that lies `by` before that at which an id was made."""
    made = (identity.int >> 80) - int(by.total_seconds() * 1000)
    return UUID(int=max(made, 0) << 80 | 0x7 << 76 | 0x2 << 62)


def first_id_after(identity: UUID, by: timedelta) -> UUID:
    """Return the smallest version 7 UUID of the moment that lies `by` after that at which an id was made."""
    return first_id_before(identity, -by)
