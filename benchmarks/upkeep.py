"""Two hundred dynamic segments kept up to date by the running product: how soon after an event, and at which rate.

The people, their events and the way they are posted are those of `events-batch`. Each segment asks about a deed that
takes people in, one that takes them out, and one thing more, of which there are as many kinds as segments really have.
"""

import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

import psycopg

from app.infra.embedded import Postgres
from benchmarks import events, load, people
from benchmarks.stack import Stack

SEGMENTS = 200
MOVES = 20
MOST_SECONDS = 2.0
"""How long after its post an event may show in all segments, and the last one of a stream as well."""
PATIENCE = 120.0
IN, OUT = "competition.entered", "teetime.cancelled"
Rules = dict[str, Any]


@dataclass
class Stream:
    """One stream of events: seconds until all were applied, and from then until no segment had anybody to look at."""

    events: int
    seconds: float
    due: int
    left: int
    drained: float

    def line(self) -> str:
        """Return it as a line to show."""
        return (
            f"  {self.events / self.seconds:,.0f} events a second; looks at people that became due,"
            f" a second: {self.due / self.seconds:,.0f}, done: {(self.due - self.left) / self.seconds:,.0f};"
            f" {self.left:,} were left, done {self.drained:.2f} s later"
        )


@dataclass
class Upkeep:
    """What was measured."""

    moves: list[float] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)

    def failures(self) -> list[str]:
        """Return what falls short, in words."""
        found = []
        if max(self.moves) > MOST_SECONDS:
            found.append(f"upkeep: an event took {max(self.moves):.2f} s to move its customer, {MOST_SECONDS} at most")
        late = median(one.drained for one in self.streams)
        if late > MOST_SECONDS:
            found.append(f"upkeep: segments were {late:.2f} s behind a stream of events, {MOST_SECONDS} at most")
        return found

    def lines(self) -> list[str]:
        """Return the figures as lines to show."""
        return [
            f"upkeep: {SEGMENTS} dynamic segments; at most {MOST_SECONDS} s behind",
            f"  an event moves its customer in or out of all {SEGMENTS}: median {median(self.moves):.2f} s,"
            f" the worst of {len(self.moves)} {max(self.moves):.2f} s",
            *(one.line() for one in self.streams),
        ]


def criteria(at: int) -> Rules:
    """Return what the segment of a number asks; all hold for people who did the one deed and never the other."""
    days = f"{at % 90 + 1} days"
    more: tuple[Rules, ...] = (
        {"field": "email_opt_in", "operator": "eq", "value": True},
        {"event": "teetime.completed", "operator": "lt", "value": 1000 + at, "within": f"{at + 30} days"},
        {"field": "can_be_mailed", "operator": "eq", "value": True},
        {
            "event": "payment.received",
            "aggregate": "sum",
            "field": "amount",
            "operator": "lt",
            "value": 10_000_000 + at,
            "within": "1 year",
        },
        {"not": {"field": "date_of_birth", "operator": "anniversary_next", "value": f"{at % 30} days"}},
        {
            "event": "pos.purchase",
            "operator": "lt",
            "value": 1000 + at,
            "where": _all(_rule("currency", "eq", "ZAR")),
        },
        {"field": "tags", "operator": "not_contains", "value": f"tag {at}"},
        {"event": "teetime.booked", "aggregate": "last", "operator": "gt", "value": "2020-01-01"},
    )
    taken_in = {"event": IN, "operator": "gte", "value": 1, "within": days}
    taken_out = {"event": OUT, "operator": "never", "within": days}
    last = more[at % len(more)]
    unknown = _rule("date_of_birth", "isNull", None)
    return _all(taken_in, taken_out, {"combinator": "OR", "rules": [last, unknown]})


def _rule(name: str, operator: str, value: Any) -> Rules:
    return {"field": name, "operator": operator, "value": value}


def _all(*rules: Rules) -> Rules:
    return {"combinator": "AND", "rules": list(rules)}


def measure(stack: Stack, count: int, rounds: int) -> Upkeep:
    """Move people one by one, then post `count` events a round as fast as they are taken."""
    figure = Upkeep()
    with (
        stack.database() as connection,
        psycopg.connect(Postgres(stack.home).superuser_url, dbname="fairway", autocommit=True) as above,
    ):
        people.make_clubs(connection)
        events.send(stack, connection, people.joining(events.PEOPLE))
        past = people.events(count, people=events.PEOPLE, first_person=0, batch_name="past")
        events.send(stack, connection, [one for one in past if one["type"] not in (IN, OUT)])
        for at in range(SEGMENTS):
            stack.call("POST", "/segments", {"name": f"Segment {at}", "type": "DYNAMIC", "criteria": criteria(at)})
        _wait(connection, "SELECT NOT EXISTS (SELECT FROM segment WHERE refreshing_since IS NOT NULL)")
        stack.tidy(*events.TABLES)
        for at in range(MOVES // 2):
            for kind, wanted in ((IN, SEGMENTS), (OUT, 0)):
                figure.moves.append(_move(stack, connection, at, kind, wanted))
                print(f"\r{len(figure.moves)} moves", end="", file=sys.stderr, flush=True)
        for at in range(rounds):
            found = people.events(count, people=events.PEOPLE, first_person=0, batch_name=f"stream-{at}")
            figure.streams.append(_stream(stack, connection, above, found))
            stack.tidy(*events.TABLES, "segment_due", "segment_member", "segment_past_member", "segment")
    return figure


def _move(stack: Stack, connection: psycopg.Connection[Any], person: int, kind: str, wanted: int) -> float:
    email = f"{people.FIRST[person % len(people.FIRST)]}.{people.LAST[person % len(people.LAST)]}{person}@example.com"
    event = {
        "id": f"move-{person}-{kind}",
        "type": kind,
        "source": people.TYPES[kind][0],
        "timestamp": datetime.now(UTC).isoformat(),
        "identity": {"email": email},
        "payload": {"club": people.CLUBS[0]},
    }
    began = time.monotonic()
    stack.call("POST", "/events", event)
    ended = _wait(
        connection,
        "SELECT count(*) = %s FROM segment_member m JOIN customer c ON c.id = m.customer_id AND lower(c.email) = %s",
        wanted,
        email.lower(),
    )
    return ended - began


def _stream(
    stack: Stack, connection: psycopg.Connection[Any], above: psycopg.Connection[Any], found: list[dict[str, Any]]
) -> Stream:
    before = _noted(above)
    requests = [stack.request(body) for body in people.bodies(found, events.BATCH)]
    run = load.post(stack.port, requests, connections=events.CLIENTS)
    applied = events.wait_until_applied(connection)
    row = connection.execute("SELECT count(*) FROM segment_due").fetchone()
    assert row is not None
    drained = _wait(connection, "SELECT NOT EXISTS (SELECT FROM segment_due)")
    return Stream(len(found), applied - run.began, _noted(above) - before, row[0], drained - applied)


def _noted(above: psycopg.Connection[Any]) -> int:
    """Return how many looks at people were noted so far: the numbers are given in their order, and none is left out."""
    row = above.execute("SELECT last_value FROM pg_sequences WHERE sequencename = 'segment_due_id_seq'").fetchone()
    return int(row[0] or 0) if row else 0


def _wait(connection: psycopg.Connection[Any], question: str, *values: Any) -> float:
    """Wait until a question is answered by true and return when that was."""
    deadline = time.monotonic() + PATIENCE
    while connection.execute(question, values).fetchone() != (True,):
        if time.monotonic() > deadline:
            raise RuntimeError(f"never true: {question}")
        time.sleep(0.02)
    return time.monotonic()
