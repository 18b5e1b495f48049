"""Any graph, any events, a crash at any statement: each step and message once, and counters that equal the log."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as sa_event

from app.accounts.models import Tenant
from app.capture.batch import AppliedEvent
from app.infra.db import db
from app.infra.ids import new_id
from app.journeys import lifecycle, queries
from app.journeys.engine import exits, retry
from app.journeys.engine.advance import advance_batch
from app.journeys.graph import Graph
from app.journeys.service import WrongStatus
from app.journeys.step_type import StepBatch, exits_of
from app.journeys.steps.update import UpdateStep
from tests.journeys.helpers import NOW, Json, check_counters, event, happen, journey, people, rows, step, template

pytestmark = pytest.mark.committed

HOUR = timedelta(hours=1)
CAME, BOOKED = "visit.logged", "booking.created"
GOLD: Json = {"field": "membership_tier", "operator": "eq", "value": "Gold"}
KINDS = ("SEND", "UPDATE", "UPDATE", "WAIT", "UNTIL", "CONDITION", "SPLIT", "JUMP", "GOAL")


class Killed(BaseException):
    """The process dies here."""


def a_step(rng: random.Random, at: int, keys: list[str], template_id: UUID) -> Json:
    """Return a step whose first way leads to the next one, and the others anywhere below."""
    kind = rng.choice(KINDS if at else KINDS[:7])
    configs: dict[str, Json] = {
        "SEND": {"channel": "EMAIL", "template_id": str(template_id)},
        "UPDATE": {"updates": [{"field": "tags", "operation": "add", "value": f"t{at}"}]},
        "WAIT": {"duration": rng.choice(("0 hours", "1 hour", "5 hours"))},
        "UNTIL": {"event_type": CAME, "timeout": "3 hours"},
        "CONDITION": {"rules": [GOLD], "combinator": "AND"},
        "SPLIT": {"variants": [{"key": "a", "name": "A"}, {"key": "b", "name": "B"}], "holdout_percent": 20},
        "JUMP": {"to": rng.choice(keys[:at] or keys), "max_times": rng.randint(1, 2), "at_least": "1 hour"},
        "GOAL": {"event_type": BOOKED, "otherwise": rng.choice(("go_on", "leave"))},
    }
    type_, config = ("WAIT" if kind == "UNTIL" else kind), configs[kind]
    first, *others = exits_of(type_, config)
    below = [*keys[at + 1 :], None]
    ways = {first: below[0], **{other: rng.choice(below) for other in others}}
    named = {"next" if way == "next" else f"next_{way}": target for way, target in ways.items()}
    return step(keys[at], type_, None, config, **{name: to for name, to in named.items() if name != "next"}) | {
        "next": ways.get("next")
    }


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

    def __init__(self, tenant_id: UUID, rng: random.Random) -> None:
        self.tenant_id, self.rng, self.now = tenant_id, rng, NOW
        keys = [f"s{one}" for one in range(rng.randint(1, 8))]
        letter = template(tenant_id, f"Letter {new_id()}")
        steps = [a_step(rng, at, keys, letter) for at in range(len(keys))]
        self.entry = f"entered.{new_id().hex}"
        settings_: Json = {"reentry": rng.choice(("never", "after_exit")), "goal_days": 3}
        made = journey(tenant_id, steps, name=f"Any {new_id()}", trigger_type=self.entry, **settings_)
        self.id, self.graph = made.id, queries.draft(made)
        self.who = people(tenant_id, 3) + people(tenant_id, membership_tier="Gold")
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

    def finish(self) -> None:
        """Let everybody come to an end."""
        self.poisoned = set()
        lifecycle.resume(**self.act, now=self.now)
        self.advance()
        due = "SELECT min(due_at) AS at FROM journey_enrollment WHERE journey_id = :id AND status = 'ACTIVE'"
        while later := rows(self.tenant_id, due, id=self.id)[0].at:
            self.now = max(self.now, later)
            self.advance()

    def check(self) -> None:
        """Fail unless log, people, messages and counters say the same."""
        check_counters(self.tenant_id, self.id)
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


ACTS = (*("enter", "time") * 2, "time", "came", "booked", "poison", "pause", "resume", "retry", "skip", "exit")
EXAMPLES = min(2000, max(12, settings().max_examples // 5)) if settings().max_examples > 100 else 12
"""Of "nightly" there are thousands."""


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.lists(st.sampled_from(ACTS), max_size=12))
def test_any_graph_any_events_and_a_crash_anywhere(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, seed: int, acts: list[str]
) -> None:
    with monkeypatch.context() as patched:
        walk = Walk(tenant.id, random.Random(seed))
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
