"""UPDATE: what is known of a customer changes: permitted fields are set, tags come and go, a yes is taken back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.content.liquid import TemplateProblem, render
from app.content.queries import readers
from app.customers import consents, mass_update
from app.customers.consents import Proof
from app.customers.facts import CHANNEL_WORDS
from app.customers.field_kind import CustomFieldInfo
from app.customers.numbers import read_number
from app.infra.ids import as_id
from app.journeys.merge_values import compiled, values_of
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, Walker, registry

TAGS = "tags"
CONSENT = "consent."
"""What the name of a field begins with that stands for the consent to a channel: "consent.EMAIL"."""
EVERYTHING = "everything"
"""In the place of a topic: the channel as a whole."""
MAX_UPDATES = 20


class Update(BaseModel):
    """One change: a field, what is done to it, and the value; of a consent that is a topic's id, or EVERYTHING."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = Field(title="Field")
    operation: Literal["set", "add", "remove", "subtract", "clear", "opt_out"] = Field(default="set", title="Do")
    value: Any = Field(default=None, title="Value")

    @property
    def channel(self) -> str | None:
        """Return the channel whose consent it is about, None for another field."""
        return self.field.removeprefix(CONSENT) if self.field.startswith(CONSENT) else None

    @property
    def merged(self) -> str | None:
        """Return the value with its merge tags, where it has any and so is another one for each person."""
        tagged = self.operation == "set" and isinstance(self.value, str) and ("{{" in self.value or "{%" in self.value)
        return self.value if tagged else None


class UpdateConfig(StepConfig):
    """The changes, made together."""

    updates: list[Update] = Field(
        default=[],
        max_length=MAX_UPDATES,
        title="Changes",
        description="Tags are added or removed; other fields are set or cleared. To numbers something can be added, to "
        "dates days. What is set may hold merge tags, such as {{ event.competition }}: whose comes out empty, or does "
        "not fit the field, keeps what they have. A consent can only be taken back.",
        json_schema_extra={"widget": "updates"},
    )


class UpdateStep(StepType[UpdateConfig]):
    """Changes everybody in the batch by a few statements."""

    label = "Update the customer"
    icon = "pencil"
    description = "Add or remove a tag, set, clear or count up a field of the profile, or take a consent back."
    merges = ("updates",)
    Config = UpdateConfig

    def defaults(self) -> dict[str, Any]:
        """Return one tag to fill in."""
        return {"updates": [{"field": TAGS, "operation": "add", "value": ""}]}

    def check(self, config: UpdateConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield what is wrong with each change."""
        if not config.updates:
            yield "updates", "Add at least one change."
        seen: set[tuple[str, Any]] = set()
        for index, update in enumerate(config.updates):
            at = f"updates[{index}]"
            about = update.field, str(update.value) if update.channel else None
            wrong = _wrong(update, known)
            if wrong:
                yield f"{at}.{wrong[0]}", wrong[1]
            elif update.field != TAGS and about in seen:
                yield f"{at}.field", "This field is changed twice; keep one of them."
            seen.add(about)

    def words(self, config: UpdateConfig, known: Known) -> str:
        """Return the changes in a few words."""
        return "; ".join(_words(update, known) for update in config.updates) or "Not set up yet"

    def run(self, batch: StepBatch[UpdateConfig]) -> None:
        """Change the customers."""
        named = list(dict.fromkeys(one.field for one in batch.config.updates))
        batch.leave_all(result={"updated": named})
        left = list(batch.walkers)
        while left:
            # Who walks here for two bookings at once is changed twice.
            once = {walker.customer_id: walker for walker in reversed(left)}
            for customer_id, kept in _change(batch, once).items():
                updated = [name for name in named if name not in kept]
                batch.leave(once[customer_id], result={"updated": updated, "kept": kept})
            left = [walker for walker in left if once[walker.customer_id] is not walker]


def _change(batch: StepBatch[UpdateConfig], walkers: Mapping[UUID, Walker]) -> dict[UUID, dict[str, str]]:
    """Change customers, each once; return by customer and field why some of what is filled in stayed as it was."""
    updates = batch.config.updates
    ids = sorted(walkers, key=lambda one: one.int)
    mass_update.change_all(
        tenant_id=batch.tenant_id,
        customer_ids=ids,
        set_fields={one.field: one.value for one in updates if one.operation == "set" and one.merged is None}
        | {one.field: None for one in updates if one.operation == "clear"},
        adds=_adds(updates),
        add_tags=_tags(updates, "add"),
        remove_tags=_tags(updates, "remove"),
        now=batch.now,
    )
    proof = Proof("journey", "journey", evidence={"journey_id": str(batch.journey.id), "step": batch.step_key})
    noes = [(one.channel, _topic(one)) for one in updates if one.channel is not None]
    consents.opt_out(tenant_id=batch.tenant_id, customer_ids=ids, subjects=noes, proof=proof, now=batch.now)
    return _fill_in(batch, walkers)


def _fill_in(batch: StepBatch[UpdateConfig], walkers: Mapping[UUID, Walker]) -> dict[UUID, dict[str, str]]:
    """Set fields to what merge tags come to for each person."""
    texts = {one.field: one.merged for one in batch.config.updates if one.merged is not None}
    if not texts:
        return {}
    people = readers(tenant_id=batch.tenant_id, customer_ids=walkers)
    known = mass_update.to_write(batch.session, batch.tenant_id)
    values: dict[UUID, dict[str, Any]] = {}
    kept: dict[UUID, dict[str, str]] = {}
    for customer_id, walker in walkers.items():
        if customer_id not in people:
            continue
        reached = values_of(walker, people[customer_id])
        for field, text in texts.items():
            try:
                values.setdefault(customer_id, {})[field] = _value(known, field, text, reached)
            except ValueError as wrong:
                kept.setdefault(customer_id, {})[field] = str(wrong)
    mass_update.change_each(batch.session, batch.tenant_id, values, now=batch.now)
    return kept


def _value(known: Mapping[str, CustomFieldInfo], field: str, text: str, reached: Mapping[str, Any]) -> Any:
    """Return what a field is set to; raise ValueError with the reason why it stays as it is."""
    came = render(compiled(text), reached).strip()
    if not came:
        raise ValueError("It came out empty.")
    try:
        return mass_update.read_value(known, field, came)
    except ValueError as wrong:
        raise ValueError(f"“{came[:60]}” does not fit: {wrong}") from None


def _topic(update: Update) -> UUID | None:
    return None if update.value == EVERYTHING else UUID(str(update.value))


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
    if update.channel is not None:
        return _wrong_consent(update, update.channel, known)
    if update.operation == "opt_out":
        return "operation", "Only a consent is taken back; set this field, or clear it."
    if update.operation == "remove":
        return "operation", "Only tags are removed; set this field, or clear it."
    if update.operation in ("add", "subtract"):
        if update.field not in known.custom:
            return "operation", "Nothing can be added to this field; set it."
        problem = mass_update.amount_problem(known.custom[update.field], update.value)
        return ("value", problem) if problem else None
    if update.field not in known.custom and update.field not in mass_update.SETTABLE:
        return "field", "This field can't be changed by a journey." if update.field else "Choose a field."
    if update.operation == "clear":
        problem = mass_update.field_problem(update.field, None) if update.field in mass_update.SETTABLE else None
        return ("operation", problem) if problem else None
    problem = _wrong_value(update, known)
    return ("value", problem) if problem else None


def _wrong_value(update: Update, known: Known) -> str | None:
    if update.merged is not None:
        try:
            compiled(update.merged)
        except TemplateProblem as problem:
            return str(problem)
        return None
    if update.field in known.custom:
        return mass_update.custom_problem(known.custom[update.field], update.value)
    return mass_update.field_problem(update.field, update.value)


def _wrong_consent(update: Update, channel: str, known: Known) -> tuple[str, str] | None:
    if channel not in CHANNEL_WORDS:
        return "field", "There is no consent to such a channel."
    if update.operation != "opt_out":
        return "operation", "A journey can only take a consent back; only they themselves can give it."
    if update.value != EVERYTHING and as_id(update.value) not in known.topics:
        return "value", "Choose what they are taken out of: a topic, or everything by this channel."
    return None


def _words(update: Update, known: Known) -> str:
    if update.field == TAGS:
        return f"Add tag “{update.value}”" if update.operation == "add" else f"Remove tag “{update.value}”"
    if update.channel is not None:
        topics = {str(key): f"“{name}”" for key, name in known.topics.items()} | {EVERYTHING: "all marketing"}
        about = topics.get(str(update.value), "a topic that is gone")
        return f"Take them out of {about} by {CHANNEL_WORDS.get(update.channel, update.channel)}"
    # A field that is gone, or was never here, is told by its key.
    custom = known.custom.get(update.field)
    label = custom.label if custom else mass_update.SETTABLE.get(update.field, update.field).lower()
    if update.operation in ("add", "subtract"):
        amount = f"{update.value}{' days' if custom and custom.kind == 'DATE' else ''}"
        return f"Add {amount} to {label}" if update.operation == "add" else f"Take {amount} from {label}"
    if update.operation == "clear":
        return f"Clear {label}"
    return f"Set {label} to “{update.value}”" if update.value not in (None, "") else f"Clear {label}"


registry.register("UPDATE")(UpdateStep())
