"""`flask households`: look for people who may be households among those who are there already."""

import click
from flask.cli import AppGroup

from app.cli import tenants
from app.customers import household_suggestions

households = AppGroup("households", help="People who live together.")


@households.command("look")
@click.option("--tenant", help="The organisation's id or name; needed where there are several.")
def look(tenant: str | None) -> None:
    """Suggest households among all customers. New ones are looked at as they come in; doing it again is safe."""
    looked = household_suggestions.look_at_all(tenant_id=tenants.tenant_id(tenant))
    click.echo(f"Looked at {looked:,} customers. Households → Suggested households shows what was found.")


COMMANDS = (households,)
