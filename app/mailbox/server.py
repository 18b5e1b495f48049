"""The mailbox's SMTP server: takes the mails that Fairway sends on a machine of its own, and keeps them to be read.

A mail is answered 250 once it is committed. Mails that arrive while the last ones are being committed share the
next transaction, so many connections cost few commits.
"""

import asyncio
import logging
import re
import signal
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.infra.db import db
from app.mailbox import letters
from app.mailbox.service import Incoming, UnknownTenant, store

TENANT_HEADER = "X-Fairway-Tenant"
SIZE_LIMIT = 10 * 1024 * 1024
BATCH = 200
PLAIN_ADDRESS = re.compile(r"<([\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9.-]+)>(?:\s+(.*))?\Z", re.ASCII)

KEPT = "250 OK: kept"
TAKEN = "250 OK: taken in"
NO_TENANT = f"554 5.7.1 The mailbox keeps mail of Fairway's tenants only: {TENANT_HEADER} is missing or no tenant's id"
NOT_KEPT = "554 5.6.0 The mailbox could not keep this mail"
LATER = "451 4.3.0 The mailbox cannot reach its database; try again later"

log = logging.getLogger(__name__)
Waiting = tuple[UUID, Incoming, asyncio.Future[str]]


class Peer(SMTP):
    """aiosmtpd's connection; ordinary addresses are read by a pattern, which halves the cost of a mail."""

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        plain = PLAIN_ADDRESS.match(arg)
        return (plain[1], plain[2] or "") if plain else super()._getaddr(arg)


@dataclass(frozen=True, slots=True)
class Intake:
    """Who takes in what comes back on mails that were sent: to which addresses, and what is done with such a mail."""

    takes: Callable[[str], bool]
    take_in: Callable[[bytes, list[str]], object]


class Mailbox:
    """aiosmtpd's handler: takes mails from all connections and commits them in batches.

    What `intake` takes goes there and is not kept.
    """

    def __init__(self, intake: Intake | None = None) -> None:
        self._intake = intake
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue()

    async def handle_EHLO(  # noqa: N802 - aiosmtpd finds its hooks by these names
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer pipelining too: commands are read one after the other out of a buffer."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Return the answer to a mail, once its fate is known."""
        source = envelope.original_content or b""
        if self._intake is not None and any(map(self._intake.takes, envelope.rcpt_tos)):
            return await asyncio.to_thread(_take_in, self._intake, source, envelope.rcpt_tos)
        try:
            tenant_id = UUID(letters.read_headers(source, (TENANT_HEADER,))[TENANT_HEADER])
        except (KeyError, ValueError):
            return NO_TENANT
        fate: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        await self._waiting.put((tenant_id, Incoming(envelope.mail_from or "", envelope.rcpt_tos, source), fate))
        return await fate

    async def keep(self) -> None:
        """Commit what waits, batch by batch, for ever."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            by_tenant: dict[UUID, list[Waiting]] = defaultdict(list)
            for waiting in batch:
                by_tenant[waiting[0]].append(waiting)
            for tenant_id, group in by_tenant.items():
                answers = await asyncio.to_thread(_store, tenant_id, [incoming for _, incoming, _ in group])
                for (_, _, fate), answer in zip(group, answers, strict=True):
                    if not fate.done():
                        fate.set_result(answer)


def _take_in(intake: Intake, source: bytes, recipients: list[str]) -> str:
    try:
        intake.take_in(source, recipients)
    except SQLAlchemyError as error:
        log.warning("A mail could not be taken in: %s", error)
        return LATER
    finally:
        db.session.remove()
    return TAKEN


def _store(tenant_id: UUID, mails: list[Incoming]) -> list[str]:
    """Return the answer to each mail. One that cannot be kept does not take the others of its batch along."""
    try:
        store(tenant_id=tenant_id, mails=mails)
    except UnknownTenant:
        return [NO_TENANT] * len(mails)
    except SQLAlchemyError as error:
        if len(mails) > 1:
            return [_store(tenant_id, [mail])[0] for mail in mails]
        log.warning("A mail could not be kept: %s", error)
        is_mail = isinstance(error, DBAPIError) and not error.connection_invalidated and _blames_data(error)
        return [NOT_KEPT if is_mail else LATER]
    finally:
        db.session.remove()
    return [KEPT] * len(mails)


def _blames_data(error: DBAPIError) -> bool:
    """Return whether the error would come again: classes 22 and 23 of SQLSTATE concern the values."""
    return str(getattr(error.orig, "sqlstate", "") or "")[:2] in ("22", "23")


async def serve(host: str, port: int, ready: Callable[[], None] = lambda: None, intake: Intake | None = None) -> None:
    """Serve SMTP on `host`:`port` until SIGTERM or SIGINT; `ready` is called once it listens.

    `intake` gets what comes back on mails that were sent.
    """
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd logs every command
    loop = asyncio.get_running_loop()
    mailbox = Mailbox(intake)
    keeping = asyncio.create_task(mailbox.keep())
    server = await loop.create_server(
        lambda: Peer(
            mailbox,
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="Fairway mailbox",
            loop=loop,
        ),
        host,
        port,
    )
    ready()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await asyncio.wait([asyncio.create_task(ended.wait()), keeping], return_when=asyncio.FIRST_COMPLETED)
    server.close()
    if keeping.done():
        keeping.result()
    keeping.cancel()
