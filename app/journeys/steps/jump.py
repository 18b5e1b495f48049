"""JUMP: back to a step, so that a path is walked again: a few times, and not at once."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from pydantic import Field, field_validator
from sqlalchemy import Row, text

from app.infra.arrays import array
from app.journeys.durations import duration, longer_than_nothing
from app.journeys.graph import TRIGGER, Graph, Step
from app.journeys.kinds import runs_through
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, registry

MAX_TIMES = 1000


class JumpConfig(StepConfig):
    """Where to, how often, and how long a round takes at least."""

    to: str = Field(title="Go on with", json_schema_extra={"widget": "step"})
    max_times: int = Field(
        default=3,
        ge=1,
        le=MAX_TIMES,
        title="At most so many times",
        description="For each person. After that they go on below.",
    )
    at_least: str | None = Field(
        default=None,
        title="Not sooner than",
        description="So long after they last came to that step; until then they wait here.",
        json_schema_extra={"widget": "duration"},
    )

    @field_validator("at_least")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None and not duration(value):
            raise ValueError("Give a time longer than nothing, or leave it empty.")
        return value


# The log is walked back from its end, so a long path costs no more than the last round.
_PASSED = text("""
    SELECT e.id, (
        SELECT CAST(s.result ->> 'times' AS int) FROM journey_enrollment_step s
        WHERE s.tenant_id = :tenant_id AND s.enrollment_id = e.id AND s.step_key = :key AND s.status = 'COMPLETED'
        ORDER BY s.step_number DESC LIMIT 1
    ) AS times, (
        SELECT s.entered_at FROM journey_enrollment_step s
        WHERE s.tenant_id = :tenant_id AND s.enrollment_id = e.id AND s.step_key = :to
        ORDER BY s.step_number DESC LIMIT 1
    ) AS entered_at
    FROM unnest(CAST(:ids AS uuid[])) AS e(id)
""")


class Jump(StepType[JumpConfig]):
    """The only way back in a journey. The log tells how often somebody has taken it."""

    label = "Jump"
    icon = "refresh"
    description = "Go back to an earlier step, a limited number of times."
    Config = JumpConfig

    def defaults(self) -> dict[str, Any]:
        """Return three rounds, to nowhere yet."""
        return {"max_times": 3}

    def leads_to(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the step it jumps to."""
        return (config["to"],) if isinstance(config.get("to"), str) else ()

    def retargeted(self, config: Mapping[str, Any], called: Callable[[str], str]) -> Mapping[str, Any]:
        """Return the settings leading to the same step under its other key."""
        return {**config, "to": called(config["to"])} if isinstance(config.get("to"), str) else config

    def takes_time(self, config: Mapping[str, Any]) -> bool:
        """Return whether people may have to wait here."""
        return longer_than_nothing(config.get("at_least"))

    def check_place(self, step: Step, graph: Graph, known: Known) -> Iterator[tuple[str | None, str]]:  # noqa: ARG002
        """Yield what is wrong with where it leads."""
        to = str(step.config.get("to"))
        if to == step.key:
            yield "to", "A step can’t lead back to itself. Choose another one."
        elif to not in graph.steps:
            yield "to", "This step is not in the journey any more. Choose another one."
        elif graph.steps[to].type == TRIGGER:
            yield "to", "Nobody can go back to the trigger. Choose a step after it."
        elif not self.takes_time(step.config) and runs_through(graph, to, step.key):
            yield (
                "at_least",
                "There is a way from that step back to this one on which nothing takes time, so people would go round "
                "at once. Say how long a round takes at least, or put a wait on the way.",
            )

    def words(self, config: JumpConfig, known: Known) -> str:
        """Return where to, how often and not before when."""
        name = known.steps.get(config.to)
        where = f"Go to “{name}”" if name else "Go to a step that is gone"
        often = "once" if config.max_times == 1 else f"at most {config.max_times} times"
        return f"{where}, {often}" + (f", at least {config.at_least} apart" if config.at_least else "")

    def run(self, batch: StepBatch[JumpConfig]) -> None:
        """Send back whoever may jump again, once their time has come; let the others go on."""
        config = batch.config
        apart = duration(config.at_least) if config.at_least else None
        passed = _passed(batch)
        came_now = batch.entered_now(config.to)
        for walker in batch.walkers:
            so_far = passed[walker.enrollment_id]
            times = so_far.times or 0
            if times >= config.max_times:
                batch.leave(walker, result={"times": times, "at_most": config.max_times})
                continue
            entered_at = batch.now if walker.enrollment_id in came_now else so_far.entered_at
            until = walker.waiting_until or (entered_at + apart if apart and entered_at else batch.now)
            if until > batch.now:
                batch.park(walker, until)
                continue
            told = {"jumped_to": config.to, "times": times + 1, "at_most": config.max_times}
            batch.jump(walker, config.to, told)


def _passed(batch: StepBatch[JumpConfig]) -> dict[UUID, Row[Any]]:
    """Return how often each has jumped here, and when they last came to the step it leads to, as far as logged."""
    ids = array(walker.enrollment_id for walker in batch.walkers)
    values = {"tenant_id": batch.tenant_id, "key": batch.step_key, "to": batch.config.to, "ids": ids}
    return {row.id: row for row in batch.session.execute(_PASSED, values)}


registry.register("JUMP")(Jump())
