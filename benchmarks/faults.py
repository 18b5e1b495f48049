"""What sending comes through, at full size and counted at the SMTP server: kills, a pause, and people who leave.

`kills`: three workers send a campaign of marketing letters to a server that takes as many a second as fit the time;
every 0.7 s one of them is killed (-9). Afterwards nobody got a letter twice, and nobody is missing who is not told of
as `unknown`.

`campaign`: two workers; its numbers are asked for all the time and add up; it is paused on its way and resumed. At the
end its report says what the server wrote down.

`leaving`: a fifth of its readers say no while a campaign is sent to them, and are out of the journey they walk.
"""

import contextlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from app.cli.run import Settings
from benchmarks import people
from benchmarks.keeping import Kept, keeping
from benchmarks.mails import TEMPLATE
from benchmarks.stack import Stack, running
from benchmarks.workers import EVERY_SECONDS, to_kill

NAMES = ("kills", "campaign", "leaving")
PATIENCE = 3_600.0
PAUSE_SECONDS = 2.0
LEAVING_SECONDS = 30.0
HEARD_WITHIN = 1.0
"""Seconds after the answer to somebody's no from which on no letter may come."""
CRITERIA = {"combinator": "AND", "rules": [{"field": "first_name", "operator": "eq", "value": "Reader"}]}
# One in ten of a campaign's readers said no since.
_SAID_NO = "UPDATE customer SET email_opt_in = false WHERE right(email, 13) LIKE '7@example.com'"
_UNDER_WAY = "SELECT count(*) FROM message WHERE status IN ('queued', 'held', 'sending')"
_WALKING = "SELECT count(*) FROM journey_enrollment WHERE status = 'ACTIVE'"
_ENDINGS = "SELECT status, exit_reason, count(*) FROM journey_enrollment GROUP BY 1, 2"
_BY_STATUS = "SELECT to_address, status FROM message"


@dataclass
class Faults:
    """What was counted: lines to show, and what should not have been."""

    name: str
    told: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def must(self, holds: bool, what: str) -> None:
        """Note `what` as a line, and as wrong unless it `holds`."""
        self.told.append(what)
        if not holds:
            self.wrong.append(f"{self.name}: {what}")

    def failures(self) -> list[str]:
        """Return what falls short, in words."""
        return self.wrong

    def lines(self) -> list[str]:
        """Return what was counted as lines to show."""
        return [f"{self.name}:", *(f"  {line}" for line in self.told)]


@contextlib.contextmanager
def _product(workers: int, most: float | None = None) -> Iterator[tuple[Kept, Stack, psycopg.Connection[Any]]]:
    """Yield an SMTP server that takes `most` letters a second, a product that sends to it, and its database."""
    with (
        tempfile.TemporaryDirectory() as folder,
        keeping(Path(folder) / "taken", most) as server,
        running(server.url, workers) as stack,
        stack.database() as connection,
    ):
        yield server, stack, connection


def kills(letters: int, count: int, workers: int) -> Faults:
    """Send `letters` while one of `workers` is killed every 0.7 s, `count` times."""
    found = Faults("kills")
    most = letters / (count * EVERY_SECONDS)
    with _product(0, most) as (server, stack, connection):
        environment = Settings(stack.home, stack.port).environment()
        with to_kill(environment, workers, count, stack.home / "log" / "killed.log") as at_work:
            audience = _people(stack, connection, letters)
            stack.call("POST", f"/campaigns/{_campaign(stack, audience)}/start", {})
            _until(lambda: server.taken() > 0)
            began = time.monotonic()
            at_work.begin.set()
            at_work.over.wait()
            lasted, taken = time.monotonic() - began, server.taken()
            _until(lambda: connection.execute(_UNDER_WAY).fetchone() == (0,))
            settled = time.monotonic() - began - lasted
        found.told.append(
            f"{letters:,} letters, {workers} workers, {count} kills within {lasted:.0f} s,"
            f" by when {taken:,} letters were taken; all had an ending {settled:.0f} s after the last kill"
        )
        _count_kills(found, server, dict(connection.execute(_BY_STATUS).fetchall()), letters, count)
    return found


def _count_kills(found: Faults, server: Kept, statuses: dict[str, str], letters: int, count: int) -> None:
    readers = server.readers()
    unknown = {address for address, status in statuses.items() if status == "unknown"}
    sent = {address for address, status in statuses.items() if status == "sent"}
    lost = len(sent - set(readers)) + letters - len(sent | unknown)
    twice = sum(number > 1 for number in readers.values())
    found.must(lost == 0, f"lost: {lost}")
    found.must(twice == 0, f"twice: {twice}")
    found.must(set(readers) <= sent | unknown, f"taken, and told of as neither: {len(set(readers) - sent - unknown)}")
    arrived = len(unknown & set(readers))
    found.told.append(
        f"unknown: {len(unknown)}, {len(unknown) / count:.1f} a kill; of these {arrived} had arrived,"
        f" {len(unknown) - arrived} had not"
    )


def campaign(readers: int, workers: int, most: float | None = None) -> Faults:
    """Send a campaign to `readers`, of whom one in ten said no, and pause it when two in five have theirs.

    The server takes `most` letters a second, any number if None.
    """
    found = Faults("campaign")
    with _product(workers, most) as (server, stack, connection):
        audience = _people(stack, connection, readers)
        connection.execute(_SAID_NO)
        stack.tidy("customer")
        path = f"/campaigns/{_campaign(stack, audience)}"
        stats, waits = _watching(stack, path, found)
        began = time.monotonic()
        stack.call("POST", f"{path}/start", {})
        _until(lambda: bool(stats()) and server.taken() >= readers * 2 // 5)
        _pause(found, stack, server, path)
        _until(lambda: stats()["status"] == "completed", pause=0.5)
        lasted = time.monotonic() - began
        told = stats()
        found.told.insert(0, f"{readers:,} readers, {workers} workers, {lasted:.0f} s with the pause")
        found.told.append(
            f"its numbers were asked for {len(waits):,} times while it was sent: median {median(waits) * 1000:.0f}"
            f" ms, the slowest {max(waits) * 1000:.0f} ms; they added up each time"
        )
        _count_campaign(found, server, told, readers)
    return found


def _watching(stack: Stack, path: str, found: Faults) -> tuple[Callable[[], dict[str, Any]], list[float]]:
    waits: list[float] = []

    def stats() -> dict[str, Any]:
        asked = time.monotonic()
        told: dict[str, Any] = stack.call("GET", f"{path}/stats", None)
        waits.append(time.monotonic() - asked)
        parts = sum(told[name] for name in ("queued", "sending", "sent", "failed", "unknown"))
        if not told["adds_up"] or told["audience"] != parts + sum(told["skipped"].values()):
            found.wrong.append(f"campaign: its numbers do not add up: {told}")
        return told

    return stats, waits


def _pause(found: Faults, stack: Stack, server: Kept, path: str) -> None:
    asked = time.monotonic()
    stack.call("POST", f"{path}/pause", {})
    answered = time.monotonic() - asked
    in_hand = stack.call("GET", f"{path}/stats", None)["sending"]
    at_pause = server.taken()
    time.sleep(PAUSE_SECONDS)
    soon = server.taken()
    time.sleep(2 * PAUSE_SECONDS)
    later = server.taken()
    found.told.append(f"paused: answered after {answered * 1000:.0f} ms, {soon - at_pause} letters came after that")
    found.must(later == soon, f"letters that came more than {PAUSE_SECONDS:.0f} s after the pause: {later - soon}")
    found.must(
        later - at_pause <= in_hand, f"letters that came after the pause and were not in hand ({in_hand}) by then: "
        f"{max(0, later - at_pause - in_hand)}"
    )  # fmt: skip
    stack.call("POST", f"{path}/resume", {})


def _count_campaign(found: Faults, server: Kept, told: dict[str, Any], readers: int) -> None:
    taken = server.readers()
    twice = sum(number > 1 for number in taken.values())
    refused = {f"reader{number}@example.com" for number in range(1, readers + 1) if number % 10 == 7}
    wanted = {f"reader{number}@example.com" for number in range(1, readers + 1)} - refused
    found.must(told["audience"] == readers, f"audience: {told['audience']:,}")
    found.must(told["sent"] == len(taken), f"sent: {told['sent']:,}; taken by the server: {len(taken):,}")
    found.must(told["skipped"] == {"opted_out": len(refused)}, f"skipped: {told['skipped']}")
    found.must(told["failed"] + told["unknown"] == 0, f"failed: {told['failed']}, unknown: {told['unknown']}")
    found.must(twice == 0, f"twice: {twice}")
    found.must(wanted == set(taken), f"without theirs: {len(wanted - set(taken))}, unasked: {len(set(taken) - wanted)}")


def leaving(count: int, workers: int) -> Faults:
    """Send a campaign to five times `count` within half a minute, while `count` of them say no one after the other."""
    found, readers = Faults("leaving"), count * 5
    with _product(workers, readers / LEAVING_SECONDS) as (server, stack, connection):
        people.come_in(stack, readers)
        audience = stack.call("POST", "/segments/ready-made", {"key": "all_customers"})["id"]
        gone = _let_in(stack, connection, count)
        stack.call("POST", f"/campaigns/{_campaign(stack, audience)}/start", {})
        _until(lambda: server.taken() > 0)
        answered = _say_no(stack, gone)
        _until(lambda: connection.execute(_UNDER_WAY).fetchone() == (0,))
        _until(lambda: connection.execute(_WALKING).fetchone() == (0,))
        ways = connection.execute(_ENDINGS).fetchall()
        taken, twice = server.moments(), sum(number > 1 for number in server.readers().values())
    late = [one for one, at in answered.items() if taken.get(one, 0.0) > at + HEARD_WITHIN]
    after = [taken[one] - at for one, at in answered.items() if taken.get(one, 0.0) > at]
    stayed = {people.address_of(number) for number in range(1, readers + 1)} - set(gone)
    before = len(set(gone) & set(taken)) - len(after)
    found.told.append(
        f"{readers:,} readers, {count:,} of whom said no within {LEAVING_SECONDS:.0f} s; {before:,} of these had their"
        f" letter before, {len(after)} after the answer, {max(after, default=0):.2f} s at most"
    )
    found.must(not late, f"letters that came more than {HEARD_WITHIN:.0f} s after the answer: {len(late)}")
    found.must(ways == [("EXITED", "unsubscribed", count)], f"what became of their walks: {ways}")
    found.must(stayed <= set(taken), f"without theirs though they said nothing: {len(stayed - set(taken))}")
    found.must(twice == 0, f"twice: {twice}")
    return found


def _let_in(stack: Stack, connection: psycopg.Connection[Any], count: int) -> dict[str, str]:
    """Let some readers into a journey they leave when they unsubscribe; return their ids by address."""
    letter = stack.call("POST", "/templates", TEMPLATE | {"name": "Later"})["id"]
    given = {"name": "Leaving", "trigger_type": "visit.logged", "exit_on_unsubscribe": True}
    journey = stack.call("POST", "/journeys", given)["id"]
    steps = [
        {"key": "came", "type": "TRIGGER", "config": {"event_type": "visit.logged"}, "next": "wait"},
        {"key": "wait", "type": "WAIT", "config": {"duration": "9 days"}, "next": "later"},
        {"key": "later", "type": "SEND", "config": {"channel": "EMAIL", "template_id": letter}, "next": None},
    ]
    stack.call("PUT", f"/journeys/{journey}/steps", {"steps": steps})
    stack.call("POST", f"/journeys/{journey}/activate", {})
    rows = connection.execute("SELECT email, id::text FROM customer ORDER BY random() LIMIT %s", [count]).fetchall()
    events = [
        {"id": id_, "type": "visit.logged", "source": "leaving", "identity": {"email": email}, "payload": {},
         "timestamp": datetime.now(UTC).isoformat()}
        for email, id_ in rows
    ]  # fmt: skip
    for at in range(0, count, 500):
        stack.call("POST", "/events", events[at : at + 500])
    waiting = "SELECT count(*) FROM journey_enrollment WHERE current_step_key = 'wait' AND waiting_until IS NOT NULL"
    _until(lambda: connection.execute(waiting).fetchone() == (count,))
    return dict(rows)


def _say_no(stack: Stack, gone: dict[str, str]) -> dict[str, float]:
    """Record that each of these said no, at moments spread over half a minute; return when each was answered."""
    answered: dict[str, float] = {}

    def say(email: str) -> None:
        body = {"consents": [{"channel": "EMAIL", "state": "unsubscribed"}], "how": "by phone"}
        stack.call("PUT", f"/customers/{gone[email]}/consents", body)
        answered[email] = time.time()

    draw, began = random.Random(21), time.monotonic()
    moments = sorted((draw.uniform(0, LEAVING_SECONDS), email) for email in gone)
    with ThreadPoolExecutor(8) as clients:
        said = []
        for moment, email in moments:
            time.sleep(max(0.0, began + moment - time.monotonic()))
            said.append(clients.submit(say, email))
        for one in said:
            one.result()
    return answered


def _people(stack: Stack, connection: psycopg.Connection[Any], count: int) -> str:
    people.make_customers(connection, count)
    stack.tidy("customer")
    segment: str = stack.call("POST", "/segments", {"name": "Readers", "criteria": CRITERIA})["id"]
    return segment


def _campaign(stack: Stack, segment: str) -> str:
    template = stack.call("POST", "/templates", TEMPLATE)["id"]
    given = {"name": "Faults", "segment_id": segment, "email_template_id": template}
    found: str = stack.call("POST", "/campaigns", given)["id"]
    return found


def _until(what: Callable[[], bool], pause: float = 0.1) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > end:
            raise SystemExit("Waited for an hour in vain")
        time.sleep(pause)
