"""Other ways to send the benchmark's letter to the same server: as fast as Python can, and one by one.

`pipelined` is what is left of sending when nothing is asked but the letter: compiled Liquid, a head put together by
hand, pipelining over open connections, and the messages claimed and marked as sent by the thousand, in a table of its
own. `recorded` is the same client that writes what Fairway keeps of a letter, by one statement a thousand, and asks
nobody whether it may: no product that keeps as much can be quicker. `one_by_one` is the plain loop most products begin
with: for each reader a query, a row, a rendering, the standard library's message and mail client, and another row.
"""

import multiprocessing
import selectors
import smtplib
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from multiprocessing.synchronize import Barrier
from typing import Any
from uuid import UUID, uuid4

import psycopg
from liquid import Environment

from benchmarks.pipeline import ANSWERS
from benchmarks.stack import Stack

SENDER = "from@example.com"
CLAIMED = 1_000
LINKS = "https://club.example/t/c/"

Letter = dict[str, str]


@dataclass(frozen=True)
class Rows:
    """Where a client's messages are: statements that claim CLAIMED of them and mark those as sent.

    With `put` it puts messages to its share of `people` in, as part of what is measured.
    """

    claim: str
    sent: str
    put: str = ""
    people: Sequence[UUID] = ()
    options: str = ""
    values: dict[str, Any] = field(default_factory=dict)


_BARE = Rows(
    claim="UPDATE bench_message SET status = 'sending' WHERE id IN (SELECT id FROM bench_message WHERE status ="
    " 'queued' LIMIT %(most)s FOR UPDATE SKIP LOCKED) RETURNING id, reader, email, tier",
    sent="UPDATE bench_message SET status = 'sent', sent_at = now() WHERE id = ANY(%(ids)s)",
)
_PUT = """
    INSERT INTO message (tenant_id, channel, purpose, customer_id, to_address, template_id, template_version,
        campaign_id, run_id, dedupe_key)
    SELECT tenant_id, 'EMAIL', 'marketing', id, email, %(template)s, 1, %(campaign)s, %(run)s,
        concat_ws(':', 'run', CAST(%(run)s AS uuid), id, 'EMAIL')
    FROM customer WHERE id = ANY(%(people)s)
"""
_CLAIM = """
    UPDATE message SET status = 'sending', attempt_id = gen_random_uuid(), attempts = attempts + 1, sending_at = now()
    FROM customer
    WHERE message.id IN (SELECT id FROM message WHERE run_id = %(run)s AND status IN ('queued', 'held')
            AND due_at <= now() LIMIT %(most)s FOR UPDATE SKIP LOCKED)
        AND customer.tenant_id = message.tenant_id AND customer.id = message.customer_id
    RETURNING message.id, customer.first_name, customer.email, customer.membership_tier
"""
_SENT = """
    WITH finished AS (
        UPDATE message SET status = 'sent', sent_at = now(), response = '250 taken', subject = 'Your week at the club'
        WHERE id = ANY(%(ids)s) RETURNING *
    ), noted AS (
        INSERT INTO activity (tenant_id, customer_id, type, category, title, occurred_at, source, object_type,
            object_id, payload)
        SELECT tenant_id, customer_id, 'message.sent', 'MESSAGE', 'Was sent: ' || subject, sent_at, 'fairway',
            'message', id, jsonb_build_object('message_id', id, 'channel', channel, 'subject', subject,
                'template_id', template_id, 'campaign_id', campaign_id)
        FROM finished
    )
    UPDATE customer SET last_email_sent_at = now() FROM finished
    WHERE customer.tenant_id = finished.tenant_id AND customer.id = finished.customer_id
"""


def pipelined(port: int, dsn: str, letter: Letter, count: int, *, connections: int, processes: int) -> float:
    """Send `letter` to `count` readers and return the seconds it took."""
    _make_table(dsn, count)
    return _run(_pipeline, processes, [(port, dsn, letter, connections // processes, _BARE)] * processes)


def recorded(
    port: int,
    stack: Stack,
    letter: Letter,
    people: Sequence[UUID],
    of: dict[str, UUID],
    *,
    connections: int,
    processes: int,
) -> float:
    """Send `letter` to customers, write what Fairway keeps of each letter, and return the seconds it took.

    `of` says whose messages they are: the ids of a `template`, a `campaign` and a `run` that is closed, so that nobody
    else sends them.
    """
    shares = [
        Rows(_CLAIM, _SENT, _PUT, people[at::processes], stack.options, {name: str(one) for name, one in of.items()})
        for at in range(processes)
    ]
    args = [(port, stack.superuser_url, letter, connections // processes, share) for share in shares]
    return _run(_pipeline, processes, args)


def one_by_one(port: int, dsn: str, letter: Letter, count: int, *, processes: int) -> float:
    """Send `letter` to `count` readers in plain loops, one a process, and return the seconds it took."""
    _make_table(dsn, 0)
    return _run(_loop, processes, [(port, dsn, letter, count // processes)] * processes)


def _make_table(dsn: str, count: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bench_message")
        connection.execute(
            "CREATE TABLE bench_message (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), reader text NOT NULL,"
            " email text NOT NULL, tier text NOT NULL, status text NOT NULL DEFAULT 'queued', sent_at timestamptz)"
        )
        connection.execute("CREATE INDEX ON bench_message (id) WHERE status = 'queued'")
        connection.execute(
            "INSERT INTO bench_message (reader, email, tier)"
            " SELECT 'Reader', 'reader' || n || '@example.com', 'Gold' FROM generate_series(1, %s) AS n",
            [count],
        )


def _run(work: Callable[..., None], processes: int, args: Sequence[tuple[Any, ...]]) -> float:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    answers = context.SimpleQueue()
    workers = [context.Process(target=work, args=(*its, barrier, answers), daemon=True) for its in args]
    for worker in workers:
        worker.start()
    ends: list[tuple[float, float]] = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    return max(ended for _, ended in ends) - min(began for began, _ in ends)


def _open(port: int) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port))
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.recv(1 << 16)
    one.sendall(b"EHLO bench.example\r\n")
    one.recv(1 << 16)
    return one


def _pipeline(
    port: int, dsn: str, letter: Letter, connections: int, rows: Rows, barrier: Barrier, answers: Any
) -> None:
    html = Environment(autoescape=True).from_string(letter["html"])
    subject = Environment().from_string(letter["subject"])
    selector = selectors.DefaultSelector()
    # Of each connection: how many answers are awaited.
    awaited = {_open(port): 0 for _ in range(connections)}
    for one in awaited:
        selector.register(one, selectors.EVENT_READ)

    def made(identity: Any, reader: str, email: str, tier: str) -> bytes:
        word = identity.hex
        values = {"customer": {"first_name": reader, "membership_tier": tier}, "unsubscribe_url": f"{LINKS}{word}"}
        body = html.render(values).replace("</body>", f'<img src="{LINKS}{word}" width="1" height="1"></body>')
        return (
            f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{email}>\r\nDATA\r\n"
            f"Message-ID: <{word}@bench.example>\r\nFrom: {SENDER}\r\nTo: {email}\r\n"
            f"Subject: {subject.render(values)}\r\n"
            f"List-Unsubscribe: <{LINKS}{word}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
            f"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{body}\r\n.\r\n"
        ).encode()

    with psycopg.connect(dsn, options=rows.options) as connection:
        barrier.wait()
        began = time.monotonic()
        for start in range(0, len(rows.people), CLAIMED):
            connection.execute(rows.put, {**rows.values, "people": rows.people[start : start + CLAIMED]})
            connection.commit()
        while claimed := connection.execute(rows.claim, {**rows.values, "most": CLAIMED}).fetchall():
            connection.commit()
            _exchange(selector, awaited, [made(*row) for row in claimed])
            connection.execute(rows.sent, {"ids": [row[0] for row in claimed]})
            connection.commit()
        answers.put((began, time.monotonic()))


def _exchange(selector: selectors.BaseSelector, awaited: dict[socket.socket, int], letters: list[bytes]) -> None:
    """Send letters, one at a time a connection, and wait until all are accepted."""
    for one in awaited:
        if letters:
            one.sendall(letters.pop())
            awaited[one] = ANSWERS
    while any(awaited.values()):
        for key, _ in selector.select():
            ready = key.fileobj
            assert isinstance(ready, socket.socket)
            awaited[ready] -= ready.recv(1 << 16).count(b"\n")
            if awaited[ready] == 0 and letters:
                ready.sendall(letters.pop())
                awaited[ready] = ANSWERS


def _loop(port: int, dsn: str, letter: Letter, count: int, barrier: Barrier, answers: Any) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection, smtplib.SMTP("127.0.0.1", port) as client:
        barrier.wait()
        began = time.monotonic()
        for number in range(count):
            email = f"reader{number}@example.com"
            found = connection.execute("SELECT id, first_name, membership_tier FROM customer WHERE email = %s", [email])
            row = found.fetchone() or (uuid4(), "Reader", "Gold")
            identity = uuid4()
            connection.execute(
                "INSERT INTO bench_message (id, reader, email, tier) VALUES (%s, %s, %s, %s)",
                [identity, row[1], email, row[2]],
            )
            link = f"{LINKS}{identity.hex}"
            values = {"customer": {"first_name": row[1], "membership_tier": row[2]}, "unsubscribe_url": link}
            message = EmailMessage()
            message["Message-ID"] = f"<{identity.hex}@bench.example>"
            message["From"], message["To"] = SENDER, email
            message["Subject"] = Environment().from_string(letter["subject"]).render(values)
            message["List-Unsubscribe"] = f"<{link}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            message.set_content(Environment(autoescape=True).from_string(letter["html"]).render(values), subtype="html")
            client.send_message(message)
            connection.execute("UPDATE bench_message SET status = 'sent', sent_at = now() WHERE id = %s", [identity])
        answers.put((began, time.monotonic()))
