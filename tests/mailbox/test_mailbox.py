"""The mailbox: what goes in by SMTP or by hand, and what lists and readers see of it."""

import os
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine

from app.accounts.models import Tenant
from app.infra import clock
from app.infra.ids import new_id
from app.infra.paging import BadCursor
from app.mailbox import queries, service
from app.messaging.inbound import intake
from app.messaging.tokens import mail_token


def mail(tenant_id: object, subject: str = "Welcome", to: str = "ann@example.com") -> bytes:
    head = f"X-Fairway-Tenant: {tenant_id}\r\nFrom: Club <club@example.com>\r\nTo: {to}\r\nSubject: {subject}\r\n"
    return f"{head}Message-ID: <{uuid4()}@example.com>\r\n\r\nGood day\r\n".encode()


def put(tenant: Tenant, subject: str = "Welcome", to: str = "ann@example.com") -> object:
    kept = service.Incoming("bounce@example.com", [to], mail(tenant.id, subject, to))
    return service.store(tenant_id=tenant.id, mails=[kept])[0]


def test_mails_are_listed_newest_first_searched_and_paged(tenant: Tenant, other_tenant: Tenant) -> None:
    for number in range(5):
        # Ids sort by the millisecond.
        with time_machine.travel(clock.now() + timedelta(seconds=number), tick=False):
            put(tenant, f"Letter {number}", f"member{number}@example.com")
    put(other_tenant, "Not ours")

    first = queries.list_mails(tenant_id=tenant.id, limit=3)
    assert [line.subject for line in first.items] == ["Letter 4", "Letter 3", "Letter 2"]
    rest = queries.list_mails(tenant_id=tenant.id, limit=3, cursor=first.next_cursor)
    assert [line.subject for line in rest.items] == ["Letter 1", "Letter 0"]
    assert rest.next_cursor is None

    assert [line.subject for line in queries.list_mails(tenant_id=tenant.id, q="MEMBER3").items] == ["Letter 3"]
    assert len(queries.list_mails(tenant_id=tenant.id, q="club@").items) == 5
    assert queries.list_mails(tenant_id=tenant.id, q="%").items == []
    assert queries.list_mails(tenant_id=tenant.id, q="\x00ours").items == []
    with pytest.raises(BadCursor):
        queries.list_mails(tenant_id=tenant.id, cursor="WzFd")


def test_one_mail_is_read_by_its_tenant_alone(tenant: Tenant, other_tenant: Tenant) -> None:
    mail_id = put(tenant)
    view = queries.get(tenant_id=tenant.id, mail_id=mail_id)
    assert view.letter.text == "Good day\r\n"
    assert view.rcpt_to == ["ann@example.com"]
    assert view.mail_from == "bounce@example.com"
    with pytest.raises(queries.NoSuchMail):
        queries.get(tenant_id=other_tenant.id, mail_id=mail_id)
    assert service.clear(tenant_id=other_tenant.id) == 0
    assert service.clear(tenant_id=tenant.id) == 1


def test_an_unknown_tenant_is_refused(tenant: Tenant) -> None:
    with pytest.raises(service.UnknownTenant):
        service.store(tenant_id=uuid4(), mails=[service.Incoming("", ["ann@example.com"], b"Subject: x\r\n\r\n")])


@pytest.fixture
def server(real_db: str) -> Iterator[int]:
    """The mailbox as its own process on the test's database; its port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = int(probe.getsockname()[1])
    environment = os.environ | {"DATABASE_URL": real_db, "SMTP_URL": f"smtp://127.0.0.1:{port}"}
    process = subprocess.Popen([sys.executable, "-m", "flask", "--app", "wsgi", "mailbox"], env=environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.committed
def test_what_comes_back_is_taken_in_and_not_kept(tenant: Tenant, server: int) -> None:
    address = f"bounce+{mail_token(tenant.id, new_id())}@localhost"
    source = b"From: MAILER-DAEMON@example.com\r\nSubject: Undelivered\r\n\r\nno such user"
    with smtplib.SMTP("127.0.0.1", server) as client:
        for recipient in (address, address.upper()):
            client.sendmail("", [recipient], source)
    assert queries.list_mails(tenant_id=tenant.id).items == []
    assert intake.counts()[intake.Outcome.BOUNCED] == 2


@pytest.mark.committed
def test_mail_by_smtp_is_answered_when_it_is_kept(tenant: Tenant, server: int) -> None:
    with smtplib.SMTP("127.0.0.1", server) as client:
        client.ehlo()
        assert {"pipelining", "8bitmime", "smtputf8"} <= set(client.esmtp_features)
        assert client.esmtp_features["size"] == str(10 * 1024 * 1024)

        client.sendmail("club@example.com", ["ann@example.com"], mail(tenant.id, "Kept"))
        assert [line.subject for line in queries.list_mails(tenant_id=tenant.id).items] == ["Kept"]

        for refused in (b"Subject: x\r\n\r\nx", mail("no-uuid"), mail(uuid4())):
            with pytest.raises(smtplib.SMTPDataError, match="X-Fairway-Tenant is missing or no tenant's id") as answer:
                client.sendmail("club@example.com", ["ann@example.com"], refused)
            assert answer.value.smtp_code == 554

        client.sendmail(
            "club@example.com", ["josé@example.com"], mail(tenant.id, "Été", "josé@example.com"), ["SMTPUTF8"]
        )
        assert queries.list_mails(tenant_id=tenant.id, q="josé").items[0].subject == "Été"

    # All of one mail and the start of the next in one write, as a pipelining sender does.
    with socket.create_connection(("127.0.0.1", server), timeout=30) as raw, raw.makefile("rb") as answers:
        envelope = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
        body = mail(tenant.id, "Piped") + b".\r\n"
        answers.readline()
        raw.sendall(b"HELO here\r\n" + envelope)
        codes = [answers.readline()[:3] for _ in range(4)]
        raw.sendall(body + envelope)
        codes += [answers.readline()[:3] for _ in range(4)]
        raw.sendall(body + b"QUIT\r\n")
        codes += [answers.readline()[:3] for _ in range(2)]
    assert codes == [b"250"] * 3 + [b"354"] + [b"250"] * 3 + [b"354", b"250", b"221"]
    assert len(queries.list_mails(tenant_id=tenant.id, q="Piped").items) == 2
