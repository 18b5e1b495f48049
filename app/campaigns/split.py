"""Who is in which part of a run, by chance, and the same whenever it is asked."""

from hashlib import blake2b
from uuid import UUID


def position(run_id: UUID, customer_id: UUID) -> float:
    """Return where a customer stands in a run: a number from 0 to below 1, each as likely."""
    digest = blake2b(run_id.bytes + customer_id.bytes, digest_size=8).digest()
    # Of 53 bits, so that no rounding makes it 1.
    return (int.from_bytes(digest) >> 11) / 2**53


def is_held_out(run_id: UUID, customer_id: UUID, percent: int | None) -> bool:
    """Return whether a customer is among the share of a run that is left out."""
    return bool(percent) and position(run_id, customer_id) * 100 < (percent or 0)
