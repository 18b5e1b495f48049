"""START JOURNEY: whoever comes here enters another journey as well, and goes on in this one."""

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.infra.arrays import array
from app.journeys.engine.enrol import Candidate, enrol, why_not
from app.journeys.graph import Graph, Step
from app.journeys.kinds import runs_through
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, Walker, registry

log = logging.getLogger(__name__)

Coming = tuple[Walker, int]
"""Somebody with the number under which the step stands in their log."""

_TELL = text("""
    UPDATE journey_enrollment_step step SET result = CAST(told.result AS jsonb)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS int[]), CAST(:results AS text[])) AS told(id, number, result)
    WHERE step.tenant_id = :tenant_id AND step.enrollment_id = told.id AND step.step_number = told.number
""")


class StartJourneyConfig(StepConfig):
    """Which journey."""

    journey_id: UUID = Field(
        title="Journey",
        description="They enter it as by its trigger: not twice at once, and again only if it lets people come again. "
        "Who can't enter goes on here all the same; their path tells why.",
        json_schema_extra={"widget": "journey"},
    )


class StartJourney(StepType[StartJourneyConfig]):
    """Lets people into another journey, which walks them from the next batch on."""

    label = "Start a journey"
    icon = "route"
    description = "Let people into another journey; they go on here too."
    reaches_out = True
    Config = StartJourneyConfig

    def check(self, config: StartJourneyConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield what is wrong with the journey."""
        if config.journey_id == known.id:
            yield "journey_id", "A journey can't start itself. Use a jump to go back in it, or choose another one."
        elif config.journey_id not in known.journeys:
            yield "journey_id", "This journey does not exist, or is archived. Choose another one."

    def check_place(self, step: Step, graph: Graph, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield that the other journey starts this one again, and nothing on the way round takes time."""
        first = graph.trigger
        config = StartJourneyConfig.model_validate(step.config)
        if first is None or known.id is None or not runs_through(graph, first.key, step.key):
            return
        starts = known.starts()
        seen: set[UUID] = set()
        ahead = [config.journey_id]
        while ahead:
            one = ahead.pop()
            if one not in seen:
                seen.add(one)
                ahead += starts.get(one, ())
        if known.id in seen and config.journey_id != known.id:
            name = known.journeys.get(config.journey_id, "It")
            yield (
                "journey_id",
                f"“{name}” starts this journey again, and nothing on the way round takes time. Put a wait before this "
                "step, or into the other journey.",
            )

    def title(self, config: StartJourneyConfig, known: Known) -> str:
        """Return the journey's name."""
        return self.words(config, known) if config.journey_id in known.journeys else self.label

    def words(self, config: StartJourneyConfig, known: Known) -> str:
        """Return the journey's name."""
        name = known.journeys.get(config.journey_id)
        return f"Start “{name}”" if name else "Start a journey that does not exist"

    def run(self, batch: StepBatch[StartJourneyConfig]) -> None:
        """Let everybody in who may enter; what was known of them when they came is known there, too.

        In a rehearsal nobody enters: it would hold up the other journey, whose people are real.
        """
        if batch.journey.rehearsed:
            batch.leave_all(result={"rehearsed": True})
            return
        target = batch.config.journey_id
        for walker in batch.walkers:
            # What follows may ask whether they are in the other journey.
            batch.leave(walker, result={"journey_id": str(target)}, later=True)
        # The other journey is locked with those whose counters move, in their order: nobody waits for this batch longer
        # than for any other, nor in a circle.
        batch.at_last.append(
            (target, partial(_enter, batch, [(walker, walker.step_number) for walker in batch.walkers]))
        )


def _enter(batch: StepBatch[StartJourneyConfig], people: Sequence[Coming]) -> None:
    """Let people into the other journey and tell in the log who is in and why others are not."""
    target = batch.config.journey_id
    try:
        with batch.session.begin_nested():
            results = _entered(batch, target, people)
    except OperationalError:
        # The database, and nobody's data, is in trouble: the whole batch is tried again later.
        raise
    except Exception:
        if len(people) > 1:
            middle = len(people) // 2
            _enter(batch, people[:middle])
            _enter(batch, people[middle:])
            return
        log.exception("Enrollment %s can't start journey %s", people[0][0].enrollment_id, target)
        results = [{"started": False, "reason": "What is known of them can't be taken over."}]
    told = [orjson.dumps({"journey_id": str(target), **one}).decode() for one in results]
    values = {
        "ids": array(walker.enrollment_id for walker, _ in people),
        "numbers": array(number for _, number in people),
        "results": array(told),
    }
    batch.session.execute(_TELL, {"tenant_id": batch.tenant_id, **values})


def _entered(batch: StepBatch[StartJourneyConfig], target: UUID, people: Sequence[Coming]) -> list[dict[str, Any]]:
    """Let in who may enter and return what became of each."""
    candidates = [
        Candidate(
            target,
            walker.customer_id,
            f"start:{walker.enrollment_id}:{number}",
            None,
            {**walker.trigger_data, "from_journey_id": batch.journey.id},
            by_itself=True,
        )
        for walker, number in people
    ]
    made = {row.customer_id: row.id for row in enrol(batch.session, batch.tenant_id, candidates, batch.now)}
    others = [walker.customer_id for walker, _ in people if walker.customer_id not in made]
    reasons = why_not(batch.session, batch.tenant_id, target, others, by_itself=True)
    return [
        {"started": True, "enrollment_id": str(made[walker.customer_id])}
        if walker.customer_id in made
        else {"started": False, "reason": reasons[walker.customer_id]}
        for walker, _ in people
    ]


registry.register("START_JOURNEY")(StartJourney())
