"""Addresses that are not written to, whatever anybody consented to."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text

from app.infra.db import transaction
from app.messaging.channel import EMAIL, channel


class SuppressedBecause(StrEnum):
    """Why an address is suppressed. Only a dead one stops transactional mail too."""

    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"


ADD = text("""
    INSERT INTO suppression (tenant_id, channel, address_key, reason, detail)
    SELECT :tenant_id, :channel, entry.address_key, :reason, entry.detail
    FROM unnest(CAST(:keys AS text[]), CAST(:details AS text[])) AS entry(address_key, detail)
    ON CONFLICT (tenant_id, channel, address_key) DO NOTHING
""")

FIND = text("""
    SELECT address_key, reason FROM suppression
    WHERE tenant_id = :tenant_id AND channel = :channel AND address_key = ANY(CAST(:keys AS text[]))
""")


def suppress(
    *,
    tenant_id: UUID,
    addresses: Sequence[str],
    because: SuppressedBecause,
    details: Sequence[str] | None = None,
    channel_name: str = EMAIL,
) -> None:
    """Suppress addresses on a channel; one that is suppressed already keeps its first reason.

    `details`, if given, has one text for each address (what the other side said).
    """
    if not addresses:
        return
    found = channel(channel_name)
    said: Sequence[str | None] = details or [None] * len(addresses)
    entries = dict(zip(map(found.address_key, addresses), said, strict=True))
    with transaction(tenant_id) as session:
        session.execute(
            ADD,
            {
                "tenant_id": tenant_id,
                "channel": channel_name,
                "reason": because,
                # In one order in every process, so that two of them never wait for each other.
                "keys": sorted(entries),
                "details": [entries[key] for key in sorted(entries)],
            },
        )


def suppressed(*, tenant_id: UUID, keys: Iterable[str], channel_name: str = EMAIL) -> dict[str, str]:
    """Return the reason of suppression for those of the address keys that are suppressed."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    with transaction(tenant_id) as session:
        rows = session.execute(FIND, {"tenant_id": tenant_id, "channel": channel_name, "keys": wanted})
        return {row.address_key: row.reason for row in rows}


def lift(*, tenant_id: UUID, address: str, channel_name: str = EMAIL) -> bool:
    """Take an address off the list; return whether it was on it."""
    with transaction(tenant_id) as session:
        gone = session.execute(
            text(
                "DELETE FROM suppression WHERE tenant_id = :tenant_id AND channel = :channel AND address_key = :key"
                " RETURNING id"
            ),
            {"tenant_id": tenant_id, "channel": channel_name, "key": channel(channel_name).address_key(address)},
        )
        return gone.first() is not None
