"""The reference journey: TRIGGER → CONDITION → UPDATE a tag → WAIT 0 → SEND → END, walked by everybody to its end."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from benchmarks import machine, people
from benchmarks.figures import Figure
from benchmarks.mails import TEMPLATE
from benchmarks.sink import Sink
from benchmarks.stack import Stack

TABLES = ("journey_enrollment", "journey_enrollment_step", "message", "customer", "customer_tag", "journey")
STEPS = ("trigger", "condition", "update", "wait", "send", "end")
HELD_SECONDS = 3600
FLAT = 1.25
"""So much more a person may cost among the most people than among the fewest."""


def measure(stack: Stack, sink: Sink, count: int, rounds: int, workers: int) -> Figure:
    """Measure `count` people from their enrolment until all their messages are in the outbox, nothing being sent.

    Beside it, the same until the SMTP server has taken them all.
    """
    figure = Figure(
        "journeys",
        f"{count:,} people through six steps, from enrolment until their messages are in the outbox,"
        f" {workers} worker(s)",
        f"the same rows by one statement a step, {workers} session(s)",
        floor=0.4,
    )
    to_peer: list[float] = []
    figure.beside["through to the SMTP server"] = to_peer
    stack.enter_app()
    template_id = stack.call("POST", "/templates", TEMPLATE | {"name": "Benchmark journey"})["id"]
    journey_id = _journey(stack, template_id)
    with stack.database() as connection:
        people.make_customers(connection, count)
        readers = _readers(connection, count)
        _clear(stack, connection)
        for _ in range(rounds):
            with _senders_held(stack):
                figure.product.append(count / _walk(stack, connection, journey_id, readers))
                _check(connection, journey_id, count)
                _clear(stack, connection)
            figure.raw.append(count / _write(stack, journey_id, template_id, readers, workers))
            _clear(stack, connection)
            to_peer.append(count / _walk(stack, connection, journey_id, readers, sink))
            _check(connection, journey_id, count)
            _wait_for_senders(connection)
            _clear(stack, connection)
    return figure


@dataclass
class Flat:
    """Microseconds of processor time a person by how many walked: of the workers and of Postgres; and the rates.

    `pieces` says what a piece of work that never changes took meanwhile, in seconds (machine.py).
    """

    name: str = "journeys-flat"
    spent: dict[int, dict[str, float]] = field(default_factory=dict)
    rates: dict[int, float] = field(default_factory=dict)
    pieces: dict[int, float] = field(default_factory=dict)

    def at_one_pace(self, count: int) -> float:
        """Return what a person cost where so many walked, had the machine been as quick as among the fewest."""
        first = next(iter(self.pieces.values()))
        return sum(self.spent[count].values()) * first / self.pieces[count]

    def failures(self) -> list[str]:
        """Return that a person costs more among many, in words."""
        fewest, most = self.at_one_pace(min(self.spent)), self.at_one_pace(max(self.spent))
        if most <= FLAT * fewest:
            return []
        return [f"{self.name}: {most:.0f} µs a person, {FLAT} times the {fewest:.0f} of the fewest at most"]

    def lines(self) -> list[str]:
        """Return a line for each number of people."""
        shown = [f"{self.name}: processor time a person, from enrolment until the message is in the outbox"]
        for count, spent in self.spent.items():
            parts = ", ".join(f"{name} {value:.0f}" for name, value in spent.items())
            whole = sum(spent.values())
            shown.append(f"  {count:>9,} people: {whole:4.0f} µs ({parts}); {self.rates[count]:,.0f} a second")
            piece = f"a piece of work that never changes took {self.pieces[count] * 1000:.1f} ms meanwhile"
            shown.append(f"             {piece}; at the first pace {self.at_one_pace(count):.0f} µs")
        return shown


def flat(stack: Stack, most: int) -> Flat:
    """Measure what a person costs among 10,000, 100,000 and 1,000,000 who walk, as far as `most` goes."""
    figure = Flat()
    stack.enter_app()
    template_id = stack.call("POST", "/templates", TEMPLATE | {"name": "Benchmark of many"})["id"]
    journey_id = _journey(stack, template_id, "Benchmark of many")
    # Twice the fewest: the first ones pay for new processes and empty tables, and the second count.
    sizes = [10_000, *(size for size in (10_000, 100_000, 1_000_000) if size <= most)]
    with stack.database() as connection, _senders_held(stack):
        with stack.filling():
            people.make_customers(connection, sum(sizes))
        stack.tidy(*TABLES)
        readers = _readers(connection, sum(sizes))
        for size in sizes:
            # Others each time: who has the tag already would not be changed.
            walking, readers = readers[:size], readers[size:]
            before, own = stack.processor_seconds(), time.process_time()
            with machine.watched() as meanwhile:
                seconds = _walk(stack, connection, journey_id, walking)
            after = stack.processor_seconds()
            after["workers"] += time.process_time() - own
            figure.pieces[size] = meanwhile.piece
            figure.spent[size] = {name: (after[name] - before[name]) / size * 1e6 for name in after}
            figure.rates[size] = size / seconds
            _check(connection, journey_id, size)
            with psycopg.connect(stack.superuser_url, autocommit=True) as owner:
                owner.execute("TRUNCATE message, journey_enrollment CASCADE")
    return figure


def _readers(connection: psycopg.Connection[Any], count: int) -> list[UUID]:
    found = connection.execute("SELECT id FROM customer WHERE first_name = 'Reader' LIMIT %s", [count])
    return [row[0] for row in found]


@contextlib.contextmanager
def _senders_held(stack: Stack) -> Iterator[None]:
    """Let nobody send meanwhile: whoever wants to wake the senders finds that a wake-up waits already."""
    from app.infra import queue

    mark = queue.mark(queue.Work.SEND_MESSAGES, stack.tenant_id)
    queue.redis().set(mark, 1, ex=HELD_SECONDS)
    try:
        yield
    finally:
        queue.redis().delete(mark)


def _journey(stack: Stack, template_id: str, name: str = "Benchmark") -> UUID:
    made = stack.call("POST", "/journeys", {"name": name, "trigger_type": "MANUAL", "timezone": "UTC"})
    configs: dict[str, dict[str, Any]] = {
        "trigger": {},
        "condition": {"rules": [{"field": "membership_tier", "operator": "equals", "value": "Gold"}]},
        "update": {"updates": [{"field": "tags", "operation": "add", "value": "benchmarked"}]},
        "wait": {"duration": "0 minutes"},
        "send": {"channel": "EMAIL", "template_id": template_id},
        "end": {},
    }
    steps = []
    for key, following in zip(STEPS, (*STEPS[1:], None), strict=True):
        ways = {"next_yes": following, "next_no": "end"} if key == "condition" else {"next": following}
        steps.append({"key": key, "type": key.upper(), "config": configs[key], **ways})
    stack.call("PUT", f"/journeys/{made['id']}/steps", {"steps": steps})
    stack.call("POST", f"/journeys/{made['id']}/activate", {})
    return UUID(made["id"])


def _walk(
    stack: Stack,
    connection: psycopg.Connection[Any],
    journey_id: UUID,
    readers: Sequence[UUID],
    sink: Sink | None = None,
) -> float:
    """Enrol everybody by hand; return the seconds until each is through, or with `sink` until it has their letters."""
    from app.journeys.engine import enrol

    through = _through(connection, journey_id) + len(readers)
    letters = sink.taken.value + len(readers) if sink else 0
    began = time.monotonic()
    for start in range(0, len(readers), 5000):
        enrol.enrol_manually(
            tenant_id=stack.tenant_id, journey_id=journey_id, customer_ids=readers[start : start + 5000]
        )
    while _through(connection, journey_id) < through or (sink and sink.taken.value < letters):
        time.sleep(0.02)
    return time.monotonic() - began


def _check(connection: psycopg.Connection[Any], journey_id: UUID, count: int) -> None:
    """Raise if not each of so many people took all steps."""
    row = connection.execute(
        "SELECT count(*) FROM journey_enrollment e JOIN journey_enrollment_step s ON s.tenant_id = e.tenant_id"
        " AND s.enrollment_id = e.id WHERE e.journey_id = %s AND s.status = 'COMPLETED'",
        [journey_id],
    ).fetchone()
    if row != (count * len(STEPS),):
        raise RuntimeError(f"{row} steps were taken, not {len(STEPS)} by each of {count}")


def _through(connection: psycopg.Connection[Any], journey_id: UUID) -> int:
    """Return how many have come to the end; it is counted in the transaction that puts their message in the outbox."""
    row = connection.execute("SELECT total_completed FROM journey WHERE id = %s", [journey_id]).fetchone()
    return row[0] if row else 0


def _wait_for_senders(connection: psycopg.Connection[Any]) -> None:
    while connection.execute("SELECT EXISTS (SELECT FROM message WHERE status <> 'sent')").fetchone() == (True,):
        time.sleep(0.05)


def _clear(stack: Stack, connection: psycopg.Connection[Any]) -> None:
    """Take away what a round wrote."""
    connection.execute("DELETE FROM message")
    connection.execute("DELETE FROM activity WHERE type = 'message.sent'")
    connection.execute("DELETE FROM journey_enrollment")
    connection.execute("UPDATE customer SET tags = '{}' WHERE tags <> '{}'")
    stack.tidy(*TABLES)


# Due only later: the workers, who still run, leave them alone.
_ENROL = """
    INSERT INTO journey_enrollment (tenant_id, journey_id, customer_id, entry, current_step_key, current_step_number,
        due_at, enrolled_at, trigger_data)
    SELECT tenant_id, %(journey)s, id, '', 'trigger', 1, now() + interval '1 hour', now(), '{}' FROM customer
    WHERE id = ANY(%(people)s)
    RETURNING id, customer_id
"""
_MINE = "journey_id = %(journey)s AND customer_id = ANY(%(people)s)"
_STEP = f"""
    INSERT INTO journey_enrollment_step
        (tenant_id, enrollment_id, step_number, step_key, version, status, entered_at, completed_at, result)
    SELECT tenant_id, id, %(number)s, %(key)s, 1, 'COMPLETED', now(), now(), '{{"result": true}}'
    FROM journey_enrollment WHERE {_MINE}
"""
_TAG = "UPDATE customer SET tags = tags || '{benchmarked}', updated_at = now() WHERE id = ANY(%(people)s)"
_MESSAGE = """
    INSERT INTO message (tenant_id, channel, purpose, customer_id, to_address, template_id, context, journey_id,
        enrollment_id, step_key, dedupe_key, due_at)
    SELECT e.tenant_id, 'EMAIL', 'marketing', e.customer_id, c.email, %(template)s, '{}', e.journey_id, e.id, 'send',
        'raw:' || e.id || ':5', now() + interval '1 hour'
    FROM journey_enrollment e JOIN customer c ON c.tenant_id = e.tenant_id AND c.id = e.customer_id
    WHERE e.journey_id = %(journey)s AND e.customer_id = ANY(%(people)s)
"""
_END = f"""
    UPDATE journey_enrollment SET status = 'COMPLETED', current_step_key = 'end', current_step_number = 6,
        due_at = NULL, completed_at = now(), exit_reason = 'completed'
    WHERE {_MINE}
"""
_COUNTS = """
    UPDATE journey_step_count SET entered = entered + %(count)s, completed = completed + %(count)s
    WHERE journey_id = %(journey)s
"""
_TOTALS = """
    UPDATE journey SET total_enrolled = total_enrolled + %(count)s, total_completed = total_completed + %(count)s
    WHERE id = %(journey)s
"""


def _write(stack: Stack, journey_id: UUID, template_id: str, readers: list[UUID], sessions: int) -> float:
    """Write what everybody's walk writes, each session its share of people, and return the seconds it took."""
    shares = [readers[at::sessions] for at in range(sessions)]
    connections = [stack.database() for _ in shares]
    threads = [
        threading.Thread(target=_write_share, args=(connection, journey_id, template_id, share))
        for connection, share in zip(connections, shares, strict=True)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    for connection in connections:
        connection.close()
    return seconds


def _write_share(connection: psycopg.Connection[Any], journey_id: UUID, template_id: str, share: list[UUID]) -> None:
    values = {"journey": journey_id, "template": template_id, "people": sorted(share), "count": len(share)}
    # The parts commit apart, as the engine's do: enrolment, then the walk.
    with connection.transaction():
        connection.execute(_ENROL, values)
    with connection.transaction():
        for number, key in enumerate(STEPS, 1):
            connection.execute(_STEP, values | {"number": number, "key": key})
        connection.execute(_TAG, values)
        connection.execute(_MESSAGE, values)
        connection.execute(_END, values)
        connection.execute(_TOTALS, values)
        connection.execute(_COUNTS, values)
