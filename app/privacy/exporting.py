"""Exporting a person: a section a table, each read in a transaction of its own, then packed into one file."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping, delete, insert, text
from sqlalchemy.orm import Session

from app.accounts.queries import tenant_info
from app.infra.arrays import array
from app.infra.db import Base
from app.infra.errors import Conflict
from app.privacy import page
from app.privacy.erasing import Progress, Step
from app.privacy.models import PrivacyFile, PrivacyRequest
from app.privacy.person import lead_of
from app.privacy.registry import TABLES, Table, whose

FORMAT = "fairway-person/1"
KEPT = timedelta(days=7)
"""How long an export can be downloaded; then its file is deleted."""
ZIP = "zip"
PIECE = 1024 * 1024
SECTIONS: tuple[Table, ...] = tuple(one for one in TABLES if one.section)
# What others may not read stays out, unless whoever asked may.
_PRIVATE = {
    "notes": "NOT t.private",
    "note_changes": "NOT t.private AND t.note_id NOT IN"
    " (SELECT n.id FROM note n WHERE n.tenant_id = :tenant_id AND n.private)",
    "activities": "t.private_to IS NULL",
}


class MergedMeanwhile(Conflict):
    """The profile went into another one while the export waited or was collected."""

    def __init__(self) -> None:
        super().__init__(
            "The profile was merged into another one meanwhile. Export that one: it has all that this one had."
        )


_IDS = text("""
    SELECT id FROM customer WHERE tenant_id = :tenant_id AND (id = :id OR merged_into_id = :id) ORDER BY id <> :id, id
""")
_LEFT_OUT = text("""
    SELECT count(*) FROM note
    WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:ids AS uuid[])) AND private
""")
_PARTS = text("""
    SELECT part, data FROM privacy_file WHERE tenant_id = :tenant_id AND request_id = :id AND part <> 'zip'
    ORDER BY part, number
""")
# Ids that stand in rows, and where their names are.
_NAMED = {
    "club_id": "club",
    "topic_id": "topic",
    "journey_id": "journey",
    "template_id": "template",
    "household_id": "household",
    "segment_id": "segment",
}


def _section(table: Table) -> Callable[[Session, PrivacyRequest, datetime], Progress]:
    private = _PRIVATE.get(table.section or "", "true")
    order = ", ".join(f"t.{one.strip()}" for one in table.order.split(","))

    def run(session: Session, request: PrivacyRequest, _now: datetime) -> Progress:
        values = {"tenant_id": request.tenant_id, "ids": array(_ids(session, request))}
        # The names are the registry's and the models'.
        statement = text(f"""
            SELECT {_columns(table)} FROM {table.name} t
            WHERE t.tenant_id = :tenant_id AND ({whose(table)}) AND (:with_private OR ({private})) ORDER BY {order}
        """)  # noqa: S608
        rows = session.execute(statement, {**values, "with_private": request.with_private}).mappings().all()
        _keep(session, request, table.section or "", orjson.dumps([_plain(row) for row in rows]))
        request.report = {**request.report, "rows": {**request.report.get("rows", {}), table.name: len(rows)}}
        session.flush()
        return Progress.DONE

    return run


def _columns(table: Table) -> str:
    named = [column.name for column in Base.metadata.tables[table.name].columns]
    return ", ".join(f"t.{one}" for one in named if one not in ("tenant_id", *table.left_out))


def _plain(row: RowMapping) -> dict[str, Any]:
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | float | list | dict):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _ids(session: Session, request: PrivacyRequest) -> list[UUID]:
    if lead_of(session, request.tenant_id, request.customer_id) not in (None, request.customer_id):
        raise MergedMeanwhile
    return list(session.scalars(_IDS, {"tenant_id": request.tenant_id, "id": request.customer_id}))


def _keep(session: Session, request: PrivacyRequest, part: str, data: bytes) -> None:
    """Put a part into the place of whatever a worker that died had put there."""
    file = PrivacyFile
    mine = (file.tenant_id == request.tenant_id, file.request_id == request.id, file.part == part)
    session.execute(delete(file).where(*mine))
    rows = [
        {
            "tenant_id": request.tenant_id,
            "request_id": request.id,
            "part": part,
            "number": number,
            "data": data[at : at + PIECE],
        }
        for number, at in enumerate(range(0, len(data), PIECE))
    ]
    session.execute(insert(file), rows)


def pack(session: Session, request: PrivacyRequest, now: datetime) -> Progress:
    """Make one file of the sections: person.json for machines, person.html for people."""
    values = {"tenant_id": request.tenant_id, "id": request.id}
    pieces: dict[str, list[bytes]] = {}
    for row in session.execute(_PARTS, values):
        pieces.setdefault(row.part, []).append(bytes(row.data))
    sections = {name: orjson.loads(b"".join(found)) for name, found in pieces.items()}
    document = _document(session, request, sections, now)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("person.json", orjson.dumps(document, option=orjson.OPT_INDENT_2))
        archive.writestr("person.html", page.render(document, tenant_info(tenant_id=request.tenant_id)))
    _keep(session, request, ZIP, packed.getvalue())
    file = PrivacyFile
    mine = (file.tenant_id == request.tenant_id, file.request_id == request.id, file.part != ZIP)
    session.execute(delete(file).where(*mine))
    request.expires_at = now + KEPT
    request.report = {
        **request.report,
        "size": len(packed.getvalue()),
        "private_notes_left_out": document["private_notes_left_out"],
    }
    session.flush()
    return Progress.DONE


def _document(
    session: Session, request: PrivacyRequest, sections: dict[str, list[dict[str, Any]]], now: datetime
) -> dict[str, Any]:
    ids = _ids(session, request)
    values = {"tenant_id": request.tenant_id, "ids": array(ids)}
    left_out = 0 if request.with_private else session.scalar(_LEFT_OUT, values)
    return {
        "format": FORMAT,
        "made_at": now.isoformat(),
        "organisation": tenant_info(tenant_id=request.tenant_id).name,
        "customer_id": str(request.customer_id),
        "merged_ids": [str(one) for one in ids if one != request.customer_id],
        "private_notes_left_out": left_out,
        "names": _names(session, request.tenant_id, sections),
        "sections": {one.section: sections.get(one.section or "", []) for one in SECTIONS},
    }


def _names(session: Session, tenant_id: UUID, sections: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, str]]:
    """Return, by table and id, the names of the clubs, topics, journeys, templates and households of the rows."""
    found = {}
    for column, table in _NAMED.items():
        ids = {row[column] for rows in sections.values() for row in rows if row.get(column)}
        query = text(f"SELECT id, name FROM {table} WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[]))")  # noqa: S608
        rows = session.execute(query, {"tenant_id": tenant_id, "ids": array(sorted(ids))})
        found[table] = {str(row.id): row.name for row in rows if row.name}
    return found


STEPS: tuple[Step, ...] = (
    *(Step(f"Collecting: {one.holds.lower()}", _section(one)) for one in SECTIONS),
    Step("Packing the file", pack),
)
