"""Customers → Imports: hand a file in, watch it, read the report, run it for real, undo it."""

from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer
from wtforms import FileField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.blueprints.imports.base import (
    DELIMITERS,
    ENCODINGS,
    STATUS_LABELS,
    STATUS_TONES,
    Words,
    blueprint,
    source_of,
)
from app.blueprints.imports.refused import refused_csv
from app.capture.imports import queries, service
from app.capture.imports.apply import LINES, MAX_LINES, ON_MATCH
from app.capture.imports.models import COMPLETED, DRAFT, FAILED, ImportRun
from app.infra.config import load
from app.infra.errors import UserError
from app.infra.paging import Page
from app.web import forms
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.lists import asked_choice
from app.web.uploads import takes_files, uploaded

REFUSED, LEFT_OUT = "refused", "left-out"


class UploadForm(forms.Form):
    """A file; how it is written is found, unless somebody knows better."""

    file = FileField("File", render_kw={"accept": ".csv,.txt,.tsv,text/csv"})
    encoding = SelectField(
        "Encoding",
        choices=[SelectChoice("", "Find it"), *(SelectChoice(name, label) for name, label in ENCODINGS.items())],
    )
    delimiter = SelectField(
        "Between the columns stands a",
        choices=[SelectChoice("", "Find it"), *(SelectChoice(sign, label) for sign, label in DELIMITERS.items())],
    )


@blueprint.get("")
@requires("imports.view")
def index() -> Response:
    """List the imports, the newest first."""
    found = queries.runs(tenant_id=current().tenant_id, drafts=True, cursor=request.args.get("cursor"))
    return page(
        "imports/index.html", block="results", page=found, tones=STATUS_TONES, labels=STATUS_LABELS, source=source_of
    )


@blueprint.get("/new")
@requires("imports.run")
def new() -> Response:
    """Show the form for a file."""
    return _form(UploadForm())


@blueprint.post("/new")
@requires("imports.run")
@takes_files
def upload() -> Response | Answer:
    """Keep the file and go on to its columns."""
    actor, form = current(), UploadForm(request.form)
    try:
        file = uploaded()
        run_id = service.draft(
            tenant_id=actor.tenant_id,
            file=file.stream,
            file_name=file.filename or "file.csv",
            encoding=form.encoding.data if form.encoding.data in ENCODINGS else None,
            delimiter=form.delimiter.data if form.delimiter.data in DELIMITERS else None,
            actor=actor.ref,
        )
    except UserError as error:
        form.refuse(error)
        return _form(form, status=422)
    return redirect(url_for("imports.mapping", import_id=run_id))


def _form(form: UploadForm, status: int = 200) -> Response:
    return page("imports/new.html", status=status, form=form, most=load().max_upload_bytes // 1024 // 1024)


@blueprint.get("/<uuid:import_id>")
@requires("imports.view")
def show(import_id: UUID) -> Response | Answer:
    """Show how far an import is, then its report."""
    run = queries.run(tenant_id=current().tenant_id, run_id=import_id, drafts=True)
    if run.status == DRAFT:
        return redirect(url_for("imports.mapping", import_id=import_id))
    done = run.finished_at is not None
    kinds = _kinds(run)
    shown = asked_choice("show", {kind for kind, _, _ in kinds})
    shown = shown or next((kind for kind, _, count in kinds if count), kinds[0][0])
    return page(
        "imports/show.html",
        block="lines" if "show" in request.args or "cursor" in request.args else "progress",
        run=run,
        done=done,
        percent=int(100 * queries.progress(run)),
        tones=STATUS_TONES,
        labels=STATUS_LABELS,
        on_match=ON_MATCH,
        source=source_of(run),
        kinds=kinds,
        shown=shown,
        people_exist=run.status in (COMPLETED, FAILED) and not run.dry_run,
        most=MAX_LINES,
        clubs=sorted(run.report.get("clubs", {}).items(), key=lambda one: (one[0] == "", -one[1], one[0])),
        **(_report(run, shown) if done else {}),
    )


def _kinds(run: ImportRun) -> list[tuple[str, str, int]]:
    """Return (kind, label, how many) of what the report tells."""
    counts: dict[str, int] = {kind: getattr(run, kind, 0) for kind in LINES}
    counts["consent"] = run.report.get("people", {}).get("consent", 0)
    noted = run.report.get("noted", {})
    return [
        *((kind, label, counts[kind]) for kind, label in LINES.items()),
        (REFUSED, "Refused", run.refused),
        (LEFT_OUT, "Cells left out", sum(noted.values())),
    ]


def _report(run: ImportRun, shown: str) -> dict[str, Any]:
    cursor = request.args.get("cursor")
    found: dict[str, Any] = {"words": Words(), "page": Page([])}
    if shown == REFUSED:
        found["page"] = queries.refusals(tenant_id=run.tenant_id, run_id=run.id, cursor=cursor)
        found["reasons"] = queries.reasons(tenant_id=run.tenant_id, run_id=run.id)
    elif shown != LEFT_OUT:
        found["page"] = queries.lines(tenant_id=run.tenant_id, run_id=run.id, kind=shown, cursor=cursor)
    return found


@blueprint.get("/<uuid:import_id>/refused.csv")
@requires("imports.view")
def refused(import_id: UUID) -> Response:
    """Give out the rows that were refused, with the reason."""
    return refused_csv(queries.run(tenant_id=current().tenant_id, run_id=import_id))


@blueprint.post("/<uuid:import_id>/run")
@requires("imports.run")
def run(import_id: UUID) -> Answer:
    """Import for real what the dry run looked at."""
    actor = current()
    service.run_after_dry_run(tenant_id=actor.tenant_id, run_id=import_id, actor=actor.ref)
    return redirect(url_for("imports.show", import_id=import_id))


@blueprint.post("/<uuid:import_id>/undo")
@requires("imports.run")
def undo(import_id: UUID) -> Answer:
    """Put back all that an import changed."""
    actor = current()
    service.undo(tenant_id=actor.tenant_id, run_id=import_id, actor=actor.ref)
    return redirect(url_for("imports.show", import_id=import_id))


@blueprint.post("/<uuid:import_id>/cancel")
@requires("imports.run")
def cancel(import_id: UUID) -> Answer:
    """End an import after the batch under way; its page offers to undo what is in."""
    actor = current()
    try:
        service.cancel(tenant_id=actor.tenant_id, run_id=import_id, actor=actor.ref, actor_name=actor.name)
    except service.NotNow:
        flash("It was through before it could be cancelled.", "warning")
    return redirect(url_for("imports.show", import_id=import_id))


@blueprint.post("/<uuid:import_id>/discard")
@requires("imports.run")
def discard(import_id: UUID) -> Answer:
    """Forget a file that was not imported."""
    actor = current()
    service.discard(tenant_id=actor.tenant_id, run_id=import_id, actor=actor.ref)
    flash("The file is gone. Nothing was imported.", "info")
    return redirect(url_for("imports.index"))
