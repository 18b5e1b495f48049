"""Notes that come in by the thousand, out of files: written as sets, each with its line on the timeline."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.customers.notes import MAX_LENGTH, TYPES, excerpt
from app.events.validation import IMPORT_SOURCE
from app.infra.arrays import array
from app.infra.ids import new_id

_THERE = text("""
    SELECT n.customer_id, n.body FROM unnest(CAST(:ids AS uuid[])) AS w(id)
    CROSS JOIN LATERAL (
        SELECT x.customer_id, x.body FROM note x
        WHERE x.tenant_id = :tenant_id AND x.customer_id = w.id AND x.deleted_at IS NULL OFFSET 0
    ) AS n
""")
_WRITE = text("""
    WITH given AS (
        SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb))
            AS r(id uuid, customer_id uuid, body text, title text, payload jsonb)
    ), kept AS (
        INSERT INTO note (tenant_id, id, customer_id, author_id, author_name, body, created_at, updated_at)
        SELECT :tenant_id, id, customer_id, :author_id, :author_name, body, :now, :now FROM given
    )
    INSERT INTO activity (tenant_id, id, customer_id, type, category, title, occurred_at, source, object_type,
        object_id, payload)
    SELECT :tenant_id, id, customer_id, 'note.general', 'NOTE', title, :now, :source, 'note', id, payload FROM given
""")


def write(
    session: Session,
    tenant_id: UUID,
    notes: Sequence[tuple[UUID, str]],
    *,
    author_id: UUID,
    author_name: str,
    now: datetime,
) -> list[bool]:
    """Write the notes (customer, words) that do not stand there already; return for each whether it was written."""
    tidy = [(owner, words.strip()[:MAX_LENGTH]) for owner, words in notes]
    values = {"tenant_id": tenant_id, "ids": array({owner for owner, _ in tidy})}
    there = {(row.customer_id, row.body) for row in session.execute(_THERE, values)}
    rows, written = [], []
    for owner, words in tidy:
        fresh = bool(words) and (owner, words) not in there
        written.append(fresh)
        if fresh:
            there.add((owner, words))
            told = {"note": words, "written_by": author_name}
            title = f"{TYPES['general']}: {excerpt(words)}"
            rows.append({"id": new_id(), "customer_id": owner, "body": words, "title": title, "payload": told})
    if rows:
        given = {"rows": orjson.dumps(rows).decode(), "author_id": author_id, "author_name": author_name, "now": now}
        session.execute(_WRITE, {"tenant_id": tenant_id, "source": IMPORT_SOURCE, **given})
    return written
