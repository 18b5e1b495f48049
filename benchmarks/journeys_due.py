"""Many people wait in a journey, and some are due within one minute: how late they go on, and what waiting costs.

The waiting are made by SQL; whoever is due is walked on by the workers and the scheduler of the product.
"""

import time
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.dialects.postgresql.psycopg import dialect

from benchmarks import people
from benchmarks.figures import percentile
from benchmarks.mails import TEMPLATE
from benchmarks.sink import Sink
from benchmarks.stack import Stack

LATE = 30.0
"""Seconds after their time in which 99 of a hundred go on."""
IDLE_SECONDS = 20
DUE_IN = 10
LOOKS = 9


@dataclass
class Due:
    """How late people went on (seconds), how long a look for due work takes (seconds) and what an idle second costs.

    `looks` and `idle` are by how many people wait; `plan` is that of the look with all of them.
    """

    waiting: int
    due: int
    name: str = "journeys-due"
    late: list[float] = field(default_factory=list)
    letters_late: float = 0.0
    looks: dict[int, float] = field(default_factory=dict)
    idle: dict[int, float] = field(default_factory=dict)
    plan: list[str] = field(default_factory=list)

    def failures(self) -> list[str]:
        """Return that people go on too late, in words."""
        slow = percentile(self.late, 99)
        return [f"{self.name}: 99 of 100 went on within {slow:.1f} s, {LATE} at most"] if slow > LATE else []

    def lines(self) -> list[str]:
        """Return the figures as lines to show, and the plan."""
        times = [f"p{at} {percentile(self.late, at):.1f}" for at in (50, 95, 99)]
        shown = [
            f"{self.name}: {self.waiting:,} wait, {self.due:,} are due within one minute",
            f"  went on after their time: {', '.join(times)}, the last {max(self.late):.1f} s; p99 at most {LATE:.0f}",
            f"  the SMTP server had all their letters {self.letters_late:.1f} s after the last was due",
        ]
        for count, seconds in self.looks.items():
            spent = self.idle[count] * 1000
            told = f"a look for due work {seconds * 1000:.2f} ms; an idle second {spent:.0f} ms of processor"
            shown.append(f"  with {count:,} waiting: {told}")
        return [*shown, *(f"    {line}" for line in self.plan)]


def measure(stack: Stack, sink: Sink, waiting: int, due: int) -> Due:
    """Let `waiting` people wait for a month, `due` of whom have their time within one minute; then measure."""
    figure = Due(waiting, due)
    template_id = stack.call("POST", "/templates", TEMPLATE | {"name": "Benchmark wait"})["id"]
    journey_id = _journey(stack, template_id)
    with stack.database() as connection:
        with stack.filling():
            people.make_customers(connection, waiting)
        stack.tidy("customer")
        _idle(stack, figure, 0)
        with stack.filling():
            _let_wait(connection, journey_id)
        stack.tidy("journey_enrollment", "journey_enrollment_step")
        figure.plan = _idle(stack, figure, waiting)
        letters = sink.taken.value + due
        times = _make_due(connection, due)
        _watch(connection, journey_id, times, figure)
        while sink.taken.value < letters:
            time.sleep(0.05)
        figure.letters_late = time.time() - times[-1]
    return figure


def _journey(stack: Stack, template_id: str) -> UUID:
    made = stack.call("POST", "/journeys", {"name": "Benchmark wait", "trigger_type": "MANUAL", "timezone": "UTC"})
    steps = [
        {"key": "trigger", "type": "TRIGGER", "config": {}, "next": "wait"},
        {"key": "wait", "type": "WAIT", "config": {"duration": "30 days"}, "next": "update"},
        {
            "key": "update",
            "type": "UPDATE",
            "config": {"updates": [{"field": "tags", "operation": "add", "value": "waited"}]},
            "next": "send",
        },
        {"key": "send", "type": "SEND", "config": {"channel": "EMAIL", "template_id": template_id}, "next": "end"},
        {"key": "end", "type": "END", "config": {}, "next": None},
    ]
    stack.call("PUT", f"/journeys/{made['id']}/steps", {"steps": steps})
    stack.call("POST", f"/journeys/{made['id']}/activate", {})
    return UUID(made["id"])


_WAIT = (
    """
    INSERT INTO journey_enrollment (tenant_id, journey_id, customer_id, entry, current_step_key, current_step_number,
        waiting_until, due_at, enrolled_at, trigger_data)
    SELECT tenant_id, %(journey)s, id, '', 'wait', 2, at, at, now(), '{}' FROM (
        SELECT tenant_id, id, now() + interval '1 day' + random() * interval '29 days' AS at
        FROM customer WHERE first_name = 'Reader'
    ) AS one
    """,
    """
    INSERT INTO journey_enrollment_step
        (tenant_id, enrollment_id, step_number, step_key, version, status, entered_at, completed_at, result)
    SELECT tenant_id, id, 1, 'trigger', 1, 'COMPLETED', now(), now(), NULL FROM journey_enrollment
    WHERE journey_id = %(journey)s
    """,
    """
    INSERT INTO journey_enrollment_step
        (tenant_id, enrollment_id, step_number, step_key, version, status, entered_at, result)
    SELECT tenant_id, id, 2, 'wait', 1, 'IN_PROGRESS', now(), jsonb_build_object('waiting_until', waiting_until)
    FROM journey_enrollment WHERE journey_id = %(journey)s
    """,
)


def _let_wait(connection: psycopg.Connection[Any], journey_id: UUID) -> None:
    for statement in _WAIT:
        connection.execute(statement, {"journey": journey_id})


def _make_due(connection: psycopg.Connection[Any], due: int) -> list[float]:
    """Give people of all parts of the table times within one minute that begins soon; return these, in order."""
    first = datetime.now(UTC) + timedelta(seconds=DUE_IN)
    rows = connection.execute(
        """
        UPDATE journey_enrollment e SET waiting_until = chosen.at, due_at = chosen.at FROM (
            SELECT id, %(first)s + interval '60 seconds' * row_number() OVER () / %(due)s AS at FROM (
                SELECT id FROM journey_enrollment ORDER BY random() LIMIT %(due)s
            ) AS few
        ) AS chosen
        WHERE e.id = chosen.id RETURNING e.due_at
        """,
        {"first": first, "due": due},
    ).fetchall()
    return sorted(row[0].timestamp() for row in rows)


def _watch(connection: psycopg.Connection[Any], journey_id: UUID, times: list[float], figure: Due) -> None:
    """Note how late each of those who are due has gone on, by looking ten times a second how many have.

    They are taken in the order of their times, so whoever has gone on is the one whose turn it was; where two workers
    end in another order, the later one is told for both.
    """
    query = "SELECT total_completed FROM journey WHERE id = %s"
    while len(figure.late) < len(times):
        time.sleep(0.1)
        row = connection.execute(query, [journey_id]).fetchone()
        now = time.time()
        gone = row[0] if row else 0
        figure.late += [max(0.0, now - at) for at in times[len(figure.late) : gone]]
        if gone > bisect_left(times, now):
            raise RuntimeError("somebody went on before their time")


def _idle(stack: Stack, figure: Due, waiting: int) -> list[str]:
    """Measure what the product takes while nobody is due, and its look for due work; return the look's plan."""
    from app.tasks.work import DUE

    before = sum(stack.processor_seconds().values())
    time.sleep(IDLE_SECONDS)
    figure.idle[waiting] = (sum(stack.processor_seconds().values()) - before) / IDLE_SECONDS
    made = DUE.compile(dialect=dialect())  # type: ignore[no-untyped-call]
    values = {"now": datetime.now(UTC)}
    with psycopg.connect(stack.superuser_url, options="-c role=fairway_dispatch", autocommit=True) as looking:
        taken = []
        for _ in range(LOOKS):
            began = time.monotonic()
            looking.execute(str(made), values).fetchall()
            taken.append(time.monotonic() - began)
        figure.looks[waiting] = sorted(taken)[LOOKS // 2]
        plan = [row[0] for row in looking.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {made}", values)]
    at = next(at for at, line in enumerate(plan) if "journey_enrollment" in line)
    return [line.strip() for line in plan[at : at + 3]]
