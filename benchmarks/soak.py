"""Everyday work for half an hour while workers die: memory stays, nothing stands still, letters go out soon.

A hundred events a second come in. A fifth of them lets somebody into a journey that writes to them at once, and half of
these are heard of again while they wait there. Every 30 s the youngest worker is killed (-9), so that the others grow
old and show whether they grow. With `crashes` it is PostgreSQL that dies, every 5 to 20 s.
"""

import contextlib
import http.client
import os
import random
import signal
import tempfile
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import linear_regression
from typing import Any

import psutil
import psycopg

from app.cli.run import MARK
from app.infra import processes
from app.infra.embedded import Postgres, Redis
from benchmarks import people
from benchmarks.faults import Faults
from benchmarks.figures import percentile
from benchmarks.keeping import Kept, keeping
from benchmarks.mails import TEMPLATE
from benchmarks.stack import Stack, running

POSTS, VISITS, PAYMENTS, PURCHASES = 10, 2, 1, 7
"""Posts a second, and how many events of each kind are in one."""
PAID_AFTER = 20
"""Seconds after which half of those who came are heard of again."""
AGAIN = 10
"""Each so many-th post is sent twice."""
CLIENTS = 8
KILL_EVERY = 30.0
LOOK_EVERY = 10.0
WARM_UP = 1 / 3
"""The part of the time in which memory may still grow."""
MOST_GROWTH = 5.0
"""Megabytes in ten minutes."""
MOST_LATE = 10.0
"""Seconds within which 95 of a hundred letters are with the server after their event was posted."""
TWO_LEASES = "interval '4 minutes'"
SETTLE_SECONDS = 600.0

STUCK = f"""
    SELECT (SELECT count(*) FROM inbound_event WHERE status = 'received' AND received_at < now() - {TWO_LEASES})
        + (SELECT count(*) FROM message WHERE status = 'sending' AND sending_at < now() - {TWO_LEASES})
        + (SELECT count(*) FROM message WHERE status IN ('queued', 'held') AND due_at < now() - {TWO_LEASES})
        + (SELECT count(*) FROM journey_enrollment WHERE status = 'ACTIVE' AND due_at < now() - {TWO_LEASES})
        + (SELECT count(*) FROM journey_batch WHERE noted_at < now() - {TWO_LEASES})
"""
UNDER_WAY = """
    SELECT (SELECT count(*) FROM inbound_event WHERE status = 'received')
        + (SELECT count(*) FROM message WHERE status IN ('queued', 'held', 'sending'))
        + (SELECT count(*) FROM journey_enrollment WHERE status = 'ACTIVE')
"""


@dataclass
class Load:
    """What is posted: by number, so that the same one is the same post; `asked` is when each reader's event was."""

    stack: Stack
    asked: dict[str, float] = field(default_factory=dict)
    accepted: Counter[str] = field(default_factory=Counter)
    tried_again: int = 0
    late: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def events(self, number: int) -> list[dict[str, Any]]:
        """Return the events of the `number`-th post."""
        draw = random.Random(number)
        came = [number * VISITS + at + 1 for at in range(VISITS)]
        paid = [one - PAID_AFTER * POSTS * VISITS for one in came[:PAYMENTS]]
        bought = [draw.randint(1, came[-1]) for _ in range(PURCHASES + sum(one < 1 for one in paid))]
        told = [("visit.logged", one) for one in came] + [("payment.received", one) for one in paid if one > 0]
        told += [("pos.purchase", one) for one in bought]
        moment = datetime.now(UTC).isoformat()
        return [
            {
                "id": f"{number}-{at}",
                "type": kind,
                "source": "soak",
                "timestamp": moment,
                "identity": {"email": people.address_of(one)},
                "payload": {"amount": "12.50"},
            }
            for at, (kind, one) in enumerate(told)
        ]

    def post(self, number: int) -> None:
        """Send the `number`-th post, again and again until it is accepted, and now and then once more."""
        events = self.events(number)
        began = time.time()
        for one in events[:VISITS]:
            self.asked[one["identity"]["email"]] = began
        for _ in range(2 if number % AGAIN == 0 else 1):
            self._until_accepted(events)
        with self.lock:
            self.accepted.update(one["type"] for one in events)

    def _until_accepted(self, events: list[dict[str, Any]]) -> None:
        while True:
            try:
                answer = self.stack.call("POST", "/events", events)
            except (OSError, ValueError, http.client.HTTPException) as error:
                if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                    raise
                with self.lock:
                    self.tried_again += 1
                time.sleep(0.2)
                continue
            if any(one["status"] == "rejected" for one in answer["results"]):
                raise RuntimeError(f"events were refused: {answer}")
            return

    def run(self, seconds: float) -> None:
        """Post for so long, at an even pace; return when the last one is accepted."""
        began = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as clients:
            sent = []
            for number in range(int(seconds * POSTS)):
                wait = began + number / POSTS - time.monotonic()
                time.sleep(max(0.0, wait))
                sent.append(clients.submit(self.post, number))
            behind = time.monotonic()
            for one in sent:
                one.result()
            self.late = time.monotonic() - behind


@dataclass
class Memory:
    """What processes hold for themselves alone, in megabytes, by their kind and id: (minute, megabytes) of each."""

    home: Path
    seen: dict[tuple[str, int], list[tuple[float, float]]] = field(default_factory=dict)

    def look(self, minute: float) -> None:
        """Note what each process holds."""
        for kind, one in self.alive():
            with contextlib.suppress(psutil.Error):
                told = one.memory_info()
                # What is shared is the code, and the cache of PostgreSQL, which fills up.
                self.seen.setdefault((kind, one.pid), []).append((minute, (told.rss - told.shared) / 1e6))

    def alive(self) -> Iterator[tuple[str, psutil.Process]]:
        """Yield the product's processes, each with its kind."""
        for one in processes.carrying(MARK, str(self.home)):
            with contextlib.suppress(psutil.Error):
                words = one.cmdline()
                yield next((kind for kind in ("worker", "scheduler", "mailbox") if kind in words), "web"), one
        for one in processes.working_in("redis-server", Redis(self.home).folder):
            yield "redis", one
        for one in processes.working_in("postgres", Postgres(self.home).data):
            yield "postgres", one

    def workers(self) -> set[int]:
        """Return the ids of the workers that are alive."""
        return {one.pid for kind, one in self.alive() if kind == "worker"}

    def growth(self, minutes: float) -> dict[str, list[tuple[float, float, float]]]:
        """Return by kind what each process that lived to the end gained in ten minutes, and held first and last."""
        found: dict[str, list[tuple[float, float, float]]] = {}
        for (kind, _), points in self.seen.items():
            after = [point for point in points if point[0] >= minutes * WARM_UP]
            if len(after) < 3 or after[0][0] > minutes * WARM_UP + 1 or after[-1][0] < minutes - 1:
                continue
            slope = linear_regression([minute for minute, _ in after], [held for _, held in after]).slope
            found.setdefault(kind, []).append((slope * 10, after[0][1], after[-1][1]))
        return found


def soak(minutes: float, workers: int, *, crashes: bool = False) -> Faults:
    """Work for so many minutes with `workers`, and count what came of it."""
    found = Faults("soak with crashes of PostgreSQL" if crashes else "soak")
    with (
        tempfile.TemporaryDirectory() as folder,
        keeping(Path(folder) / "taken") as server,
        running(server.url, workers) as stack,
    ):
        people.come_in(stack, int(minutes * 60 * POSTS * VISITS))
        _begin(stack)
        load, memory = Load(stack), Memory(stack.home)
        before = memory.workers()
        posting = threading.Thread(target=load.run, args=(minutes * 60,))
        began = time.monotonic()
        posting.start()
        deaths, stuck = _watch(stack, memory, minutes, _crash if crashes else _kill, crashes=crashes)
        posting.join()
        settled = _settle(stack)
        _tell(found, load, deaths, minutes, time.monotonic() - began)
        _count(found, stack, server, load, settled)
        found.must(stuck == 0, f"rows that stood for longer than two leases: {stuck}")
        after = memory.workers()
        # The youngest was killed each time.
        lived = len(before & after) + (0 if crashes else 1)
        found.must(len(after) == workers == lived, f"workers at the end: {len(after)}; lived through it: {lived}")
        if not crashes:
            _count_memory(found, memory, minutes)
            _count_late(found, server, load)
    return found


def _begin(stack: Stack) -> None:
    """Start the journey that writes to whoever comes."""
    template = stack.call("POST", "/templates", TEMPLATE)["id"]
    made = stack.call("POST", "/journeys", {"name": "Soak", "trigger_type": "visit.logged"})["id"]
    tagged = {"updates": [{"field": "tags", "operation": "add", "value": "soaked"}]}
    steps = [
        {"key": "came", "type": "TRIGGER", "config": {"event_type": "visit.logged"}, "next": "letter"},
        {"key": "letter", "type": "SEND", "config": {"channel": "EMAIL", "template_id": template}, "next": "paid"},
        {"key": "paid", "type": "WAIT", "config": {"event_type": "payment.received", "timeout": "1 minute"},
         "next": "tag", "next_timeout": "end"},
        {"key": "tag", "type": "UPDATE", "config": tagged, "next": "end"},
        {"key": "end", "type": "END", "config": {}},
    ]  # fmt: skip
    stack.call("PUT", f"/journeys/{made}/steps", {"steps": steps})
    stack.call("POST", f"/journeys/{made}/activate", {})


def _watch(
    stack: Stack, memory: Memory, minutes: float, strike: Callable[[Stack], None], *, crashes: bool
) -> tuple[int, int]:
    """Look at memory and at rows, and strike now and then, for so long; return the deaths and the most stuck rows."""
    draw = random.Random(51)
    began = time.monotonic()
    end, look_at, deaths, stuck = began + minutes * 60, began, 0, 0
    strike_at = began + KILL_EVERY
    while (now := time.monotonic()) < end:
        if now >= strike_at:
            strike(stack)
            deaths += 1
            strike_at = now + (draw.uniform(5, 20) if crashes else KILL_EVERY)
        if now >= look_at:
            look_at = now + LOOK_EVERY
            memory.look((now - began) / 60)
            stuck = max(stuck, _number(stack, STUCK))
        time.sleep(0.2)
    return deaths, stuck


def _kill(stack: Stack) -> None:
    """Kill the youngest worker."""
    alive = [one for one in processes.carrying(MARK, str(stack.home)) if "worker" in one.cmdline()]
    if alive:
        max(alive, key=lambda one: one.create_time()).kill()


def _crash(stack: Stack) -> None:
    """End PostgreSQL at once, as a crash does."""
    note = Postgres(stack.home).data / "postmaster.pid"
    with contextlib.suppress(OSError, IndexError, ValueError):
        os.kill(int(note.read_text().split()[0]), signal.SIGQUIT)


def _number(stack: Stack, query: str) -> int:
    """Return the number that a query finds; 0 while the database is away."""
    with contextlib.suppress(psycopg.OperationalError), stack.database() as connection:
        row = connection.execute(query).fetchone()
        return int(row[0]) if row else 0
    return 0


def _settle(stack: Stack) -> bool:
    """Wait until nothing is under way any more; return whether that came."""
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(psycopg.OperationalError), stack.database() as connection:
            if connection.execute(UNDER_WAY).fetchone() == (0,):
                return True
        time.sleep(0.5)
    return False


def _tell(found: Faults, load: Load, deaths: int, minutes: float, lasted: float) -> None:
    found.told.append(
        f"{minutes:g} minutes, {load.accepted.total():,} events accepted, {deaths} deaths, load of the machine"
        f" {os.getloadavg()[2]:.0f}; the last post was accepted {load.late:.1f} s after it was due, {load.tried_again}"
        f" were tried again; all was settled {lasted - minutes * 60:.0f} s after the end"
    )


def _count(found: Faults, stack: Stack, server: Kept, load: Load, settled: bool) -> None:
    """Count what came of it, at the SMTP server and in the rows."""
    found.must(settled, f"settled within {SETTLE_SECONDS:.0f} s: {'yes' if settled else 'no'}")
    taken = server.readers()
    with stack.database() as connection:
        applied = dict(
            connection.execute("SELECT type, count(*) FROM activity WHERE source = 'soak' GROUP BY type").fetchall()
        )
        walks = dict(connection.execute("SELECT status, count(*) FROM journey_enrollment GROUP BY status").fetchall())
        fates = dict(connection.execute("SELECT status, count(*) FROM message GROUP BY status").fetchall())
        unknown = {row[0] for row in connection.execute("SELECT to_address FROM message WHERE status = 'unknown'")}
    found.must(applied == dict(load.accepted), f"accepted {dict(load.accepted)}, applied {applied}")
    found.must(walks == {"COMPLETED": len(load.asked)}, f"walks: {walks} of {len(load.asked):,}")
    lost = set(load.asked) - set(taken) - unknown
    found.must(not lost, f"letters lost: {len(lost)}; {fates}")
    twice = sum(number > 1 for number in taken.values())
    found.must(twice == 0, f"letters that came twice: {twice}")


def _count_memory(found: Faults, memory: Memory, minutes: float) -> None:
    for kind, grown in sorted(memory.growth(minutes).items()):
        slope, first, last = max(grown)
        found.must(
            slope <= MOST_GROWTH,
            f"memory of {kind} ({len(grown)} processes): at most {slope:+.1f} MB in ten minutes, of one that held"
            f" {first:.0f} MB after the warm-up and {last:.0f} MB at the end",
        )


def _count_late(found: Faults, server: Kept, load: Load) -> None:
    late = [at - load.asked[address] for address, at in server.moments().items() if address in load.asked]
    p50, p95, p99 = (percentile(late, at) for at in (50, 95, 99))
    found.must(
        p95 <= MOST_LATE,
        f"from the post of an event to the server's having its letter: p50 {p50:.1f} s, p95 {p95:.1f} s,"
        f" p99 {p99:.1f} s, the last {max(late):.1f} s",
    )
