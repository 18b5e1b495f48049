"""The step between a file and its dry run: which column becomes what, and what to do with people who are here."""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.accounts import queries as accounts
from app.blueprints.imports.base import DELIMITERS, ENCODINGS, blueprint, saved_id
from app.capture.imports import formats, mappings, preset, queries, service, targets
from app.capture.imports.apply import ON_MATCH, UPDATE, plain
from app.capture.imports.fields import EXTERNAL_ID
from app.capture.imports.mappings import NoSuchMapping
from app.capture.imports.models import DRAFT, ImportRun
from app.capture.imports.service import NotNow, Options
from app.capture.imports.targets import IGNORE, Target
from app.infra.errors import UserError
from app.infra.ids import as_id
from app.web.guards import current, requires
from app.web.htmx import page

OWN = "own"
FORMATS = ("date_order", "country", "currency")


@dataclass(slots=True)
class Chosen:
    """What stands in the form: by the column's place the target, and the name of the system of an id."""

    source: str
    target: dict[int, str] = field(default_factory=dict)
    system: dict[int, str] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    on_match: str = UPDATE
    write_consent: bool = False
    start_journeys: bool = False
    save_as: str = ""

    @property
    def preset(self) -> str | None:
        """Return the preset the mapping began with, if any."""
        kind, _, name = self.source.partition(":")
        return name if kind == "preset" else None


@blueprint.get("/<uuid:import_id>/mapping")
@requires("imports.run")
def mapping(import_id: UUID) -> Response:
    """Show what the columns are taken for."""
    run = _open(import_id)
    return _show(run, _start(run, request.args.get("from")), {})


@blueprint.post("/<uuid:import_id>/mapping")
@requires("imports.run")
def map_columns(import_id: UUID) -> Response | Answer:
    """Begin the dry run with the columns as they are mapped; save the mapping if it is given a name."""
    actor, run = current(), _open(import_id)
    chosen = _chosen(run)
    options = Options(
        preset=_preset_of(chosen),
        mapping=_mapping(run, chosen),
        formats=chosen.formats,
        on_match=chosen.on_match,
        write_consent=chosen.write_consent,
        start_journeys=chosen.start_journeys,
        dry_run=True,
    )
    try:
        service.look(
            tenant_id=actor.tenant_id, run_id=import_id, options=options, save_as=chosen.save_as, actor=actor.ref
        )
    except UserError as error:
        if not error.errors:
            raise
        return _show(run, chosen, error.errors, status=422)
    if chosen.save_as.strip():
        flash(f"The mapping is saved as “{' '.join(chosen.save_as.split())}”.", "success")
    return redirect(url_for("imports.show", import_id=import_id))


def _open(import_id: UUID) -> ImportRun:
    run = queries.run(tenant_id=current().tenant_id, run_id=import_id, drafts=True)
    if not service.is_open(run):
        raise NotNow("This import has begun already. Upload the file again to import it in another way.")
    return run


def _start(run: ImportRun, source: str | None) -> Chosen:
    """Return what the form shows first: of the source that was asked for, else as it was, else what fits best."""
    tenant_id = run.tenant_id
    if source is None and run.status != DRAFT:
        made = f"preset:{run.preset}" if run.preset else OWN
        chosen = _filled(run, made, run.mapping, run.formats)
        chosen.on_match, chosen.write_consent = run.on_match, run.write_consent
        chosen.start_journeys = run.start_journeys
        return chosen
    if source is None:
        found = mappings.suggest(tenant_id=tenant_id, header=run.header)
        source = f"saved:{found.saved}" if found.saved else f"preset:{found.preset}" if found.preset else OWN
        return _filled(run, source, found.mapping, found.formats)
    mine = saved_id(source)
    if mine is not None:
        kept = mappings.one(tenant_id=tenant_id, mapping_id=mine)
        return _filled(run, source, kept.columns, kept.formats)
    kind, _, name = source.partition(":")
    if kind == "preset" and name in {one.name for one in preset.known()}:
        found_mapping = service.mapping_of(tenant_id=tenant_id, header=run.header, options=Options(preset=name))
        return _filled(run, source, found_mapping, {})
    return _filled(run, OWN, mappings.guess(tenant_id=tenant_id, header=run.header), {})


def _filled(run: ImportRun, source: str, columns: dict[str, str], kept: dict[str, str]) -> Chosen:
    chosen = Chosen(source, formats=dict(kept))
    by_name = {plain(name): target for name, target in columns.items()}
    for at, name in enumerate(run.header):
        target = by_name.get(plain(name), IGNORE) if _usable(run.header, at) else IGNORE
        if target.startswith(EXTERNAL_ID):
            chosen.system[at] = target.removeprefix(EXTERNAL_ID)
            target = EXTERNAL_ID
        chosen.target[at] = target
    return chosen


def _usable(header: list[str], at: int) -> bool:
    """Return whether a column has a name of its own: without one nothing can be said about it."""
    names = [plain(name) for name in header]
    return bool(names[at]) and names.index(names[at]) == at


def _chosen(run: ImportRun) -> Chosen:
    form = request.form
    chosen = Chosen(
        form.get("from", OWN),
        formats={name: form.get(name, "") for name in FORMATS},
        on_match=form.get("on_match", UPDATE),
        write_consent="write_consent" in form,
        start_journeys="start_journeys" in form,
        save_as=form.get("save_as", ""),
    )
    for at in range(len(run.header)):
        chosen.target[at] = form.get(f"target-{at}", IGNORE)
        chosen.system[at] = form.get(f"system-{at}", "").strip()
    return chosen


def _mapping(run: ImportRun, chosen: Chosen) -> dict[str, str]:
    return {
        run.header[at]: f"{EXTERNAL_ID}{chosen.system[at]}" if target == EXTERNAL_ID else target
        for at, target in chosen.target.items()
        if _usable(run.header, at)
    }


def _preset_of(chosen: Chosen) -> str | None:
    mine = saved_id(chosen.source)
    if mine is None:
        return chosen.preset
    try:
        return mappings.one(tenant_id=current().tenant_id, mapping_id=mine).preset
    except NoSuchMapping:
        return None


def _show(run: ImportRun, chosen: Chosen, errors: dict[str, str], status: int = 200) -> Response:
    tenant_id = current().tenant_id
    kind = service.kind_of(_preset_of(chosen))
    known = targets.targets(tenant_id=tenant_id, kind=kind.kind)
    consenting = {one.name for one in known if one.is_consent}
    columns = queries.samples(run)
    return page(
        "imports/mapping.html",
        block="mapping",
        status=status,
        run=run,
        chosen=chosen,
        errors=errors,
        encoding=ENCODINGS.get(run.encoding, run.encoding),
        delimiter=DELIMITERS.get(run.delimiter, run.delimiter),
        sources=_sources(tenant_id),
        kind=kind,
        groups=_groups(known, visits=kind.kind == preset.VISITS),
        plain_columns=[one for one in columns if chosen.target[one.at] not in consenting],
        consent_columns=[one for one in columns if chosen.target[one.at] in consenting],
        usable={one.at: _usable(run.header, one.at) for one in columns},
        mapped=Counter(target != IGNORE for target in chosen.target.values())[True],
        external_id=EXTERNAL_ID,
        date_orders=list(formats.DATE_ORDERS.items()),
        here=accounts.tenant_info(tenant_id=tenant_id),
        on_match=list(ON_MATCH.items()),
        visits=kind.kind == preset.VISITS,
    )


def _sources(tenant_id: UUID) -> list[tuple[str, str]]:
    mine = [(f"saved:{one.id}", one.name) for one in mappings.saved(tenant_id=tenant_id)]
    return [*mine, *((f"preset:{one.name}", one.label) for one in preset.known()), (OWN, "Another system")]


def _groups(known: list[Target], *, visits: bool) -> list[tuple[str, list[tuple[str, str]]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for one in known:
        found.setdefault(one.group, []).append((one.name, one.label))
    if not visits:
        found[targets.IDS].append((EXTERNAL_ID, "Id in another system …"))
    return list(found.items())


@blueprint.get("/mappings")
@requires("imports.run")
def saved_mappings() -> Response:
    """List the mappings that were saved."""
    actor = current()
    return page(
        "imports/mappings.html",
        mappings=mappings.saved(tenant_id=actor.tenant_id),
        deleted=as_id(request.args.get("deleted")),
        presets={one.name: one.label for one in preset.known()},
    )


@blueprint.post("/mappings/<uuid:mapping_id>/delete")
@requires("imports.run")
def delete_mapping(mapping_id: UUID) -> Answer:
    """Put a saved mapping aside; the list offers to take it back."""
    actor = current()
    mappings.delete(tenant_id=actor.tenant_id, mapping_id=mapping_id, actor=actor.ref)
    return redirect(url_for("imports.saved_mappings", deleted=mapping_id))


@blueprint.post("/mappings/<uuid:mapping_id>/restore")
@requires("imports.run")
def restore_mapping(mapping_id: UUID) -> Answer:
    """Take the deletion of a mapping back."""
    actor = current()
    try:
        mappings.restore(tenant_id=actor.tenant_id, mapping_id=mapping_id, actor=actor.ref)
    except mappings.CannotRestore as refused:
        flash(refused.message, "warning")
        # The list goes on offering it: deleting another one may be all it takes.
        return redirect(url_for("imports.saved_mappings", deleted=mapping_id))
    flash("The mapping is back.", "success")
    return redirect(url_for("imports.saved_mappings"))
