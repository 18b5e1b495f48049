"""CONDITION: ways on by what is known of the customer: yes and no, or the first of several that fits."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.conditions import Catalogue, InvalidConditions, Tree, parse
from app.journeys import (
    asking,
    condition_fields,  # noqa: F401 - it fills the catalogue
    paths,
    walks,
)
from app.journeys.graph import Graph, Step
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, registry

ELSE = "else"
MAX_NAME = 80
Combinator = Literal["AND", "OR"]


class Path(BaseModel):
    """One way of several, and whom it is for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str | None = Field(default=None, title="Key", description="Its exit; made of the name where it is left out.")
    name: str = Field(title="Name", min_length=1, max_length=MAX_NAME)
    rules: list[dict[str, Any]] = Field(default=[], title="Conditions")
    combinator: Combinator = Field(default="AND", title="Join by")


@dataclass(frozen=True, slots=True)
class Way:
    """The conditions of one way, and where they stand in the settings."""

    at: str
    name: str
    tree: Tree


class ConditionConfig(StepConfig):
    """Rules about the customer, joined by AND or OR: yes or no. Or several paths, each with rules of its own."""

    rules: list[dict[str, Any]] = Field(
        default=[],
        title="Conditions",
        description="Asked at the moment the person comes here. What is not known counts as no.",
        json_schema_extra={"widget": "walk_conditions"},
    )
    combinator: Combinator = Field(
        default="AND", title="Join by", json_schema_extra={"widget": "combinator", "joins": "rules"}
    )
    paths: list[Path] | None = Field(
        default=None,
        min_length=1,
        max_length=paths.MOST,
        title="Ways on",
        description="The first whose conditions hold is taken, from the top. Whoever fits none goes the last way.",
        json_schema_extra={"widget": "paths"},
    )

    @model_validator(mode="after")
    def _one(self) -> "ConditionConfig":
        if self.paths is not None and self.rules:
            raise ValueError("Give rules, or paths with rules of their own; not both.")
        return self

    def ways(self, catalogue: Catalogue) -> list[Way]:
        """Return the ways but for the last, which asks nothing; raises InvalidConditions, keyed as the settings are."""
        if self.paths is None:
            return [Way("", "Yes", _tree(self.rules, self.combinator, catalogue))]
        found, errors = [], dict[str, str]()
        for index, one in enumerate(self.paths):
            at = f"paths[{index}]."
            try:
                found.append(Way(at, one.name, _tree(one.rules, one.combinator, catalogue)))
            except InvalidConditions as wrong:
                errors |= {f"{at}{path or 'rules'}": message for path, message in wrong.errors.items()}
        if errors:
            raise InvalidConditions(errors)
        return found


def _tree(rules: list[dict[str, Any]], combinator: Combinator, catalogue: Catalogue) -> Tree:
    return parse({"combinator": combinator, "rules": rules}, catalogue, spoken=True)


class Condition(StepType[ConditionConfig]):
    """Asks the database once for everybody in the batch."""

    label = "Condition"
    icon = "git-branch"
    description = "Send people different ways by what you know of them."
    Config = ConditionConfig

    def exits(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return yes and no, or the keys of the paths and that of the rest."""
        if config.get("paths") is None:
            return ("yes", "no")
        return (*paths.keys_of(config["paths"]), ELSE)

    def exit_labels(self, config: Mapping[str, Any]) -> dict[str, str]:
        """Return yes and no, or the names of the paths."""
        return {"yes": "Yes", "no": "No", ELSE: "Everybody else", **paths.labels_of(config.get("paths"))}

    def defaults(self) -> dict[str, Any]:
        """Return no rules yet."""
        return {"rules": [], "combinator": "AND"}

    def check(self, config: ConditionConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield what is wrong with the rules, and with the names of paths."""
        rows = _rows(config)
        for index, one in enumerate(config.paths or ()):
            if wrong := paths.problem(one.key, one.name, rows, index):
                yield f"paths[{index}]", wrong
        try:
            for way in config.ways(known.walks):
                for path, message in known.unknown(way.tree).items():
                    yield f"{way.at}{path or 'rules'}", message
        except InvalidConditions as wrongs:
            for path, message in wrongs.errors.items():
                yield path or "rules", message

    def check_place(self, step: Step, graph: Graph, known: Known) -> Iterator[tuple[str | None, str]]:  # noqa: ARG002
        """Yield which rules ask what no step of the journey is answered."""
        for at, rules in _rules(step.config):
            yield from ((f"{at}{path}", message) for path, message in walks.no_calls(rules, graph))

    def retargeted(self, config: Mapping[str, Any], called: Callable[[str], str]) -> Mapping[str, Any]:
        """Return the settings with the WEBHOOK steps whose answers they ask of by their other keys."""
        given = config.get("paths")
        if not isinstance(given, list):
            return {**config, "rules": walks.retargeted(config["rules"], called)} if "rules" in config else config
        return {
            **config,
            "paths": [
                {**one, "rules": walks.retargeted(one["rules"], called)}
                if isinstance(one, Mapping) and "rules" in one
                else one
                for one in given
            ],
        }

    def words(self, config: ConditionConfig, known: Known) -> str:
        """Return the rules as a sentence, or the names of the paths."""
        if config.paths is not None:
            return f"{', '.join(one.name for one in config.paths)}, or else"
        try:
            return known.told(config.ways(known.walks)[0].tree)
        except InvalidConditions:
            return "Not set up yet"

    def run(self, batch: StepBatch[ConditionConfig]) -> None:
        """Send each person the first way whose conditions they meet, and keep which rules were met."""
        trees = [one.tree for one in batch.config.ways(asking.catalogue(batch))]
        names = [one.name for one in batch.config.paths or ()]
        exits = [*paths.keys_of(_rows(batch.config)), ELSE] if names else ["yes", "no"]
        found = asking.answers(batch, trees)
        nothing = asking.nothing_holds(trees)
        results: dict[tuple[asking.Answer, ...], tuple[str, dict[str, Any]]] = {}
        for walker in batch.walkers:
            answers = found.get(walker, nothing)
            if answers not in results:
                place = next((at for at, one in enumerate(answers) if one[0]), len(trees))
                told = [one for tree, answer in zip(trees, answers, strict=True) for one in asking.told(tree, answer)]
                result: dict[str, Any] = {"result": answers[0][0], "evaluated_rules": told}
                if names:
                    result = {"path": names[place] if place < len(names) else None, "evaluated_rules": told}
                results[answers] = exits[place], result
            batch.leave(walker, *results[answers])


def _rules(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (path, rules) of settings that fit the schema."""
    if config.get("paths") is None:
        yield "rules", config.get("rules")
        return
    yield from ((f"paths[{index}].rules", one.get("rules")) for index, one in enumerate(config["paths"]))


def _rows(config: ConditionConfig) -> list[dict[str, Any]]:
    return [one.model_dump() for one in config.paths or ()]


registry.register("CONDITION")(Condition())
