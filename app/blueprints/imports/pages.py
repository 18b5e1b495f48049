"""Customers → Imports: hand a file in, watch it, read the report, run it for real, undo it."""

from uuid import UUID

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer
from wtforms import BooleanField, FileField, RadioField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.blueprints.imports.refused import refused_csv
from app.capture.imports import preset, queries, service
from app.capture.imports.apply import ON_MATCH, UPDATE
from app.capture.imports.models import ImportRun
from app.capture.imports.service import Options
from app.customers import custom_fields
from app.infra.errors import Invalid, UserError
from app.web import forms
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.uploads import takes_files

blueprint = Blueprint("imports", __name__, url_prefix="/customers/imports")
STATUS_TONES = {
    "PENDING": "neutral",
    "RUNNING": "info",
    "COMPLETED": "success",
    "FAILED": "danger",
    "UNDONE": "warning",
}


class ImportForm(forms.Form):
    """A file, where it comes from, and what to do with people who are here already."""

    file = FileField("File", render_kw={"accept": ".csv,.txt,text/csv"})
    preset = SelectField(
        "Where it comes from",
        choices=[SelectChoice(one.name, one.label) for one in preset.known()],
        validate_choice=False,
    )
    on_match = RadioField(
        "People who are here already",
        choices=[SelectChoice(name, words) for name, words in ON_MATCH.items()],
        default=UPDATE,
        validate_choice=False,
    )
    write_consent = BooleanField("Take over the file’s consent columns")
    start_journeys = BooleanField("Let journeys begin for the people in it")


@blueprint.get("")
@requires("imports.view")
def index() -> Response:
    """List the imports, the newest first."""
    found = queries.runs(tenant_id=current().tenant_id, cursor=request.args.get("cursor"))
    return page("imports/index.html", block="results", page=found, tones=STATUS_TONES)


@blueprint.get("/new")
@requires("imports.run")
def new() -> Response:
    """Show the form for a file."""
    return _form(ImportForm())


@blueprint.post("/new")
@requires("imports.run")
@takes_files
def upload() -> Response | Answer:
    """Take the file in as a dry run: nothing is changed before somebody has seen what would happen."""
    actor, form = current(), ImportForm(request.form)
    file = request.files.get("file")
    if file is None or not file.filename:
        form.refuse(Invalid({"file": "Choose a file."}))
        return _form(form, status=422)
    try:
        run_id = service.start(
            tenant_id=actor.tenant_id,
            file=file.stream,
            file_name=file.filename,
            options=Options(
                preset=form.preset.data,
                on_match=form.on_match.data or UPDATE,
                write_consent=bool(form.write_consent.data),
                start_journeys=bool(form.start_journeys.data),
                dry_run=True,
            ),
            actor=actor.ref,
        )
    except UserError as error:
        form.refuse(error)
        return _form(form, status=422)
    return redirect(url_for("imports.show", import_id=run_id))


def _form(form: ImportForm, status: int = 200) -> Response:
    return page("imports/new.html", status=status, form=form)


@blueprint.get("/<uuid:import_id>")
@requires("imports.view")
def show(import_id: UUID) -> Response:
    """Show how far an import is, then its report."""
    found = queries.run(tenant_id=current().tenant_id, run_id=import_id)
    return page(
        "imports/show.html",
        block="progress",
        run=found,
        done=found.finished_at is not None,
        percent=round(100 * queries.progress(found)),
        tones=STATUS_TONES,
        on_match=ON_MATCH,
        source=_source(found),
        labels={one.name: one.label for one in custom_fields.fields(tenant_id=current().tenant_id, archived=True)},
    )


def _source(run: ImportRun) -> str:
    return next((one.label for one in preset.known() if one.name == run.preset), "Own mapping")


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
    flash("The import has started. You can leave this page.", "info")
    return redirect(url_for("imports.show", import_id=import_id))


@blueprint.post("/<uuid:import_id>/undo")
@requires("imports.run")
def undo(import_id: UUID) -> Answer:
    """Put back all that an import changed."""
    actor = current()
    service.undo(tenant_id=actor.tenant_id, run_id=import_id, actor=actor.ref)
    flash("The import is being undone. You can leave this page.", "info")
    return redirect(url_for("imports.show", import_id=import_id))
