"""Mails: a campaign, from its start to an SMTP server that takes everything."""

import os
import time
from typing import Any
from uuid import UUID

import psycopg

from app.cli.run import Settings
from app.messaging.dkim import make_key
from benchmarks import mailers, people, pipeline
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


FEW = 1_000
"""So many are sent one by one: it is slow."""


def measure(stack: Stack, sink: Sink, count: int, rounds: int, workers: int, *, dkim: bool) -> Figure:
    """Measure one campaign to `count` readers: two merge fields, tracked links, the pixel, a way out in the head.

    With `dkim` the product's letters are signed; those beside it never are.
    """
    how = "signed by DKIM, " if dkim else ""
    figure = Figure(
        "mails",
        f"a campaign to {count:,}, {how}from the start until all are sent to a local SMTP server, {workers} worker(s)",
        f"a pipelining client that renders compiled Liquid, 8 connections, {workers} process(es), to the same server",
        floor=0.15,
    )
    template = stack.call("POST", "/templates", TEMPLATE)["id"]
    criteria = {"combinator": "AND", "rules": [{"field": "first_name", "operator": "eq", "value": "Reader"}]}
    with stack.database() as connection:
        if dkim:
            _sign(stack, connection)
        people.make_customers(connection, count)
        stack.tidy(*TABLES)
        segment = stack.call("POST", "/segments", {"name": "Benchmark readers", "criteria": criteria})["id"]
        _wait(connection, f"SELECT count(*) = {count} FROM segment_member")
        for at in range(rounds):
            before, size = sink.taken.value, sink.size.value
            given = {"name": f"Benchmark {at}", "segment_id": segment, "email_template_id": template}
            campaign = stack.call("POST", "/campaigns", given)["id"]
            spent, began = stack.processor_seconds(), time.monotonic()
            stack.call("POST", f"/campaigns/{campaign}/start", {})
            # Counting them in the database all the while would take a tenth of a processor.
            while sink.taken.value - before < count:
                time.sleep(0.02)
            _wait(connection, f"SELECT count(*) = {count} FROM message WHERE status = 'sent'")
            figure.product.append(count / (time.monotonic() - began))
            for whose, seconds in stack.processor_seconds().items():
                figure.spent.setdefault(whose, []).append((seconds - spent[whose]) / count * 1e6)
            taken = sink.taken.value - before
            if taken != count:
                raise RuntimeError(f"the server took {taken} mails of {count}")
            letter = (sink.size.value - size) // count
            spans = connection.execute(
                "SELECT extract(epoch FROM max(sent_at) - min(sending_at)) FROM message"
            ).fetchone()
            assert spans is not None
            figure.beside.setdefault("from the first letter to the last", []).append(count / float(spans[0]))
            of = _whose(connection)
            # Over, so that nobody else sends what is put into it.
            _wait(connection, "SELECT bool_and(status = 'closed') FROM message_run")
            _clear(stack, connection)
            readers = [row[0] for row in connection.execute("SELECT id FROM customer WHERE first_name = 'Reader'")]
            seconds = mailers.recorded(sink.port, stack, TEMPLATE, readers, of, connections=8, processes=workers)
            if connection.execute("SELECT count(*) FROM message WHERE status = 'sent'").fetchone() != (count,):
                raise RuntimeError(f"not all {count} messages were recorded as sent")
            figure.beside.setdefault("the raw client, writing down what Fairway keeps", []).append(count / seconds)
            _clear(stack, connection)
            _others(figure, stack, sink, count, letter, workers)
    figure.raw_what += f"; the product's letters have {letter:,} bytes"
    return figure


def _whose(connection: psycopg.Connection[Any]) -> dict[str, UUID]:
    """Return whose the messages of the last campaign are, by what it is."""
    found = connection.execute("SELECT template_id, campaign_id, run_id FROM message LIMIT 1").fetchone()
    assert found is not None
    return dict(zip(("template", "campaign", "run"), found, strict=True))


def _clear(stack: Stack, connection: psycopg.Connection[Any]) -> None:
    """Take away what a round wrote."""
    connection.execute("DELETE FROM activity WHERE type LIKE 'message.%'")
    connection.execute("DELETE FROM message")
    stack.tidy(*TABLES)


def _sign(stack: Stack, connection: psycopg.Connection[Any]) -> None:
    """Let letters be from a domain that is proven."""
    os.environ.update(Settings(stack.home, stack.port).environment())
    sealed, public = make_key(stack.tenant_id)
    made = connection.execute(
        "INSERT INTO sending_domain (tenant_id, domain, selector, sealed_key, public_key, proven_at)"
        " VALUES (%s, 'club.example', 'fw', %s, %s, now()) RETURNING id",
        [stack.tenant_id, sealed, public],
    ).fetchone()
    assert made is not None
    connection.execute(
        "INSERT INTO mail_sender (tenant_id, domain_id, name, local_part) VALUES (%s, %s, 'The club', 'news')",
        [stack.tenant_id, made[0]],
    )


def _others(figure: Figure, stack: Stack, sink: Sink, count: int, letter: int, workers: int) -> None:
    url = stack.superuser_url
    seconds = mailers.pipelined(sink.port, url, TEMPLATE, count, connections=8, processes=workers)
    figure.raw.append(count / seconds)
    seconds = mailers.one_by_one(sink.port, url, TEMPLATE, FEW, processes=workers)
    figure.beside.setdefault(f"one by one, {workers} process(es)", []).append(FEW / seconds)
    seconds = pipeline.send(sink.port, count, letter, connections=8, processes=workers)
    figure.beside.setdefault("a bare client, letters made beforehand", []).append(count / seconds)


def _wait(connection: psycopg.Connection[Any], query: str) -> None:
    while connection.execute(query).fetchone() != (True,):
        time.sleep(0.02)
