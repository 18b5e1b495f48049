"""Imports: one run a file, its bytes, what it refused, and what each row it touched was before."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKeyConstraint, Index, LargeBinary, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, TenantRow
from app.infra.ids import new_id

DRAFT = "DRAFT"
"""Uploaded on the pages, and nobody has said yet what its columns are."""
PENDING, RUNNING, COMPLETED, FAILED, UNDONE = "PENDING", "RUNNING", "COMPLETED", "FAILED", "UNDONE"


class ImportRun(TenantRow, Base):
    """One file on its way in. `position` is the byte the next row begins at, `record` the number of the last one read.

    `task` is what a worker has to do with it while it is PENDING or RUNNING: "import" or "undo". `formats` is how the
    file writes things where its preset doesn't say so (see app.capture.imports.formats).
    """

    __tablename__ = "import_run"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        Index("ix_import_run_due", "tenant_id", "id", postgresql_where=text("status IN ('PENDING', 'RUNNING')")),
    )

    file_name: Mapped[str]
    size: Mapped[int]
    encoding: Mapped[str]
    delimiter: Mapped[str]
    header: Mapped[list[str]]
    preset: Mapped[str | None]
    mapping: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    formats: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    on_match: Mapped[str]
    write_consent: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    start_journeys: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    dry_run: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    task: Mapped[str] = mapped_column(server_default="import", default="import")
    status: Mapped[str] = mapped_column(server_default=PENDING, default=PENDING)
    error: Mapped[str | None]
    position: Mapped[int]
    record: Mapped[int] = mapped_column(server_default="1", default=1)
    rows: Mapped[int] = mapped_column(server_default="0", default=0)
    created: Mapped[int] = mapped_column(server_default="0", default=0)
    updated: Mapped[int] = mapped_column(server_default="0", default=0)
    unchanged: Mapped[int] = mapped_column(server_default="0", default=0)
    refused: Mapped[int] = mapped_column(server_default="0", default=0)
    suggested: Mapped[int] = mapped_column(server_default="0", default=0)
    undo_left: Mapped[int] = mapped_column(server_default="0", default=0)
    report: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]


class ImportChunk(Base):
    """A piece of the file, in UTF-8. In Postgres, so that any worker on any machine can go on with it."""

    __tablename__ = "import_chunk"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "run_id"], ["import_run.tenant_id", "import_run.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ImportRefusal(Base):
    """A row that was not taken, by its number in the file (the header is 1), with the reason."""

    __tablename__ = "import_refusal"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "run_id"], ["import_run.tenant_id", "import_run.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    record: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str]
    cells: Mapped[list[str]]


class ImportLine(Base):
    """A line of a run's report: what became (or would become) of a row.

    `kind` is one of app.capture.imports.apply.LINES; `detail` holds the customer's id and name, and what changes.
    """

    __tablename__ = "import_line"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "run_id"], ["import_run.tenant_id", "import_run.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    record: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    detail: Mapped[dict[str, Any]]


class ImportMapping(TenantRow, Base):
    """A mapping somebody saved under a name: which column of such files is what, and how they write things."""

    __tablename__ = "import_mapping"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        Index("uq_import_mapping_name", "tenant_id", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
    )

    name: Mapped[str]
    preset: Mapped[str | None]
    columns: Mapped[dict[str, Any]]
    formats: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class ImportChange(Base):
    """A row of any table that a run touched: as it was before the run first did, and as the run left it.

    The database writes it (the trigger `import_journal`). No `before`: the run made the row. No `after`: it removed it,
    or made it. Of the rows a run made only customers stand here; the others are in ImportMade.
    """

    __tablename__ = "import_change"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "run_id"], ["import_run.tenant_id", "import_run.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    table_name: Mapped[str] = mapped_column(primary_key=True)
    row_id: Mapped[UUID] = mapped_column(primary_key=True)
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]


class ImportMade(Base):
    """The rows that one statement of a run made in one table; the database writes it (`import_journal_made`)."""

    __tablename__ = "import_made"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "run_id"], ["import_run.tenant_id", "import_run.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    table_name: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, server_default=text("uuid7()"))
    row_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
