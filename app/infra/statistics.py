"""Shares and what is known of them: intervals in which the true ones lie, in nineteen of twenty cases."""

from dataclasses import dataclass
from math import sqrt

Z = 1.959964
"""For 95 percent."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A share, or a difference of shares, and between what it lies."""

    value: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """Return whether a difference is told from none."""
        return self.low > 0 or self.high < 0


def wilson(part: int, whole: int) -> Interval:
    """Return the share that `part` is of `whole`, with Wilson's interval; of nobody it may be anything."""
    if not whole:
        return Interval(0.0, 0.0, 1.0)
    share, square = part / whole, Z * Z / whole
    middle = (share + square / 2) / (1 + square)
    half = Z * sqrt(share * (1 - share) / whole + square / (4 * whole)) / (1 + square)
    return Interval(share, max(middle - half, 0.0), min(middle + half, 1.0))


def difference(part: int, whole: int, other_part: int, other_whole: int) -> Interval:
    """Return by how much one share is above another, with the interval of Newcombe, which is made of Wilson's."""
    one, other = wilson(part, whole), wilson(other_part, other_whole)
    value = one.value - other.value
    low = value - sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    high = value + sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    return Interval(value, max(low, -1.0), min(high, 1.0))
