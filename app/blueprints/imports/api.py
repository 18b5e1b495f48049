"""Imports over the API: hand a file in, follow it, fetch what was refused, undo it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson
from flask import Response, request
from pydantic import BaseModel, Field, ValidationError

from app.blueprints.imports.refused import refused_csv
from app.capture.imports import queries, service, targets
from app.capture.imports.models import ImportRun
from app.capture.imports.service import Options
from app.infra.errors import Invalid
from app.infra.paging import Page
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, PageQuery
from app.web.uploads import uploaded

api = ApiBlueprint("imports_api", __name__)


class ImportForm(Body):
    """The form fields beside `file`: a preset, or a mapping (a JSON object: column of the file → target), or both.

    `GET /imports/targets` lists the targets. With both, the mapping says what the columns are, the preset how the file
    writes things, unless `date_order`, `country` (of local phone numbers) or `currency` say otherwise.
    """

    preset: str | None = Field(default=None, max_length=100)
    mapping: dict[str, str] = Field(default_factory=dict)
    date_order: Literal["dmy", "mdy", "ymd"] | None = None
    country: str | None = Field(default=None, max_length=2)
    currency: str | None = Field(default=None, max_length=3)
    on_match: Literal["create", "update", "fill", "skip"] = "update"
    write_consent: bool = False
    start_journeys: bool = False
    dry_run: bool = False


class ImportStarted(BaseModel):
    """The import's id: ask for it to follow the import."""

    id: UUID


class ImportOut(BaseModel):
    """How far an import is. rows = created + updated + unchanged + refused; `suggested`: pairs that may be one."""

    id: UUID
    status: Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "UNDONE"]
    rows: int
    created: int
    updated: int
    unchanged: int
    suggested: int
    refused: int
    progress: float = Field(description="From 0 to 1.")
    file_name: str
    preset: str | None
    mapping: dict[str, str]
    on_match: str
    write_consent: bool
    start_journeys: bool
    dry_run: bool
    error: str | None
    report: dict[str, Any]
    created_at: datetime
    finished_at: datetime | None


@api.operation("POST", "/imports", permission="imports.run", returns=ImportStarted, files=True, status=202)
def start_import() -> ImportStarted:
    """Take in a file (multipart: `file`, and the fields of ImportForm); a worker imports it."""
    file = uploaded()
    form = _form(request.form.to_dict())
    actor = current()
    run_id = service.start(
        tenant_id=actor.tenant_id,
        file=file.stream,
        file_name=file.filename or "file.csv",
        options=Options(
            preset=form.preset,
            mapping=form.mapping or None,
            formats={"date_order": form.date_order, "country": form.country, "currency": form.currency},
            on_match=form.on_match,
            write_consent=form.write_consent,
            start_journeys=form.start_journeys,
            dry_run=form.dry_run,
        ),
        actor=actor.ref,
    )
    return ImportStarted(id=run_id)


def _form(values: Mapping[str, str]) -> ImportForm:
    given: dict[str, Any] = {name: value for name, value in values.items() if value != ""}
    try:
        if "mapping" in given:
            given["mapping"] = orjson.loads(given["mapping"])
        return ImportForm.model_validate(given)
    except orjson.JSONDecodeError:
        raise Invalid({"mapping": "Give a JSON object: column of the file to field."}) from None
    except ValidationError as error:
        found = {".".join(map(str, one["loc"])): one["msg"] for one in error.errors(include_url=False)}
        raise Invalid(found) from None


class TargetQuery(Body):
    """Which files: of people or of visits."""

    kind: Literal["members", "visits"] = "members"


class TargetOut(BaseModel):
    """What a column of a file can become: `name` is what a mapping says."""

    name: str
    label: str
    group: str
    consent: bool = Field(description="Written only with `write_consent`.")


class TargetsOut(BaseModel):
    """All targets; beside them `ignore`, and `external_id:NAME`, an id in a system you name."""

    items: list[TargetOut]


@api.operation("GET", "/imports/targets", permission="imports.view", query=TargetQuery, returns=TargetsOut)
def list_targets(query: TargetQuery) -> TargetsOut:
    """List what the columns of a file can become."""
    found = targets.targets(tenant_id=current().tenant_id, kind=query.kind)
    return TargetsOut(
        items=[TargetOut(name=one.name, label=one.label, group=one.group, consent=one.is_consent) for one in found]
    )


class LineQuery(PageQuery):
    """Which lines of the report."""

    kind: Literal["created", "updated", "unchanged", "suggested", "consent"] = "updated"


class LineOut(BaseModel):
    """A row of the file and what became of it, or would: `changes` are {field, old, new}."""

    record: int = Field(description="The row's number in the file; the header is 1.")
    customer_id: UUID | None = None
    name: str = ""
    changes: list[dict[str, Any]] = []
    matched_by: list[str] = []
    looks_like: list[dict[str, Any]] = Field(default=[], description="Of suggested duplicates: {customer_id, name, …}.")


@api.operation(
    "GET", "/imports/<uuid:import_id>/lines", permission="imports.view", query=LineQuery, returns=LineOut, paged=True
)
def list_lines(import_id: UUID, query: LineQuery) -> Page[LineOut]:
    """List what became of rows, or would after a dry run: the first 10,000 of each kind."""
    run = queries.run(tenant_id=current().tenant_id, run_id=import_id)
    page = queries.lines(
        tenant_id=run.tenant_id, run_id=run.id, kind=query.kind, cursor=query.cursor, limit=query.limit
    )
    return Page([LineOut.model_validate(one) for one in page.items], page.next_cursor)


@api.operation("GET", "/imports", permission="imports.view", query=PageQuery, returns=ImportOut, paged=True)
def list_imports(query: PageQuery) -> Page[ImportOut]:
    """List imports, the newest first."""
    page = queries.runs(tenant_id=current().tenant_id, cursor=query.cursor, limit=query.limit)
    return Page([_out(one) for one in page.items], page.next_cursor)


@api.operation("GET", "/imports/<uuid:import_id>", permission="imports.view", returns=ImportOut)
def get_import(import_id: UUID) -> ImportOut:
    """Return how far an import is, and its report."""
    return _out(queries.run(tenant_id=current().tenant_id, run_id=import_id))


@api.operation("GET", "/imports/<uuid:import_id>/refused.csv", permission="imports.view")
def get_refused(import_id: UUID) -> Response:
    """Return the rows that were refused, each with its number in the file and the reason, as CSV."""
    return refused_csv(queries.run(tenant_id=current().tenant_id, run_id=import_id))


@api.operation("POST", "/imports/<uuid:import_id>/run", permission="imports.run", returns=ImportStarted, status=202)
def run_import(import_id: UUID) -> ImportStarted:
    """Import for real what a finished dry run looked at."""
    actor = current()
    service.run_after_dry_run(tenant_id=actor.tenant_id, run_id=import_id, actor=actor.ref)
    return ImportStarted(id=import_id)


@api.operation("POST", "/imports/<uuid:import_id>/undo", permission="imports.run", returns=ImportStarted, status=202)
def undo_import(import_id: UUID) -> ImportStarted:
    """Put back all that an import changed; a worker does it."""
    actor = current()
    service.undo(tenant_id=actor.tenant_id, run_id=import_id, actor=actor.ref)
    return ImportStarted(id=import_id)


@api.operation("POST", "/imports/<uuid:import_id>/cancel", permission="imports.run", returns=ImportOut)
def cancel_import(import_id: UUID) -> ImportOut:
    """End an import that is under way, after the batch that is: it is FAILED, `error` says who did it.

    What is in stays, and can be undone.
    """
    actor = current()
    service.cancel(tenant_id=actor.tenant_id, run_id=import_id, actor=actor.ref, actor_name=actor.name)
    return _out(queries.run(tenant_id=actor.tenant_id, run_id=import_id))


def _out(run: ImportRun) -> ImportOut:
    values = {name: getattr(run, name) for name in ImportOut.model_fields if name != "progress"}
    return ImportOut(**values, progress=queries.progress(run))
