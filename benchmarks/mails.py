"""Mails: from the outbox to an SMTP server that takes everything."""

import time
from typing import Any
from uuid import UUID

import psycopg

from benchmarks import people, pipeline
from benchmarks.figures import Figure
from benchmarks.sink import Sink
from benchmarks.stack import Stack

TABLES = ("message", "activity", "customer")
TEMPLATE = {
    "name": "Benchmark letter",
    "channel": "EMAIL",
    "subject": "{{ customer.first_name }}, your week at the club",
    "html": (
        "<html><body><h1>Good morning {{ customer.first_name }}</h1><p>As a {{ customer.membership_tier }} member you "
        'may book ten days ahead. <a href="https://club.example/book?ref=week">Book a tee time</a> or read '
        '<a href="https://club.example/news">what is new</a>.</p><p>We look forward to seeing you on the course, '
        "whatever the weather brings.</p>"
        '<p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
    ),
}


def measure(stack: Stack, sink: Sink, count: int, rounds: int) -> Figure:
    """Measure `count` mails with two merge fields, tracked links and the unsubscribe header, by two workers."""
    figure = Figure(
        "mails",
        f"{count:,} mails from the outbox to a local SMTP server, two workers",
        "a bare pipelining client, 8 connections, to the same server",
        floor=0.03,
        least=3_000,
    )
    stack.enter_app()
    template_id = UUID(stack.call("POST", "/templates", TEMPLATE)["id"])
    with stack.database() as connection:
        people.make_customers(connection, count)
        stack.tidy(*TABLES)
        readers = [row[0] for row in connection.execute("SELECT id FROM customer WHERE first_name = 'Reader'")][:count]
        for at in range(rounds):
            before, size = sink.taken.value, sink.size.value
            seconds = _send(stack, connection, template_id, readers, f"mails-{at}")
            figure.product.append(count / seconds)
            taken = sink.taken.value - before
            if taken != count:
                raise RuntimeError(f"the server took {taken} mails of {count}")
            letter = (sink.size.value - size) // count
            figure.raw.append(count / pipeline.send(sink.port, count, letter, connections=8, processes=2))
            connection.execute("DELETE FROM activity WHERE type = 'message.sent'")
            connection.execute("DELETE FROM message")
            stack.tidy(*TABLES)
    figure.raw_what += f", {letter:,} bytes a letter"
    return figure


def _send(
    stack: Stack, connection: psycopg.Connection[Any], template_id: UUID, readers: list[UUID], name: str
) -> float:
    """Put a message for everybody into the outbox and return the seconds from then until all are sent."""
    from app.infra.db import transaction
    from app.messaging import outbox

    with transaction(stack.tenant_id):
        for start in range(0, len(readers), 1000):
            part = readers[start : start + 1000]
            keys = [f"{name}:{one}" for one in part]
            outbox.put(tenant_id=stack.tenant_id, template_id=template_id, customer_ids=part, dedupe_keys=keys)
    began = time.monotonic()
    while True:
        left = connection.execute("SELECT EXISTS (SELECT FROM message WHERE status IN ('queued', 'held', 'sending'))")
        if left.fetchone() == (False,):
            return time.monotonic() - began
        time.sleep(0.02)
