"""`flask demo`: a club to look at."""

import click
from flask.cli import with_appcontext

from app.cli.demo_data.places import ORGANISATION, PASSWORD, USERS
from app.cli.demo_data.seed import seed as make


@click.group("demo")
def demo() -> None:
    """Made-up data to look at and try things on."""


@demo.command("seed")
@with_appcontext
def seed() -> None:
    """Make the demo club unless it is there, and print who signs in to it."""
    make()
    click.echo(sign_ins())


def sign_ins() -> str:
    """Return the demo's sign-ins as the lines `make run` shows."""
    lines = [f"{ORGANISATION} is a demo. Sign in with the password “{PASSWORD}” as"]
    lines += [f"  {user.role:<10}{user.email}" for user in USERS]
    return "\n".join(lines)


COMMANDS = (demo,)
