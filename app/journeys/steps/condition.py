"""CONDITION: two ways on, by what is known of the customer."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import Field
from sqlalchemy import ARRAY, Text, Uuid, any_, cast, literal, select

from app.accounts.queries import tenant_info
from app.conditions import Catalogue, InvalidConditions, Tree, compile_rules, compile_sql, parse
from app.customers import custom_fields
from app.customers.models import Customer
from app.infra.arrays import array
from app.journeys import condition_fields  # noqa: F401 - it fills the catalogue
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, registry


class ConditionConfig(StepConfig):
    """Rules about the customer, joined by AND or OR."""

    rules: list[dict[str, Any]] = Field(
        default=[],
        title="Conditions",
        description="Asked at the moment the person comes here. What is not known counts as no.",
        json_schema_extra={"widget": "conditions"},
    )
    combinator: Literal["AND", "OR"] = Field(
        default="AND", title="Join by", json_schema_extra={"widget": "combinator", "joins": "rules"}
    )

    def tree(self, catalogue: Catalogue) -> Tree:
        """Return the rules as a tree over the tenant's catalogue, or raise InvalidConditions."""
        return parse({"combinator": self.combinator, "rules": self.rules}, catalogue, spoken=True)


class Condition(StepType[ConditionConfig]):
    """Asks the database once for everybody in the batch."""

    label = "Condition"
    icon = "git-branch"
    description = "Go left or right by what you know of the customer."
    Config = ConditionConfig

    def exits(self, config: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """Return yes and no."""
        return ("yes", "no")

    def exit_labels(self, config: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG002
        """Return yes and no."""
        return {"yes": "Yes", "no": "No"}

    def defaults(self) -> dict[str, Any]:
        """Return no rules yet."""
        return {"rules": [], "combinator": "AND"}

    def check(self, config: ConditionConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield what is wrong with the rules."""
        try:
            errors = known.unknown(config.tree(known.profile))
        except InvalidConditions as wrong:
            errors = wrong.errors
        for path, message in errors.items():
            yield path or "rules", message

    def words(self, config: ConditionConfig, known: Known) -> str:
        """Return the rules as a sentence."""
        try:
            return known.told(config.tree(known.profile))
        except InvalidConditions:
            return "Not set up yet"

    def run(self, batch: StepBatch[ConditionConfig]) -> None:
        """Send each person yes or no, and keep which rules were met."""
        tree = batch.config.tree(custom_fields.catalogue(tenant_id=batch.tenant_id))
        zone = ZoneInfo(batch.journey.timezone)
        currency = tenant_info(tenant_id=batch.tenant_id).currency
        rules = compile_rules(tree, zone=zone, now=batch.now, currency=currency)
        ids = cast(literal(array(batch.customer_ids), Text()), ARRAY(Uuid()))
        asked = select(
            Customer.id,
            compile_sql(tree, zone=zone, now=batch.now, currency=currency).is_(True).label("result"),
            *(answer.is_(True).label(f"rule_{index}") for index, (_, answer) in enumerate(rules)),
        ).where(Customer.tenant_id == batch.tenant_id, Customer.id == any_(ids))
        told = [{"field": rule.field.name, "operator": rule.operator.value} for rule, _ in rules]
        answers: dict[UUID, tuple[bool, ...]] = {row[0]: tuple(row[1:]) for row in batch.session.execute(asked)}
        nothing = (False,) * (len(rules) + 1)
        results = {
            answer: {
                "result": answer[0],
                "evaluated_rules": [
                    {**rule, "matched": matched} for rule, matched in zip(told, answer[1:], strict=True)
                ],
            }
            for answer in {nothing, *answers.values()}
        }
        for walker in batch.walkers:
            answer = answers.get(walker.customer_id, nothing)
            batch.leave(walker, "yes" if answer[0] else "no", results[answer])


registry.register("CONDITION")(Condition())
