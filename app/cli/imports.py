"""`flask imports`: take in a file of customers or visits, as the pages and the API do."""

from pathlib import Path
from uuid import UUID

import click
from flask.cli import AppGroup

from app.capture.imports import preset, queries, service, work
from app.capture.imports.apply import ON_MATCH, UPDATE
from app.capture.imports.models import COMPLETED, ImportRun
from app.capture.imports.service import Options
from app.cli import tenants
from app.infra import clock
from app.infra.errors import UserError
from app.road import HANDLERS

SHOWN = 10
BY = "system:cli"

imports = AppGroup("imports", help="Files of customers and visits.")


@imports.command("run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--preset", "name", required=True, type=click.Choice([one.name for one in preset.known()]))
@click.option(
    "--on-match", type=click.Choice(list(ON_MATCH)), default=UPDATE, help="What to do with people who are here."
)
@click.option("--write-consent", is_flag=True, help="Take the file's consent columns over.")
@click.option("--start-journeys", is_flag=True, help="Let journeys that start by these events begin.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option("--tenant", help="The organisation's id or name; needed where there are several.")
def run(
    file: Path, name: str, on_match: str, write_consent: bool, start_journeys: bool, dry_run: bool, tenant: str | None
) -> None:
    """Import FILE and say what became of its rows. It can be stopped at any time: workers go on where it was."""
    tenant_id = tenants.tenant_id(tenant)
    options = Options(
        preset=name,
        on_match=on_match,
        write_consent=write_consent,
        start_journeys=start_journeys,
        dry_run=dry_run,
    )
    try:
        with file.open("rb") as opened:
            run_id = service.start(tenant_id=tenant_id, file=opened, file_name=file.name, options=options, actor=BY)
    except UserError as error:
        raise click.ClickException(error.message) from None
    found = queries.run(tenant_id=tenant_id, run_id=run_id)
    with click.progressbar(length=found.size, label="Importing") as bar:
        while found.finished_at is None:
            before = found.position
            work.run_batch(tenant_id=tenant_id, now=clock.now(), handlers=HANDLERS)
            found = queries.run(tenant_id=tenant_id, run_id=run_id)
            bar.update(found.position - before)
    _tell(found)


def _tell(run: ImportRun) -> None:
    click.echo(f"{run.id}: {run.status.lower()}{' (dry run: nothing was changed)' if run.dry_run else ''}")
    click.echo(
        f"{run.rows:,} rows = {run.created:,} created + {run.updated:,} updated + {run.unchanged:,} unchanged"
        f" + {run.refused:,} refused; {run.suggested:,} suggested duplicates"
    )
    for title, counts in (("Cells left out", run.report.get("noted")), ("Consent", run.report.get("consent"))):
        for what, count in (counts or {}).items():
            click.echo(f"  {title}: {count:,} × {what}")
    for name, count in (run.report.get("clubs") or {}).items():
        click.echo(f"  No club of yours, so left out: {count:,} × {name or 'others'}")
    reasons: dict[str, list[int]] = {}
    for some in queries.refused(tenant_id=run.tenant_id, run_id=run.id):
        for one in some:
            reasons.setdefault(one.reason, []).append(one.record)
    for reason, records in sorted(reasons.items(), key=lambda one: -len(one[1]))[:SHOWN]:
        shown = ", ".join(map(str, records[:SHOWN]))
        click.echo(f"  Refused: {len(records):,} × {reason} (row {shown}{' …' if len(records) > SHOWN else ''})")
    if run.status != COMPLETED:
        raise click.ClickException(run.error or "The import did not finish.")


@imports.command("undo")
@click.argument("run_id", type=click.UUID)
@click.option("--tenant", help="The organisation's id or name; needed where there are several.")
def undo(run_id: UUID, tenant: str | None) -> None:
    """Put back all that the import RUN_ID changed."""
    tenant_id = tenants.tenant_id(tenant)
    try:
        service.undo(tenant_id=tenant_id, run_id=run_id, actor=BY)
    except UserError as error:
        raise click.ClickException(error.message) from None
    while (found := queries.run(tenant_id=tenant_id, run_id=run_id)).finished_at is None:
        work.run_batch(tenant_id=tenant_id, now=clock.now(), handlers=HANDLERS)
    click.echo(f"{found.id}: {found.status.lower()}")


COMMANDS = (imports,)
