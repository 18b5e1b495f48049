"""`flask mailbox`: the SMTP server whose mails are read in the app."""

import asyncio
from urllib.parse import urlsplit

import click
from flask.cli import with_appcontext

from app.infra.config import load
from app.mailbox.server import serve


@click.command("mailbox")
@with_appcontext
def mailbox() -> None:
    """Receive mail on the host and port of SMTP_URL, until stopped."""
    address = urlsplit(load().smtp_url)
    asyncio.run(serve(address.hostname or "127.0.0.1", address.port or 1025))


COMMANDS = (mailbox,)
