"""People something is told of before its time: they are due when it comes, since what is to come does not count yet."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from app.infra import clock
from app.infra.db import transaction

BATCH = 5_000
_DUE_NOW = text("""
    WITH come AS (
        SELECT l.id FROM segment_later l WHERE l.tenant_id = :tenant_id AND l.at <= :now
        ORDER BY l.at LIMIT :limit FOR UPDATE SKIP LOCKED
    ), taken AS (
        DELETE FROM segment_later l USING come WHERE l.tenant_id = :tenant_id AND l.id = come.id
        RETURNING l.customer_id, l.reads
    )
    INSERT INTO segment_due (tenant_id, customer_id, reads) SELECT DISTINCT :tenant_id, customer_id, reads FROM taken
""")


def run_batch(*, tenant_id: UUID, now: datetime | None = None) -> int:
    """Let those be due whose time has come; return how many notes of people that makes."""
    with transaction(tenant_id) as session:
        found = session.execute(_DUE_NOW, {"tenant_id": tenant_id, "now": now or clock.now(), "limit": BATCH})
        return int(found.rowcount)  # type: ignore[attr-defined]
