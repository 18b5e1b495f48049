"""SEND: a message to everybody who comes here, handed to the outbox."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from pydantic import Field
from sqlalchemy import text

from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, registry
from app.messaging import accounts, outbox
from app.messaging.channel import EMAIL, channel, installed
from app.messaging.states import Purpose


class SendConfig(StepConfig):
    """Which template goes out on which channel."""

    channel: str = Field(default=EMAIL, title="Channel", json_schema_extra={"widget": "channel"})
    template_id: UUID = Field(title="Template", description="What is sent.", json_schema_extra={"widget": "template"})
    topic_id: UUID | None = Field(
        default=None,
        title="Topic",
        description="Marketing goes to people who want this topic. Without one, the template's topic decides, or the "
        "answer to the channel as a whole.",
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


TEMPLATE = text("SELECT 1 FROM template WHERE tenant_id = :tenant_id AND id = :id AND channel = :channel")


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
        if config.topic_id is not None and config.topic_id not in known.topics:
            yield "topic_id", "This topic does not exist or was archived. Choose another one."

    def warnings(self, config: SendConfig, tenant_id: UUID) -> Iterator[str]:
        """Yield that nobody carries the messages of its channel."""
        name = config.channel
        if name in installed() and (nobody := accounts.missing(tenant_id=tenant_id, channel_name=name)):
            yield nobody

    def words(self, config: SendConfig, known: Known) -> str:
        """Return the template's name."""
        template = known.templates.get(config.template_id)
        by = f" by {channel(config.channel).label}" if config.channel in installed() and config.channel != EMAIL else ""
        return f"Send “{template.name}”{by}" if template else "Send a template that does not exist"

    def run(self, batch: StepBatch[SendConfig]) -> None:
        """Put the messages into the outbox; the key of each is the person's step, so a rerun can't double it."""
        found = {"tenant_id": batch.tenant_id, "id": batch.config.template_id, "channel": batch.config.channel}
        if batch.session.execute(TEMPLATE, found).first() is None:
            for walker in batch.walkers:
                batch.fail(walker, "The template of this step does not exist any more.")
            return
        keys = [f"journey:{walker.enrollment_id}:{walker.step_number}" for walker in batch.walkers]
        messages = outbox.put(
            tenant_id=batch.tenant_id,
            template_id=batch.config.template_id,
            customer_ids=[walker.customer_id for walker in batch.walkers],
            dedupe_keys=keys,
            contexts=[walker.context for walker in batch.walkers],
            enrollment_ids=[walker.enrollment_id for walker in batch.walkers],
            journey_id=batch.journey.id,
            step_key=batch.step_key,
            topic_id=batch.config.topic_id,
            channel_name=batch.config.channel,
            purpose=batch.config.purpose,
            expires_at=batch.now + timedelta(hours=batch.config.expires_hours) if batch.config.expires_hours else None,
            one_copy=batch.config.one_copy,
            now=batch.now,
        )
        for walker, key in zip(batch.walkers, keys, strict=True):
            message_id = messages.get(key)
            if message_id is None:
                batch.fail(walker, "There is no such customer any more.")
            else:
                result = {"sent": True, "channel": batch.config.channel, "message_id": str(message_id)}
                batch.leave(walker, result=result)


registry.register("SEND")(Send())
