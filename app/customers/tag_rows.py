"""Tags become known when somebody is first given them."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

_MEET = text("""
    INSERT INTO tag (tenant_id, name)
    SELECT :tenant_id, name FROM unnest(CAST(:names AS text[])) AS new(name)
    WHERE NOT EXISTS (
        SELECT FROM tag t WHERE t.tenant_id = :tenant_id AND t.name = new.name AND t.deleted_at IS NULL
    )
    ORDER BY name
    ON CONFLICT (tenant_id, name) WHERE deleted_at IS NULL DO NOTHING
""")


def meet(session: Session, tenant_id: UUID, names: Collection[str]) -> None:
    """Make the tags that nobody had before, in the open transaction; those that are known are left alone."""
    if names:
        session.execute(_MEET, {"tenant_id": tenant_id, "names": sorted(set(names))})


_GIVE = text("""
    WITH given AS (
        SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(customer_id uuid, tags jsonb)
    ), held AS (
        SELECT c.id, c.tags, array(SELECT jsonb_array_elements_text(g.tags)) AS more
        FROM given g CROSS JOIN LATERAL (
            SELECT x.id, x.tags FROM customer x WHERE x.tenant_id = :tenant_id AND x.id = g.customer_id
            FOR NO KEY UPDATE
        ) AS c
    ), fresh AS (
        SELECT id, tags, array(SELECT m FROM unnest(more) WITH ORDINALITY AS u(m, n) WHERE NOT m = ANY(tags) ORDER BY n)
            AS added
        FROM held
    )
    UPDATE customer c SET tags = f.tags || f.added, updated_at = :now FROM fresh f
    WHERE c.tenant_id = :tenant_id AND c.id = f.id AND cardinality(f.added) > 0
    RETURNING c.id, f.added
""")


def give(
    session: Session, tenant_id: UUID, given: Mapping[UUID, Collection[str]], now: datetime
) -> dict[UUID, list[str]]:
    """Give customers tags they do not have; return which are new to whom."""
    rows = [{"customer_id": owner, "tags": list(dict.fromkeys(names))} for owner, names in sorted(given.items())]
    found = session.execute(_GIVE, {"tenant_id": tenant_id, "rows": orjson.dumps(rows).decode(), "now": now})
    added = {row.id: list(row.added) for row in found}
    meet(session, tenant_id, {name for names in added.values() for name in names})
    return added
