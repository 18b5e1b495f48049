"""SEND: a message to everybody who comes here, handed to the outbox."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import ColumnElement, any_, case, select, text

from app.customers.models import Customer, Topic
from app.infra.arrays import array, uuids
from app.journeys.durations import duration
from app.journeys.graph import NEXT
from app.journeys.step_type import GONE, Known, StepBatch, StepConfig, StepType, Walker, registry
from app.messaging import accounts, outbox
from app.messaging.channel import EMAIL, channel, installed
from app.messaging.condition_fields import KINDS, can_be_reached, can_get
from app.messaging.states import Purpose, Status

SKIPPED = "skipped"
NOT_SENT = (Status.SKIPPED, Status.FAILED)
OUT = (Status.SENT, Status.UNKNOWN)
FIRST_LOOK = timedelta(minutes=1)
"""When it is looked for the first time what became of a message, where that decides the way."""


class Other(BaseModel):
    """A template that goes out on its own channel to whom nothing before it reaches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: str
    template_id: UUID


class SendConfig(StepConfig):
    """Which template goes out on which channel, and by which others where that reaches nobody."""

    channel: str = Field(default=EMAIL, title="Channel", json_schema_extra={"widget": "channel"})
    template_id: UUID = Field(title="Template", description="What is sent.", json_schema_extra={"widget": "template"})
    others: list[Other] = Field(
        default=[],
        max_length=5,
        title="Who can’t be reached so, gets instead",
        description="The first that reaches somebody is sent. Marketing reaches those who agreed to it.",
        json_schema_extra={"widget": "others"},
    )
    topic_id: UUID | None = Field(
        default=None,
        title="Topic",
        description="Marketing goes to people who want this topic. Without one, the template's topic decides, else "
        "the journey's, or the answer to the channel as a whole.",
        json_schema_extra={"widget": "topic"},
    )
    purpose: Purpose = Field(
        default=Purpose.MARKETING,
        title="Purpose",
        description="Marketing goes only to people who agreed to it.",
    )
    one_copy: bool = Field(
        default=False,
        title="One copy an address",
        description="Of people who share an address and come here within a day, one gets it.",
    )
    expires_hours: int | None = Field(
        default=None,
        ge=1,
        le=31 * 24,
        title="Not worth sending after so many hours",
        description="What quiet hours or a cap keep back for longer is left out. Caps keep it back three days at most.",
    )
    when_skipped: Literal["go_on", "branch"] = Field(
        default="go_on",
        title="Who is not sent it",
        json_schema_extra={"labels": {"go_on": "Goes on like the others", "branch": "Goes another way"}},
    )
    known_within: str = Field(
        default="1 day",
        title="Wait so long until it is known",
        description="Only where they go another way. What is held back for longer counts as sent.",
        json_schema_extra={"widget": "duration"},
    )

    @field_validator("known_within")
    @classmethod
    def _readable(cls, value: str) -> str:
        if not duration(value):
            raise ValueError("Give a time longer than nothing.")
        return value

    def contents(self) -> list[tuple[str, UUID]]:
        """Return the channel and template of each message it may be, in the order they are tried."""
        return [(self.channel, self.template_id), *((one.channel, one.template_id) for one in self.others)]


TEMPLATES = text("""
    SELECT id, channel, topic_id FROM template WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))
""")
FATES = text("""
    SELECT dedupe_key, id, channel, status, reason FROM message
    WHERE tenant_id = :tenant_id AND dedupe_key = ANY(CAST(:keys AS text[]))
""")


def _wrong(other: Other, before: Sequence[tuple[str, UUID]], known: Known) -> str | None:
    template = known.templates.get(other.template_id)
    if template is None:
        return "This template does not exist (any more). Choose another one."
    if template.archived:
        return "This template is in the archive. Take it out, or choose another one."
    if template.channel != other.channel:
        return "This template is for another channel. Choose another one."
    if other.channel not in KINDS:
        return "Whom this channel reaches is not known. Choose another one."
    if any(name == other.channel for name, _ in before):
        return "This channel was tried before. Choose another one."
    return None


class Send(StepType[SendConfig]):
    """Puts one message a person into the outbox; consent, reachability and sending are its business from there."""

    label = "Send a message"
    icon = "mail"
    description = "Send an e-mail, an SMS or another message made from a template."
    reaches_out = True
    Config = SendConfig

    def defaults(self) -> dict[str, str]:
        """Return an e-mail of no template yet."""
        return {"channel": EMAIL}

    def check(self, config: SendConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield what is wrong with the channel and the template."""
        if config.channel not in installed():
            yield "channel", "There is no such channel. Choose another one."
        template = known.templates.get(config.template_id)
        if template is None:
            yield "template_id", "This template does not exist (any more). Choose another one."
        elif template.archived:
            yield "template_id", "This template is in the archive. Take it out, or choose another one."
        elif template.channel != config.channel:
            yield "template_id", "This template is for another channel. Choose another one."
        for index, one in enumerate(config.others):
            if wrong := _wrong(one, config.contents()[: index + 1], known):
                yield f"others[{index}]", wrong
        if config.others and config.channel not in KINDS:
            yield "channel", "Whom this channel reaches is not known. Choose another one, or leave the others out."
        if config.topic_id is not None and config.topic_id not in known.topics:
            yield "topic_id", "This topic does not exist or was archived. Choose another one."

    def warnings(self, config: SendConfig, tenant_id: UUID) -> Iterator[str]:
        """Yield that nobody carries the messages of its channel."""
        for name in dict.fromkeys(name for name, _ in config.contents()):
            if name in installed() and (nobody := accounts.missing(tenant_id=tenant_id, channel_name=name)):
                yield nobody

    def words(self, config: SendConfig, known: Known) -> str:
        """Return the template's name."""
        template = known.templates.get(config.template_id)
        by = f" by {channel(config.channel).label}" if config.channel in installed() and config.channel != EMAIL else ""
        if template is None:
            return "Send a template that does not exist"
        others = [f" or by {channel(one.channel).label}" for one in config.others if one.channel in installed()]
        return f"Send “{template.name}”{by}{''.join(others)}"

    def title(self, config: SendConfig, known: Known) -> str:
        """Return the first template's name."""
        template = known.templates.get(config.template_id)
        return f"Send “{template.name}”" if template else self.label

    def exits(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the way on, and that of whom nothing reached where that is wanted."""
        return (NEXT, SKIPPED) if config.get("when_skipped") == "branch" else (NEXT,)

    def exit_labels(self, config: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG002
        """Return what the ways are called."""
        return {NEXT: "Sent", SKIPPED: "Not sent"}

    def run(self, batch: StepBatch[SendConfig]) -> None:
        """Put the messages into the outbox; the key of each is the person's step, so a rerun can't double it.

        Where who gets nothing goes another way, people wait here until it is known what became of theirs.
        """
        coming = [walker for walker in batch.walkers if walker.waiting_until is None]
        here = [walker for walker in batch.walkers if walker.waiting_until is not None]
        if here:
            _look(batch, here)
        if not coming:
            return
        contents = batch.config.contents()
        found = {"tenant_id": batch.tenant_id, "ids": array(template_id for _, template_id in contents)}
        there = {(row.channel, row.id): row.topic_id for row in batch.session.execute(TEMPLATES, found)}
        if any(one not in there for one in contents):
            for walker in coming:
                batch.fail(walker, "A template of this step does not exist any more.")
            return
        chosen = _chosen(
            batch, [(*one, batch.config.topic_id or there[one] or batch.journey.topic_id) for one in contents]
        )
        for place, (channel_name, template_id) in enumerate(contents):
            walkers = coming
            if len(contents) > 1:
                walkers = [walker for walker in coming if chosen.get(walker.customer_id, 0) == place]
            if walkers:
                _put(batch, walkers, channel_name, template_id)


def _put(batch: StepBatch[SendConfig], walkers: Sequence[Walker], channel_name: str, template_id: UUID) -> None:
    config = batch.config
    keys = [walker.key for walker in walkers]
    messages = outbox.put(
        tenant_id=batch.tenant_id,
        template_id=template_id,
        customer_ids=[walker.customer_id for walker in walkers],
        dedupe_keys=keys,
        contexts=[walker.context for walker in walkers],
        enrollment_ids=[walker.enrollment_id for walker in walkers],
        journey_id=batch.journey.id,
        step_key=batch.step_key,
        topic_id=config.topic_id,
        else_topic_id=batch.journey.topic_id,
        channel_name=channel_name,
        purpose=config.purpose,
        expires_at=batch.now + timedelta(hours=config.expires_hours) if config.expires_hours else None,
        one_copy=config.one_copy,
        now=batch.now,
    )
    until = batch.now + duration(config.known_within)
    for walker, key in zip(walkers, keys, strict=True):
        message_id = messages.get(key)
        result = {"sent": True, "channel": channel_name, "message_id": str(message_id)}
        if message_id is None:
            batch.fail(walker, GONE)
        elif config.when_skipped == "branch":
            batch.park(walker, until, result, look_at=min(until, batch.now + FIRST_LOOK))
        else:
            batch.leave(walker, result=result)


def _chosen(batch: StepBatch[SendConfig], contents: Sequence[tuple[str, UUID, UUID | None]]) -> dict[UUID, int]:
    """Return by customer the place of the first content that reaches them; who is reached by none gets the first."""
    if len(contents) == 1:
        return {}
    reached: list[tuple[ColumnElement[bool], int]] = []
    for place, (channel_name, _, topic_id) in enumerate(contents):
        topic = batch.session.get(Topic, (batch.tenant_id, topic_id)) if topic_id else None
        wanted = batch.config.purpose is Purpose.MARKETING
        reached.append((can_get(channel_name, topic) if wanted else can_be_reached(channel_name), place))
    asked = select(Customer.id, case(*reached, else_=0)).where(
        Customer.tenant_id == batch.tenant_id, Customer.id == any_(uuids(batch.customer_ids))
    )
    return {row[0]: row[1] for row in batch.session.execute(asked)}


def _look(batch: StepBatch[SendConfig], walkers: Sequence[Walker]) -> None:
    """Let those go on of whose messages it is known what became, or who have waited for that long enough."""
    keys = {"tenant_id": batch.tenant_id, "keys": array(walker.key for walker in walkers)}
    fates = {row.dedupe_key: row for row in batch.session.execute(FATES, keys)}
    limit = duration(batch.config.known_within)
    # Who was parked for it may find the other way published away.
    skipped = SKIPPED if batch.config.when_skipped == "branch" else NEXT
    for walker in walkers:
        fate = fates.get(walker.key)
        until = walker.waiting_until or batch.now
        known = {"message_id": str(fate.id), "channel": fate.channel, "status": fate.status} if fate else {}
        if fate is None or fate.status in NOT_SENT:
            batch.leave(walker, skipped, {"sent": False, **known, "reason": fate.reason if fate else "erased"})
        elif fate.status in OUT or until <= batch.now:
            batch.leave(walker, result={"sent": True, **known})
        else:
            # After one minute, two, four, eight …
            waited = batch.now - (until - limit)
            batch.park(walker, until, look_at=min(until, batch.now + max(waited, FIRST_LOOK)))


registry.register("SEND")(Send())
