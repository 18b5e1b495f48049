"""Which organisation a command is for."""

from uuid import UUID

import click
from sqlalchemy import text

from app.accounts import queries as accounts
from app.infra.db import dispatching

SHOWN = 10


def tenant_id(wanted: str | None) -> UUID:
    """Return the organisation of that id or name; without one, the only one there is."""
    with dispatching() as session:
        ids: list[UUID] = list(session.scalars(text("SELECT id FROM tenant ORDER BY id")))
    names = {one: accounts.tenant_info(tenant_id=one).name for one in ids}
    found = [one for one, name in names.items() if wanted is None or wanted in (str(one), name)]
    if len(found) == 1:
        return found[0]
    if not ids:
        raise click.ClickException("There is no organisation yet. Start Fairway once, or register one.")
    shown = ", ".join(list(names.values())[:SHOWN])
    raise click.ClickException(f"Say which organisation with --tenant: {shown}")
