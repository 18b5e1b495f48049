"""`flask mailbox`: the SMTP server whose mails are read in the app."""

import asyncio
from urllib.parse import urlsplit

import click
from flask.cli import with_appcontext

from app.infra.config import load
from app.mailbox.server import Intake, serve
from app.messaging.inbound.intake import take_in
from app.messaging.return_address import is_ours


@click.command("mailbox")
@with_appcontext
def mailbox() -> None:
    """Receive mail on the host and port of SMTP_URL, until stopped."""
    address = urlsplit(load().smtp_url)
    # As a mail server would hand it to `flask mail receive`.
    intake = Intake(is_ours, lambda source, recipients: take_in(source=source, recipients=recipients))
    asyncio.run(serve(address.hostname or "127.0.0.1", address.port or 1025, intake=intake))


COMMANDS = (mailbox,)
