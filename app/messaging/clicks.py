"""Which links of a run's messages were followed: by how many people, how often, and by machines apart."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.ids import as_id

MOST_LINKS = 2_000


@dataclass(frozen=True, slots=True)
class Click:
    """That a link of a message was followed."""

    message_id: UUID
    url: str
    by_machine: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Followed:
    """An address that was followed: by how many people, how often by them, and in how many messages by machines."""

    url: str
    people: int
    times: int
    machines: int


# Rows are made in one order, so that two who write the same wait in turn.
_NOTE = text("""
    INSERT INTO message_click (tenant_id, message_id, url_key, by_machine, run_id, variant, url, at, times)
    SELECT :tenant_id, message.id, md5(did.url), did.by_machine, message.run_id, message.variant, did.url,
        min(did.at), count(*)
    FROM unnest(CAST(:messages AS uuid[]), CAST(:urls AS text[]), CAST(:machines AS boolean[]),
        CAST(:ats AS timestamptz[])) AS did(message_id, url, by_machine, at)
    JOIN message ON message.tenant_id = :tenant_id AND message.id = did.message_id
    WHERE message.run_id IS NOT NULL
    GROUP BY message.id, did.by_machine, message.run_id, message.variant, did.url
    ORDER BY message.id, md5(did.url), did.by_machine
    ON CONFLICT (tenant_id, message_id, url_key, by_machine) DO UPDATE
    SET times = message_click.times + excluded.times, at = least(message_click.at, excluded.at)
""")
_LINKS = text("""
    SELECT min(url) AS url, count(*) FILTER (WHERE NOT by_machine) AS people,
        coalesce(sum(times) FILTER (WHERE NOT by_machine), 0) AS times, count(*) FILTER (WHERE by_machine) AS machines
    FROM message_click WHERE tenant_id = :tenant_id AND run_id = ANY(CAST(:runs AS uuid[]))
        AND (:all_variants OR variant = ANY(CAST(:variants AS text[])))
    GROUP BY url_key ORDER BY people DESC, times DESC, url_key LIMIT :most
""")


def told(type_: str, payload: Mapping[str, Any], at: datetime) -> Iterable[Click]:
    """Yield the click that an event tells of, if it is one."""
    url = payload.get("url")
    message_id = as_id(payload.get("message_id")) if type_ == "message.clicked" else None
    if message_id is not None and isinstance(url, str) and url.startswith(("http://", "https://")):
        yield Click(message_id, url[:2_000], payload.get("is_machine") is True, at)


def note(session: Session, tenant_id: UUID, clicks: Iterable[Click]) -> None:
    """Write down clicks in messages of runs, inside the caller's transaction; those of no run are nobody's to count."""
    listed = list(clicks)
    if listed:
        values = {
            "tenant_id": tenant_id,
            "messages": array(one.message_id for one in listed),
            "urls": array(one.url for one in listed),
            "machines": array(one.by_machine for one in listed),
            "ats": array(one.at for one in listed),
        }
        session.execute(_NOTE, values)


def links(*, tenant_id: UUID, run_ids: Collection[UUID], variants: Collection[str] | None = None) -> list[Followed]:
    """Return the addresses that were followed in messages of these runs, those of most people first.

    `variants`: only messages of these are counted.
    """
    with transaction(tenant_id) as session:
        values = {"tenant_id": tenant_id, "runs": array(run_ids), "most": MOST_LINKS}
        values |= {"all_variants": variants is None, "variants": array(variants or ())}
        return [Followed(row.url, row.people, row.times, row.machines) for row in session.execute(_LINKS, values)]
