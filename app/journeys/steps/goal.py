"""GOAL: what the people before it are meant to do. Whoever does it is taken here at once, from wherever they stand."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field, field_validator

from app.conditions import InvalidConditions, Tree, asks_nothing
from app.conditions import parse as parse_rules
from app.events import catalogue
from app.journeys import leaving
from app.journeys.durations import duration
from app.journeys.engine import watching
from app.journeys.since import happened
from app.journeys.step_type import ANEW, ANYTHING, Known, StepBatch, StepConfig, StepType, Walker, registry

FIRST_LOOK = timedelta(minutes=2)
LOOK_EVERY = timedelta(hours=6)


class GoalConfig(StepConfig):
    """An event, or conditions on the customer; and what becomes of those who come here without."""

    event_type: str | None = Field(
        default=None,
        max_length=100,
        title="Reached by an event",
        description="Or choose none, and say below what has to be true of the customer.",
        json_schema_extra={"widget": "goal_event"},
    )
    rules: list[dict[str, Any]] = Field(
        default=[],
        title="Or by conditions",
        description="Asked when something happens to the person, and before each of their steps.",
        json_schema_extra={"widget": "conditions"},
    )
    combinator: Literal["AND", "OR"] = Field(
        default="AND", title="Join by", json_schema_extra={"widget": "combinator", "joins": "rules"}
    )
    otherwise: Literal["go_on", "leave", "wait"] = Field(
        default="go_on",
        title="Who comes here without it",
        json_schema_extra={
            "labels": {"go_on": "Goes on", "leave": "Leaves the journey", "wait": "Waits here until they reach it"}
        },
    )
    at_most: str | None = Field(
        default=None,
        title="But no longer than",
        json_schema_extra={"widget": "duration"},
    )
    then: Literal["go_on", "leave"] = Field(
        default="leave",
        title="Who has waited so long",
        json_schema_extra={"labels": {"leave": "Leaves the journey", "go_on": "Goes on"}},
    )

    @field_validator("at_most")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None and not duration(value):
            raise ValueError("Give a time longer than nothing.")
        return value

    @property
    def tree_json(self) -> dict[str, Any]:
        """Return the conditions as one group."""
        return {"combinator": self.combinator, "rules": self.rules}


class Goal(StepType[GoalConfig]):
    """People are taken here by `app.journeys.engine.watching`; `run` sees those who walk here."""

    label = "Goal"
    icon = "trophy"
    description = "Take people here as soon as they have done what the journey is for."
    Config = GoalConfig

    def wakes(
        self,
        config: GoalConfig,
        event_type: str,
        payload: Mapping[str, Any],  # noqa: ARG002
        *,
        zone: str,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> bool:
        """Return whether an event may mean that they have reached it."""
        return config.event_type in (None, event_type)

    def waits_otherwise(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Return whether it is reached by something else, or waited for otherwise."""
        return any(before.get(name) != after.get(name) for name in ("event_type", "rules", "combinator", "otherwise"))

    def check(self, config: GoalConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield what is wrong with the event or the conditions, and with the time people wait."""
        if config.otherwise == "wait" and config.at_most is None:
            yield "at_most", "Say how long they wait at most."
        if config.event_type:
            if config.rules:
                yield "event_type", "Choose an event or say conditions, not both."
            return
        try:
            errors = known.unknown(self._tree(config, known))
        except InvalidConditions as wrong:
            errors = wrong.errors
        for path, message in errors.items():
            yield path or "rules", message

    def _tree(self, config: GoalConfig, known: Known) -> Tree:
        return parse_rules(config.tree_json, known.profile, spoken=True)

    def words(self, config: GoalConfig, known: Known) -> str:
        """Return what has to happen."""
        waits = f"; they wait for it, at most {config.at_most}" if config.otherwise == "wait" else ""
        if config.event_type:
            return f"Reached when “{catalogue.get(config.event_type).label}” happens{waits}"
        try:
            tree = self._tree(config, known)
        except InvalidConditions:
            return "Not set up yet"
        return "Not set up yet" if asks_nothing(tree) else f"Reached when {known.told(tree)}{waits}"

    def run(self, batch: StepBatch[GoalConfig]) -> None:
        """Let those who walk here go on, wait or leave, by whether they have reached it."""
        event = batch.config.event_type
        if event:
            looking = [one for one in batch.walkers if one.waiting_until is not None and not _woken(one, event)]
            found = happened(batch, event, [], looking)
            reached = {one for one in batch.walkers if one.enrollment_id in found or _woken(one, event)}
        else:
            tree = leaving.customer_tree(batch.config.tree_json, tenant_id=batch.tenant_id)
            who = watching.who(batch.session, batch.tenant_id, tree, batch.customer_ids, batch.journey, batch.now)
            reached = {one for one in batch.walkers if one.customer_id in who}
        for walker in batch.walkers:
            if walker in reached:
                batch.leave(walker, result={"reached": True})
            else:
                _without(batch, walker)


def _woken(walker: Walker, event_type: str) -> bool:
    return walker.woken_by is not None and walker.woken_by.get("type") == event_type


def _without(batch: StepBatch[GoalConfig], walker: Walker) -> None:
    """Let somebody go on, wait or leave who has not reached it."""
    config, now = batch.config, batch.now
    otherwise: str = config.otherwise
    if otherwise == "wait":
        until = walker.waiting_until or now + duration(config.at_most or "0 minutes")
        if until > now:
            # What happens in the very moment somebody comes is found by the log then; a condition can begin to hold
            # as time passes.
            soon = FIRST_LOOK if config.event_type else LOOK_EVERY
            told = ANEW in (walker.woken_by or {})
            again = config.event_type is None or walker.waits_for != config.event_type or told
            look_at = min(until, now + soon) if again else None
            batch.park(walker, until, {"waits": True}, waits_for=config.event_type or ANYTHING, look_at=look_at)
            return
        otherwise = config.then
    if otherwise == "go_on":
        batch.leave(walker, result={"reached": False})
    else:
        batch.leave_journey(walker, "goal_missed", result={"reached": False})


registry.register(leaving.GOAL)(Goal())
