"""GOAL: what the people before it are meant to do. Whoever does it is taken here at once, from wherever they stand."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from app.conditions import InvalidConditions, Tree, asks_nothing
from app.conditions import parse as parse_rules
from app.journeys import leaving
from app.journeys.engine import watching
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, registry


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
    otherwise: Literal["go_on", "leave"] = Field(
        default="go_on",
        title="Who comes here without it",
        json_schema_extra={"labels": {"go_on": "Goes on", "leave": "Leaves the journey"}},
    )

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

    def check(self, config: GoalConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield what is wrong with the event or the conditions."""
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
        if config.event_type:
            return f"Reached when “{known.event_types.get(config.event_type, config.event_type)}” happens"
        try:
            tree = self._tree(config, known)
        except InvalidConditions:
            return "Not set up yet"
        return "Not set up yet" if asks_nothing(tree) else f"Reached when {known.told(tree)}"

    def run(self, batch: StepBatch[GoalConfig]) -> None:
        """Let those who walk here go on, or out, by whether they have reached it."""
        reached = set()
        if not batch.config.event_type:
            tree = leaving.customer_tree(batch.config.tree_json, tenant_id=batch.tenant_id)
            reached = watching.who(batch.session, batch.tenant_id, tree, batch.customer_ids, batch.journey, batch.now)
        for walker in batch.walkers:
            told = {"reached": walker.customer_id in reached}
            if told["reached"] or batch.config.otherwise == "go_on":
                batch.leave(walker, result=told)
            else:
                batch.leave_journey(walker, "goal_missed", result=told)


registry.register(leaving.GOAL)(Goal())
