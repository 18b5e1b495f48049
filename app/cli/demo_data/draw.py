"""Chance that comes out the same every time: ids, days and shares drawn from a seeded generator."""

import hashlib
from bisect import bisect
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from random import Random
from uuid import UUID

_VERSION_7 = 0x7 << 76 | 0x2 << 62
_NOISE = (1 << 74) - 1


def fixed_id(name: str) -> UUID:
    """Return the id that belongs to a name of the demo."""
    return UUID(bytes=hashlib.sha256(f"fairway demo: {name}".encode()).digest()[:16], version=5)


def id_at(random: Random, moment: datetime) -> UUID:
    """Return a UUID of version 7 that was made at `moment`, so that rows sort as if they had been written then."""
    noise = random.getrandbits(74) & _NOISE
    return UUID(int=int(moment.timestamp() * 1000) << 80 | (noise >> 62) << 64 | noise & (1 << 62) - 1 | _VERSION_7)


def chance(random: Random, share: float) -> bool:
    """Return True in `share` of all cases."""
    return random.random() < share


class Days:
    """The days of a period, some drawn more often than others."""

    def __init__(self, first: date, weights: Sequence[float]) -> None:
        self._first = first
        self._sums = list(accumulate(weights))

    def draw(self, random: Random) -> date:
        """Return one of the days."""
        return self._first + timedelta(days=bisect(self._sums, random.random() * self._sums[-1]))
