"""`flask journeys`: upkeep of the journeys' counters."""

import click
from flask.cli import AppGroup

from app.cli import tenants
from app.journeys.engine.recount import recount

journeys = AppGroup("journeys", help="The journeys of an organisation.")


@journeys.command("recount")
@click.option("--tenant", help="The organisation's id or name; needed where there are several.")
def count_again(tenant: str | None) -> None:
    """Count anew, from the people in them, in which weeks and versions they came and what became of them."""
    counted = recount(tenant_id=tenants.tenant_id(tenant))
    click.echo(f"Counted {counted:,} journeys.")


COMMANDS = (journeys,)
