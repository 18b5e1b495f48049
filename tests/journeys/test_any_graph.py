"""Any graph, any events, a crash at any statement: each step and message once, and counters that equal the log."""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as sa_event

from app.accounts.models import Tenant
from app.capture.batch import AppliedEvent
from app.customers import tasks
from app.infra.db import db
from app.infra.ids import new_id
from app.journeys import calls, lifecycle, queries
from app.journeys.drafts import WrongStatus
from app.journeys.engine import exits, retry
from app.journeys.engine.advance import advance_batch
from app.journeys.graph import Graph
from app.journeys.kinds import exits_of, read_graph
from app.journeys.step_type import StepBatch
from app.journeys.steps.update import UpdateStep
from app.road import TASK_FOLLOWERS
from tests.journeys.helpers import (
    NOW,
    Json,
    check_counters,
    event,
    happen,
    journey,
    people,
    rows,
    step,
    tag,
    template,
    wait,
)
from tests.segments.receiver import Receiver, receiving
from tests.waiting import until_nothing_is_open

pytestmark = pytest.mark.committed

HOUR = timedelta(hours=1)
CAME, BOOKED = "visit.logged", "booking.created"
GOLD: Json = {"field": "membership_tier", "operator": "eq", "value": "Gold"}
TAGGED: Json = {"field": "tags", "operator": "contains", "value": "t0"}
SIMPLE = ("SEND", "UPDATE", "UPDATE", "WAIT", "UNTIL", "HOLDS", "DATE", "CONDITION", "PATHS", "SPLIT", "LEARN")
OUTSIDE = ("WEBHOOK", "TASK", "START_JOURNEY")
BACK = ("JUMP", "GOAL", "END")
KINDS = (*SIMPLE, *OUTSIDE, *BACK)
TYPES = {"UNTIL": "WAIT", "HOLDS": "WAIT", "DATE": "WAIT", "PATHS": "CONDITION", "LEARN": "SPLIT"}


class Killed(BaseException):
    """The process dies here."""


@dataclass
class Around:
    """What steps name: a letter, a journey to start, where calls go and how they are signed."""

    letter: UUID
    other: UUID
    url: str
    secret: str


def a_step(rng: random.Random, at: int, keys: list[str], around: Around) -> Json:
    """Return a step whose first way leads to the next one, and the others anywhere below."""
    kind = rng.choice(KINDS if at else (*SIMPLE, *OUTSIDE))
    both: Json = {"variants": [{"key": "a", "name": "A"}, {"key": "b", "name": "B"}]}
    learn: Json = {"learn": "step", "learn_step": rng.choice(keys[at + 1 :])} if keys[at + 1 :] else {"learn": "clicks"}
    configs: dict[str, Json] = {
        "SEND": {"channel": "EMAIL", "template_id": str(around.letter)},
        "UPDATE": {"updates": [{"field": "tags", "operation": "add", "value": f"t{at}"}]},
        "WAIT": {"duration": rng.choice(("0 hours", "1 hour", "5 hours"))},
        "UNTIL": {"event_type": CAME, "timeout": "3 hours"},
        "HOLDS": {"rules": [TAGGED], "timeout": "7 hours"},
        "DATE": {"date": {"field": "date_of_birth", "time": "09:00", "missed": rng.choice(("go_on", "branch"))}},
        "CONDITION": {"rules": [GOLD], "combinator": "AND"},
        "PATHS": {
            "paths": [{"key": "gold", "name": "G", "rules": [GOLD]}, {"key": "t", "name": "T", "rules": [TAGGED]}]
        },
        "SPLIT": {**both, "holdout_percent": 20},
        "LEARN": {**both, **learn},
        "WEBHOOK": {"url": around.url, "secret": around.secret, "give_up_after": "4 hours"},
        "TASK": {"to": "role:staff", "title": "Call", "wait": rng.random() < 0.7, "give_up_after": "6 hours"},
        "START_JOURNEY": {"journey_id": str(around.other)},
        "JUMP": {"to": rng.choice(keys[:at] or keys), "max_times": rng.randint(1, 2), "at_least": "1 hour"},
        "GOAL": {"event_type": BOOKED, "otherwise": rng.choice(("go_on", "leave", "wait")), "at_most": "5 hours"},
        "END": {"reason": rng.choice((None, "Done"))},
    }
    type_, config = TYPES.get(kind, kind), configs[kind]
    below = [*keys[at + 1 :], None]
    found = exits_of(type_, config)
    ways = {way: below[0] if not place else rng.choice(below) for place, way in enumerate(found)}
    named = {f"next_{way}": target for way, target in ways.items() if way != "next"}
    return step(keys[at], type_, None, config, **named) | {"next": ways.get("next")}


@contextmanager
def dying_at(statement: int) -> Iterator[None]:
    """Kill the process at the n-th statement that is sent to the database from here on."""
    left = statement

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    sa_event.listen(db.engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        sa_event.remove(db.engine, "before_cursor_execute", count)


class Walk:
    """One journey, its people, and what is done to it."""

    def __init__(self, tenant_id: UUID, rng: random.Random, receiver: Receiver) -> None:
        self.tenant_id, self.rng, self.now, self.receiver = tenant_id, rng, NOW, receiver
        receiver.told.clear()
        keys = [f"s{one}" for one in range(rng.randint(1, 8))]
        marked = [tag("m", "w", "t0"), wait("w", None, "2 hours")]
        self.other = journey(
            tenant_id, marked, name=f"Other {new_id()}", reentry=rng.choice(("never", "after_exit"))
        ).id
        letter = template(tenant_id, f"Letter {new_id()}")
        around = Around(letter, self.other, receiver.url, calls.new_secret(tenant_id)[1])
        steps = _reached([a_step(rng, at, keys, around) for at in range(len(keys))])
        self.entry = f"entered.{new_id().hex}"
        settings_: Json = {"reentry": rng.choice(("never", "after_exit")), "goal_days": 3}
        made = journey(tenant_id, steps, name=f"Any {new_id()}", trigger_type=self.entry, **settings_)
        self.id, self.graph = made.id, queries.draft(made)
        born = (NOW + timedelta(days=1)).date().replace(year=1990)
        self.who = people(tenant_id, 3) + people(tenant_id, membership_tier="Gold", date_of_birth=born)
        self.act: Json = {"tenant_id": tenant_id, "journey_id": made.id, "actor": "system"}
        self.poisoned = set(rng.sample(self.who, rng.choice((0, 1, 2))))

    def surviving(self, act: Callable[[], Any]) -> None:
        """Do something in a process that may die on the way; whoever comes after does it again."""
        if self.rng.random() < 0.5:
            try:
                with dying_at(self.rng.randint(1, 30)):
                    act()
                return
            except Killed:
                db.session.remove()
                # What it locked is skipped until then, as if somebody had it in hand.
                until_nothing_is_open(os.environ["DATABASE_URL"])
        act()

    def events(self, type_: str) -> None:
        told: list[AppliedEvent] = [event(one, type=type_) for one in self.rng.sample(self.who, self.rng.randint(1, 4))]
        self.surviving(lambda: happen(self.tenant_id, *told, now=self.now))

    def advance(self) -> None:
        """Let the workers do all that is due; one of them may die."""
        for _ in range(200):
            if not self.advance_once():
                return
        raise AssertionError("the engine goes round and round")

    def advance_once(self) -> int:
        """Let a worker do a batch, and return how many people it was."""
        done: list[int] = []
        self.surviving(lambda: done.append(advance_batch(tenant_id=self.tenant_id, now=self.now, limit=3)))
        return done[-1]

    def do(self, what: str) -> None:
        """Do one thing to the journey or its people."""
        inside = rows(
            self.tenant_id, "SELECT id FROM journey_enrollment WHERE journey_id = :id ORDER BY id", id=self.id
        )
        match what:
            case "enter" | "came" | "booked":
                self.events({"enter": self.entry, "came": CAME, "booked": BOOKED}[what])
            case "calls":
                self.receiver.answers = [(self.rng.choice((200, 200, 404, 503)), {}, b"{}") for _ in range(8)]
                self.surviving(lambda: calls.call_batch(tenant_id=self.tenant_id, now=self.now))
            case "done":
                for one in tasks.mine(tenant_id=self.tenant_id, user_id=None, role="staff")[:2]:
                    self.surviving(partial(self.finish_task, one.id))
            case "poison":
                self.poisoned = {self.rng.choice(self.who)} if not self.poisoned else set()
            case "pause":
                self.surviving(lambda: lifecycle.pause(**self.act, now=self.now))
            case "resume":
                later = self.rng.random() < 0.5
                self.surviving(lambda: lifecycle.resume(**self.act, now=self.now, move_waits=later))
            case "retry":
                self.surviving(lambda: retry.retry_all(**self.act, now=self.now))
            case "skip" if inside:
                one = self.rng.choice(inside).id
                with suppress(retry.NotWaiting, WrongStatus):
                    self.surviving(lambda: retry.skip_ahead(**self.act, enrollment_id=one, now=self.now))
            case "exit" if inside:
                one = self.rng.choice(inside).id
                gone: Json = {"tenant_id": self.tenant_id, "enrollment_ids": [one], "now": self.now}
                self.surviving(lambda: exits.exit_enrollments(**gone))
            case _:
                self.now += self.rng.choice((HOUR / 60, HOUR, 6 * HOUR))
        self.advance()

    def finish_task(self, task_id: UUID) -> None:
        by: Json = {"actor": "user:x", "name": "Thandi", "now": self.now, "followers": TASK_FOLLOWERS}
        tasks.done(tenant_id=self.tenant_id, task_id=task_id, **by)

    def finish(self) -> None:
        """Let everybody come to an end."""
        self.poisoned = set()
        lifecycle.resume(**self.act, now=self.now)
        self.advance()
        due = "SELECT min(due_at) AS at FROM journey_enrollment WHERE journey_id IN (:id, :other) AND status = 'ACTIVE'"
        while later := rows(self.tenant_id, due, id=self.id, other=self.other)[0].at:
            self.now = max(self.now, later)
            self.advance()

    def check(self) -> None:
        """Fail unless log, people, messages and counters say the same."""
        for one in (self.id, self.other):
            check_counters(self.tenant_id, one)
        taken = rows(
            self.tenant_id,
            "SELECT e.id, e.status AS walk, s.step_number, s.step_key, s.status, s.exit, s.result"
            " FROM journey_enrollment e JOIN journey_enrollment_step s ON s.enrollment_id = e.id"
            " WHERE e.journey_id = :id ORDER BY e.id, s.step_number",
            id=self.id,
        )
        before: Any = None
        for one in taken:
            first = before is None or before.id != one.id
            assert one.step_number == (1 if first else before.step_number + 1), "each visit is logged once"
            assert first or one.step_key in follows(self.graph, before), (before, one)
            assert one.walk == "ACTIVE" or one.status != "IN_PROGRESS"
            before = one
        sent = [str(one.result["message_id"]) for one in taken if (one.result or {}).get("sent")]
        messages = rows(self.tenant_id, "SELECT id FROM message WHERE journey_id = :id", id=self.id)
        assert sorted(sent) == sorted(str(one.id) for one in messages), "each message is written once"
        self.check_outside(taken)

    def check_outside(self, taken: Sequence[Any]) -> None:
        """Fail unless others were told what the log says: one call, task and entry a visit, whoever died on the way."""
        visits = [one for one in taken if self.graph.steps[one.step_key].type == "WEBHOOK"]
        told = {one.id for one in self.receiver.told}
        assert sum(bool((one.result or {}).get("called")) for one in visits) <= len(told) <= len(visits)
        by = f"journey:{self.id}"
        given = {one.key for one in rows(self.tenant_id, "SELECT key FROM task WHERE created_by = :by", by=by)}
        asked = [one for one in taken if self.graph.steps[one.step_key].type == "TASK"]
        # Where workers died at it twice it is told as failed: before the task was given, or when it was done.
        sure = {f"journey:{one.id}:{one.step_number}" for one in asked if "error" not in (one.result or {})}
        assert sure <= given <= {f"journey:{one.id}:{one.step_number}" for one in asked}
        started = [one.result["enrollment_id"] for one in taken if (one.result or {}).get("started")]
        entered = rows(self.tenant_id, "SELECT id FROM journey_enrollment WHERE journey_id = :id", id=self.other)
        assert sorted(started) == sorted(str(one.id) for one in entered), "each is let in once"


def _reached(steps: list[Json]) -> list[Json]:
    """Return the steps people can come to, what names another one put right: an END lets nobody on."""
    graph = read_graph({"steps": steps})
    kept = graph.reached_from(steps[0]["key"])
    for one in steps:
        if one["config"].get("learn_step") not in (None, *graph.reached_from(*graph.steps[one["key"]].exits.values())):
            one["config"] = {name: value for name, value in one["config"].items() if name != "learn_step"}
            one["config"]["learn"] = "clicks"
        if one["type"] == "JUMP" and one["config"]["to"] not in kept:
            one["config"]["to"] = steps[0]["key"]
    return [one for one in steps if one["key"] in kept]


def follows(graph: Graph, before: Any) -> set[str | None]:
    """Return where somebody may be logged next after a step."""
    kept = graph.steps[before.step_key]
    goals = {key for key in graph.reached_from(before.step_key) if graph.steps[key].type == "GOAL"}
    after = graph.steps[before.step_key].exits.get(before.exit or "next")
    onward = {after, *({key for key in graph.reached_from(after) if graph.steps[key].type == "GOAL"} if after else ())}
    match before.status:
        case "FAILED":
            return {before.step_key, *goals}
        case "SKIPPED":
            return set(goals)
        case _ if (before.result or {}).get("jumped_to"):
            to = kept.config["to"]
            return {to, *(key for key in graph.reached_from(to) if graph.steps[key].type == "GOAL")}
        case _:
            return onward


DONE = ("enter", "enter", "time", "time", "time", "came", "booked", "calls", "calls", "done")
ACTS = (*DONE, "poison", "pause", "resume", "retry", "skip", "exit")
EXAMPLES = min(2000, max(12, settings().max_examples // 5)) if settings().max_examples > 100 else 12
"""Of "nightly" there are thousands."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving(monkeypatch) as found:
        yield found


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.lists(st.sampled_from(ACTS), max_size=12))
def test_any_graph_any_events_and_a_crash_anywhere(
    tenant: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, seed: int, acts: list[str]
) -> None:
    with monkeypatch.context() as patched:
        walk = Walk(tenant.id, random.Random(seed), receiver)
        real = UpdateStep.run

        def run_(self: UpdateStep, batch: StepBatch[Any]) -> None:
            real(self, batch)
            if walk.poisoned & set(batch.customer_ids):
                raise RuntimeError("the pump is dry")

        patched.setattr(UpdateStep, "run", run_)
        walk.do("enter")
        for what in acts:
            walk.do(what)
            walk.check()
        walk.finish()
        walk.check()
        left = rows(
            tenant.id,
            "SELECT current_step_key FROM journey_enrollment WHERE journey_id = :id AND status = 'ACTIVE'",
            id=walk.id,
        )
        assert left == [], "everybody comes to an end"
