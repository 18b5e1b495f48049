"""UPDATE: what is known of a customer changes: permitted fields are set, tags are added or removed."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.customers import mass_update
from app.customers.numbers import read_number
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, registry

TAGS = "tags"
MAX_UPDATES = 20


class Update(BaseModel):
    """One change: a field, what is done to it, and the value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = Field(title="Field")
    operation: Literal["set", "add", "remove", "subtract", "clear"] = Field(default="set", title="Do")
    value: Any = Field(default=None, title="Value")


class UpdateConfig(StepConfig):
    """The changes, made together."""

    updates: list[Update] = Field(
        default=[],
        max_length=MAX_UPDATES,
        title="Changes",
        description="Tags are added or removed; other fields are set or cleared. To numbers something can be added, to "
        "dates days.",
        json_schema_extra={"widget": "updates"},
    )


class UpdateStep(StepType[UpdateConfig]):
    """Changes everybody in the batch with one statement."""

    label = "Update the customer"
    icon = "pencil"
    description = "Add or remove a tag, or set, clear or count up a field of the profile."
    Config = UpdateConfig

    def defaults(self) -> dict[str, Any]:
        """Return one tag to fill in."""
        return {"updates": [{"field": TAGS, "operation": "add", "value": ""}]}

    def check(self, config: UpdateConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield what is wrong with each change."""
        if not config.updates:
            yield "updates", "Add at least one change."
        seen: set[str] = set()
        for index, update in enumerate(config.updates):
            at = f"updates[{index}]"
            wrong = _wrong(update, known)
            if wrong:
                yield f"{at}.{wrong[0]}", wrong[1]
            elif update.field != TAGS and update.field in seen:
                yield f"{at}.field", "This field is changed twice; keep one of them."
            seen.add(update.field)

    def words(self, config: UpdateConfig, known: Known) -> str:
        """Return the changes in a few words."""
        return "; ".join(_words(update, known) for update in config.updates) or "Not set up yet"

    def run(self, batch: StepBatch[UpdateConfig]) -> None:
        """Change the customers."""
        updates = batch.config.updates
        mass_update.change_all(
            tenant_id=batch.tenant_id,
            customer_ids=batch.customer_ids,
            set_fields={one.field: one.value for one in updates if one.operation == "set"}
            | {one.field: None for one in updates if one.operation == "clear"},
            adds=_adds(updates),
            add_tags=_tags(updates, "add"),
            remove_tags=_tags(updates, "remove"),
            now=batch.now,
        )
        batch.leave_all(result={"updated": list(dict.fromkeys(one.field for one in updates))})


def _tags(updates: Sequence[Update], operation: str) -> list[str]:
    return [str(one.value).strip() for one in updates if one.field == TAGS and one.operation == operation]


def _adds(updates: Sequence[Update]) -> dict[str, float]:
    """Return how much is added to which fields; taken away is less than nothing."""
    signs = {"add": 1, "subtract": -1}
    return {
        one.field: signs[one.operation] * (read_number(one.value) or 0)
        for one in updates
        if one.field != TAGS and one.operation in signs
    }


def _wrong(update: Update, known: Known) -> tuple[str, str] | None:
    if update.field == TAGS:
        if update.operation not in ("add", "remove"):
            return "operation", "Tags are added or removed."
        problem = mass_update.tag_problem(update.value)
        return ("value", problem) if problem else None
    if update.operation == "remove":
        return "operation", "Only tags are removed; set this field, or clear it."
    if update.operation in ("add", "subtract"):
        if update.field not in known.custom:
            return "operation", "Nothing can be added to this field; set it."
        problem = mass_update.amount_problem(known.custom[update.field], update.value)
        return ("value", problem) if problem else None
    if update.field not in known.custom and update.field not in mass_update.SETTABLE:
        return "field", "This field can't be changed by a journey."
    if update.operation == "clear":
        problem = mass_update.field_problem(update.field, None) if update.field in mass_update.SETTABLE else None
        return ("operation", problem) if problem else None
    if update.field in known.custom:
        problem = mass_update.custom_problem(known.custom[update.field], update.value)
        return ("value", problem) if problem else None
    problem = mass_update.field_problem(update.field, update.value)
    return ("value", problem) if problem else None


def _words(update: Update, known: Known) -> str:
    if update.field == TAGS:
        return f"Add tag “{update.value}”" if update.operation == "add" else f"Remove tag “{update.value}”"
    if update.field in known.custom:
        label = known.custom[update.field].label
    else:
        label = mass_update.SETTABLE.get(update.field, update.field).lower()
    if update.operation in ("add", "subtract"):
        amount = f"{update.value}{' days' if known.custom[update.field].kind == 'DATE' else ''}"
        return f"Add {amount} to {label}" if update.operation == "add" else f"Take {amount} from {label}"
    if update.operation == "clear":
        return f"Clear {label}"
    return f"Set {label} to “{update.value}”" if update.value not in (None, "") else f"Clear {label}"


registry.register("UPDATE")(UpdateStep())
