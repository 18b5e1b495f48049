"""`flask mail`: the door for mail that the mail server of this machine hands over."""

import sys

import click
from flask.cli import AppGroup
from sqlalchemy.exc import SQLAlchemyError

from app.messaging.inbound.intake import MOST_BYTES, take_in

# What mail servers understand by it: keep the mail and come again (sysexits.h).
TRY_AGAIN = 75

mail = AppGroup("mail", help="Mail that comes in.")


@mail.command("receive")
@click.argument("recipients", nargs=-1)
def receive(recipients: tuple[str, ...]) -> None:
    """Take in one mail from the standard input; RECIPIENTS are the addresses it was delivered to."""
    source = sys.stdin.buffer.read(MOST_BYTES)
    try:
        taken = take_in(source=source, recipients=recipients)
    except SQLAlchemyError as error:
        click.echo(f"The database can't be reached; the mail may be handed in again: {type(error).__name__}", err=True)
        sys.exit(TRY_AGAIN)
    click.echo(f"{taken.outcome}{'' if taken.new else ', nothing new'}")


COMMANDS = (mail,)
