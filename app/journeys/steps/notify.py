"""NOTIFY: colleagues are told about everybody who comes here, in Fairway and by a mail too if wished."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import Field, field_validator
from sqlalchemy import text

from app.content.letters import one_line
from app.content.liquid import render
from app.customers import notices
from app.customers.notices import NewNotice, Told
from app.infra.ids import as_id
from app.journeys import colleagues
from app.journeys.merge_values import compiled, write_each
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, Walker, registry
from app.messaging import outbox

MAX_BODY = 300
_NAME = text("SELECT name FROM journey WHERE tenant_id = :tenant_id AND id = :id")
_STEP = text("""
    SELECT step.value ->> 'name' FROM journey_version v
    CROSS JOIN LATERAL jsonb_array_elements(v.graph -> 'steps') AS step(value)
    WHERE v.tenant_id = :tenant_id AND v.journey_id = :id AND v.number = :version AND step.value ->> 'key' = :key
""")


class NotifyConfig(StepConfig):
    """Who is told what."""

    to: str = Field(title="Tell", max_length=100, json_schema_extra={"widget": "told"})
    text: str = Field(
        title="What they are told",
        min_length=1,
        max_length=MAX_BODY,
        description="Merge tags can be in it: “{{ customer.first_name }} wants to play more”.",
    )
    mail: bool = Field(
        default=False,
        title="Tell them by e-mail too",
        description="One mail for all who come here at the same moment. In Fairway the bell tells them.",
    )

    @field_validator("text")
    @classmethod
    def _reads(cls, value: str) -> str:
        compiled(value)
        return value


class Notify(StepType[NotifyConfig]):
    """Puts notices for colleagues, and lets people go on."""

    label = "Notify a colleague"
    icon = "bell"
    description = "Tell a colleague about the person, in Fairway and by e-mail. There is nothing to do for them."
    reaches_out = True
    merges = ("text",)
    Config = NotifyConfig

    def check(self, config: NotifyConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield that nobody like that can be told."""
        yield from colleagues.check(config.to, known, "be told")

    def words(self, config: NotifyConfig, known: Known) -> str:
        """Return what, and to whom."""
        return f"“{config.text}”, to {colleagues.called(config.to, colleagues.told(known))}"

    def run(self, batch: StepBatch[NotifyConfig]) -> None:
        """Tell of each who has come, and let them go on."""
        asked = write_each(batch, batch.walkers, partial(_asked, batch.config), "What is to be told")
        at = {"tenant_id": batch.tenant_id, "id": batch.journey.id}
        by: dict[str, Any] = {
            "tenant_id": batch.tenant_id,
            "source": source(batch.journey.id, batch.step_key),
            "told_by": batch.session.scalars(_NAME, at).one(),
            "now": batch.now,
        }
        told = notices.put(**by, to=batch.config.to, notices=list(asked.values()))
        if any(one.more for one in told):
            name = batch.session.scalar(_STEP, at | {"version": batch.journey.version, "key": batch.step_key})
            act = partial(notices.put_more, **by, body=f"They came to “{name or self.label}”.", told=told)
            # Others who take this step raise the same numbers: they are held no longer than the journey's own.
            batch.at_last.append((batch.journey.id, act))
        for walker, one in asked.items():
            result: dict[str, Any] = {"told": one.body, "colleagues": len(told)}
            batch.leave(walker, result=result)
        if batch.config.mail:
            _mail(batch, told)


def _asked(config: NotifyConfig, walker: Walker, values: Mapping[str, Any]) -> NewNotice:
    body = one_line(render(compiled(config.text), values))[:MAX_BODY]
    return NewNotice(walker.key, walker.customer_id, body or "Notice")


def _mail(batch: StepBatch[NotifyConfig], told: list[Told]) -> None:
    for one in told:
        if not one.notices:
            continue
        outbox.put_one(
            tenant_id=batch.tenant_id,
            to_address=one.email,
            dedupe_key=f"notice:{one.notices[0]}",
            builtin="notice",
            user_id=one.user_id,
            context={"notice_ids": [str(id_) for id_ in one.notices], "more": one.more},
            now=batch.now,
        )


def source(journey_id: UUID, step_key: str) -> str:
    """Return what the keys of all notices of a step begin with."""
    return f"journey:{journey_id}:{step_key}:"


def source_of(key: str) -> tuple[UUID, str] | None:
    """Return the journey and the step whose one notice of many people has a key; None of one of another source."""
    kind, _, rest = key.partition(":")
    journey_id, _, step = rest.rpartition(":")[0].partition(":")
    found = as_id(journey_id)
    return (found, step) if kind == "journey" and found and step else None


registry.register("NOTIFY")(Notify())
