"""Tags become known when somebody is first given them."""

from collections.abc import Collection
from uuid import UUID

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
