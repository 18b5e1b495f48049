"""START JOURNEY: whoever comes here enters another journey as well, and goes on in this one."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from pydantic import Field

from app.journeys.engine.enrol import Candidate, enrol, why_not
from app.journeys.graph import Graph, Step
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, registry, runs_through


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
        candidates = [
            Candidate(
                target,
                walker.customer_id,
                f"start:{walker.enrollment_id}:{walker.step_number}",
                None,
                {**walker.trigger_data, "from_journey_id": batch.journey.id},
                by_itself=True,
            )
            for walker in batch.walkers
        ]
        made = {row.customer_id: row.id for row in enrol(batch.session, batch.tenant_id, candidates, batch.now)}
        others = [walker.customer_id for walker in batch.walkers if walker.customer_id not in made]
        reasons = why_not(batch.session, batch.tenant_id, target, others, by_itself=True)
        for walker in batch.walkers:
            started: dict[str, Any] = {"journey_id": str(target)}
            if enrollment := made.get(walker.customer_id):
                batch.leave(walker, result={"started": True, **started, "enrollment_id": str(enrollment)})
            else:
                batch.leave(walker, result={"started": False, **started, "reason": reasons[walker.customer_id]})


registry.register("START_JOURNEY")(StartJourney())
