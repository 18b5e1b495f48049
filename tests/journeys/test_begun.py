"""Somebody whose data makes the worker die is found, fails, and keeps nobody else from going on."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.infra import clock, queue
from app.infra.db import beside, transaction
from app.infra.queue import Work
from app.journeys.engine import watching
from app.journeys.engine.advance import advance_batch
from app.journeys.engine.begun import Note
from app.journeys.step_type import StepBatch
from app.journeys.steps.update import UpdateConfig, UpdateStep
from tests.journeys.helpers import NOW, admit, check_counters, journey, paths, people, rows, run, statuses, step, tag
from tests.stack import ROOT, until

pytestmark = pytest.mark.committed

DIED = "The worker died three times at this step."
STEPS = [tag("first", "deadly", "first"), tag("deadly", "last", "deadly"), tag("last", None, "last")]
MINUTE = timedelta(minutes=1)


class Killed(BaseException):
    """The process dies here."""


@pytest.fixture
def at_deadly(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[StepBatch[Any]], None]], None]:
    """Return a function that has something done before the step `deadly` is run."""
    as_it_is = UpdateStep.run

    def do_first(act: Callable[[StepBatch[Any]], None]) -> None:
        def run(self: UpdateStep, batch: StepBatch[UpdateConfig]) -> None:
            if batch.step_key == "deadly":
                act(batch)
            as_it_is(self, batch)

        monkeypatch.setattr(UpdateStep, "run", run)

    return do_first


def run_and_die(tenant_id: UUID, now: Any = NOW) -> int:
    """Walk everybody on who is due, with another worker whenever one dies; return how many died."""
    deaths = 0
    while True:
        try:
            run(tenant_id, now)
        except Killed:
            deaths += 1
        else:
            return deaths


def notes(tenant_id: UUID) -> list[Any]:
    return rows(tenant_id, "SELECT cardinality(people) AS many, begun, deaths FROM journey_batch")


def test_who_makes_the_worker_die_is_found_and_the_others_go_on(tenant: Any, at_deadly: Any) -> None:
    made, everybody = journey(tenant.id, STEPS), people(tenant.id, 120)
    poison = everybody[70]

    def die(batch: StepBatch[Any]) -> None:
        if poison in batch.customer_ids:
            raise Killed

    at_deadly(die)
    admit(tenant.id, made.id, everybody)
    # With everybody, with one other person, and twice alone; then they wait a minute.
    assert run_and_die(tenant.id) == 4
    assert [one for one, status in statuses(tenant.id).items() if status != ("COMPLETED", "completed")] == [poison]
    [waiting] = rows(tenant.id, "SELECT error, due_at FROM journey_enrollment WHERE status = 'ACTIVE'")
    assert waiting == ("The worker died at this step.", NOW + MINUTE)
    assert run_and_die(tenant.id, NOW + MINUTE) == 1
    [failed] = rows(tenant.id, "SELECT customer_id, current_step_key, error FROM journey_enrollment WHERE error <> ''")
    assert failed == (poison, "deadly", DIED)
    assert paths(tenant.id)[poison][1:] == [("first", "COMPLETED"), ("deadly", "FAILED")]
    assert notes(tenant.id) == []
    check_counters(tenant.id, made.id)


def test_a_worker_that_is_killed_costs_its_people_nothing(tenant: Any, at_deadly: Any) -> None:
    made, left = journey(tenant.id, STEPS), [1, 1]

    def die(_: StepBatch[Any]) -> None:
        if left:
            left.pop()
            raise Killed

    at_deadly(die)
    admit(tenant.id, made.id, people(tenant.id, 3))
    assert run_and_die(tenant.id) == 2
    assert set(statuses(tenant.id).values()) == {("COMPLETED", "completed")}
    assert notes(tenant.id) == []
    check_counters(tenant.id, made.id)


def test_who_was_alone_when_it_died_is_free_again_once_the_step_is_done(tenant: Any, at_deadly: Any) -> None:
    """Deaths are counted by step: two here and two there are no three."""
    steps = [tag("deadly", "wait", "a"), step("wait", "WAIT", "end", {"duration": "1 day"}), step("end", "END")]
    made, left = journey(tenant.id, steps), [1, 1, 1]

    def die(_: StepBatch[Any]) -> None:
        if left:
            left.pop()
            raise Killed

    at_deadly(die)
    admit(tenant.id, made.id, people(tenant.id, 1))
    # On their way from the trigger, and twice at this step.
    assert run_and_die(tenant.id) == 3
    assert [one.deaths for one in notes(tenant.id)] == [2]
    assert run_and_die(tenant.id, NOW + MINUTE) == 0
    assert notes(tenant.id) == []
    [person] = rows(tenant.id, "SELECT current_step_key, error, attempts FROM journey_enrollment")
    assert person == ("wait", None, 0)


def test_what_fails_without_a_death_leaves_no_note(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no such thing")

    made = journey(tenant.id, STEPS)
    admit(tenant.id, made.id, people(tenant.id, 2))
    monkeypatch.setattr("app.journeys.engine.writes.write", fail)
    with pytest.raises(ValueError, match="no such thing"):
        advance_batch(tenant_id=tenant.id, now=NOW)
    monkeypatch.undo()
    assert notes(tenant.id) == []
    assert run(tenant.id) == 2


def test_a_worker_that_lives_is_not_taken_for_dead(app: Flask, tenant: Any, at_deadly: Any) -> None:
    made, found = journey(tenant.id, STEPS), []

    def look() -> None:
        with app.app_context(), transaction(tenant.id) as session:
            found.append((len(notes(tenant.id)), Note(tenant.id).lost(session, NOW)))

    def another_worker(_: StepBatch[Any]) -> None:
        other = threading.Thread(target=look)
        other.start()
        other.join()

    at_deadly(another_worker)
    admit(tenant.id, made.id, people(tenant.id, 2))
    assert run(tenant.id) == 2
    assert found == [(1, None)]


def test_who_makes_the_worker_die_before_the_step_is_tried_fails_too(
    tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While conditions are asked by which people leave, say."""
    everybody = people(tenant.id, 3)
    poison, as_it_is = everybody[1], watching.ask
    rule = {"field": "first_name", "operator": "equals", "value": "Nobody"}
    made = journey(tenant.id, STEPS, exit_conditions={"combinator": "AND", "rules": [rule]})

    def ask(session: Any, tenant_id: UUID, watch: Any, step: Any, walkers: Any, *more: Any) -> Any:
        if step.key == "deadly" and poison in {one.customer_id for one in walkers}:
            raise Killed
        return as_it_is(session, tenant_id, watch, step, walkers, *more)

    monkeypatch.setattr(watching, "ask", ask)
    admit(tenant.id, made.id, everybody)
    assert run_and_die(tenant.id) + run_and_die(tenant.id, NOW + MINUTE) == 4
    assert [one for one, status in statuses(tenant.id).items() if status[0] == "FAILED"] == [poison]
    assert list(statuses(tenant.id).values()).count(("COMPLETED", "completed")) == 2
    assert notes(tenant.id) == []
    check_counters(tenant.id, made.id)


def test_what_fails_of_somebody_alone_is_walked_again(
    tenant: Any, at_deadly: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no such thing")

    made, left = journey(tenant.id, STEPS), [1]

    def die(_: StepBatch[Any]) -> None:
        if left:
            left.pop()
            raise Killed

    at_deadly(die)
    admit(tenant.id, made.id, people(tenant.id, 1))
    with pytest.raises(Killed):
        run(tenant.id)
    with monkeypatch.context() as failing:
        failing.setattr("app.journeys.engine.writes.write", fail)
        with pytest.raises(ValueError, match="no such thing"):
            run(tenant.id)
    run(tenant.id)
    assert set(statuses(tenant.id).values()) == {("COMPLETED", "completed")}
    assert notes(tenant.id) == []


def test_who_is_noted_goes_on_in_no_other_batch(tenant: Any) -> None:
    made, everybody = journey(tenant.id, STEPS), people(tenant.id, 3)
    alone = admit(tenant.id, made.id, everybody)[everybody[0]]
    note(tenant.id, alone, NOW + MINUTE)
    run(tenant.id)
    assert [one for one, (status, _) in statuses(tenant.id).items() if status == "ACTIVE"] == everybody[:1]
    run(tenant.id, NOW + MINUTE)
    assert set(statuses(tenant.id).values()) == {("COMPLETED", "completed")}
    assert notes(tenant.id) == []


def test_deaths_of_whom_others_hold_are_not_forgotten(tenant: Any) -> None:
    made, [who, other] = journey(tenant.id, STEPS), people(tenant.id, 2)
    alone = admit(tenant.id, made.id, [who, other])[who]
    note(tenant.id, alone, NOW, deaths=2)
    with beside(tenant.id) as elsewhere:
        elsewhere.execute(text("SELECT 1 FROM journey_enrollment WHERE id = :id FOR UPDATE"), {"id": alone})
        run(tenant.id)
    assert statuses(tenant.id)[other] == ("COMPLETED", "completed")
    assert notes(tenant.id) == [(1, False, 2)]
    run(tenant.id, NOW + MINUTE)
    assert statuses(tenant.id)[who] == ("COMPLETED", "completed")
    assert notes(tenant.id) == []


def note(tenant_id: UUID, alone: UUID, due_at: Any, deaths: int = 1) -> None:
    """Note that workers died so often with somebody alone."""
    asked = "INSERT INTO journey_batch (tenant_id, people, begun, deaths, due_at)"
    told = {"tenant": tenant_id, "people": [alone], "deaths": deaths, "due_at": due_at}
    rows(tenant_id, f"{asked} VALUES (:tenant, :people, false, :deaths, :due_at) RETURNING id", **told)


def test_a_worker_whose_batch_fails_is_not_taken_for_dead_meanwhile(
    app: Flask, tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, as_it_is = [], Note.take_back

    def look() -> None:
        with app.app_context(), transaction(tenant.id) as session:
            found.append((len(notes(tenant.id)), Note(tenant.id).lost(session, NOW)))

    def take_back(self: Note, error: Exception) -> None:
        other = threading.Thread(target=look)
        other.start()
        other.join()
        as_it_is(self, error)

    def fail(*_: object) -> None:
        raise ValueError("no such thing")

    made = journey(tenant.id, STEPS)
    admit(tenant.id, made.id, people(tenant.id, 2))
    monkeypatch.setattr(Note, "take_back", take_back)
    monkeypatch.setattr("app.journeys.engine.writes.write", fail)
    with pytest.raises(ValueError, match="no such thing"):
        advance_batch(tenant_id=tenant.id, now=NOW)
    assert found == [(1, None)]
    assert notes(tenant.id) == []


def test_a_worker_whose_process_ends_at_a_step(tenant: Any) -> None:
    """Segmentation faults, memory that is used up: no exception is raised then, and nothing is tidied up."""
    made, everybody = journey(tenant.id, STEPS), people(tenant.id, 8)
    poison = everybody[3]
    admit(tenant.id, made.id, everybody, now=clock.now())
    workers = subprocess.Popen(
        [sys.executable, "-m", "tests.journeys.deadly"],
        cwd=ROOT,
        env=os.environ | {"POISON": str(poison)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )

    def over() -> bool:
        """Wake a worker as the tick does; nobody has to wait for the minute after which somebody is tried again."""
        # At once: a note that is due of somebody who is not is forgotten, with how often a worker died.
        sooner = "SET due_at = now() WHERE due_at > now() RETURNING id"
        rows(tenant.id, f"WITH person AS (UPDATE journey_enrollment {sooner}) UPDATE journey_batch {sooner}")
        queue.enqueue(Work.ADVANCE_JOURNEYS, tenant.id)
        return "ACTIVE" not in {status for status, _ in statuses(tenant.id).values()}

    try:
        until(over)
    finally:
        os.killpg(workers.pid, signal.SIGKILL)
        ends, _ = workers.communicate()
    # With everybody, then three times alone.
    assert ends.split() == [b"9"] * 4
    failed = rows(tenant.id, "SELECT customer_id, current_step_key, error FROM journey_enrollment WHERE error <> ''")
    assert failed == [(poison, "deadly", DIED)]
    assert list(statuses(tenant.id).values()).count(("COMPLETED", "completed")) == 7
    check_counters(tenant.id, made.id)
