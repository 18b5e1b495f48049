"""NOTIFY: colleagues are told about everybody who comes here, in Fairway and by a mail too if wished."""

from collections.abc import Iterator
from typing import Any

from pydantic import Field, field_validator
from sqlalchemy import text

from app.content.letters import one_line
from app.content.liquid import TemplateProblem, render
from app.content.queries import readers
from app.customers import notices
from app.customers.notices import NewNotice, Told
from app.journeys.merge_values import compiled, values_of
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, Walker, registry
from app.messaging import outbox

MAX_BODY = 300
_NAME = text("SELECT name FROM journey WHERE tenant_id = :tenant_id AND id = :id")


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
    Config = NotifyConfig

    def check(self, config: NotifyConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield that nobody like that can be told."""
        if config.to not in known.colleagues:
            yield "to", "Nobody like that can be told (any more). Choose somebody else."

    def words(self, config: NotifyConfig, known: Known) -> str:
        """Return what, and to whom."""
        who = known.colleagues.get(config.to, "somebody who is gone")
        who = f"everybody with the role {config.to.removeprefix('role:')}" if config.to.startswith("role:") else who
        return f"“{config.text}”, to {who}"

    def run(self, batch: StepBatch[NotifyConfig]) -> None:
        """Tell of each who has come, and let them go on."""
        people = readers(tenant_id=batch.tenant_id, customer_ids=batch.customer_ids)
        asked: dict[Walker, NewNotice] = {}
        for walker in batch.walkers:
            customer = people.get(walker.customer_id)
            if customer is None:
                batch.fail(walker, "There is no such customer any more.")
                continue
            try:
                body = one_line(render(compiled(batch.config.text), values_of(walker, customer)))[:MAX_BODY]
            except TemplateProblem as problem:
                batch.fail(walker, f"What is to be told can't be written: {problem}")
                continue
            asked[walker] = NewNotice(_key(walker), walker.customer_id, body or "Notice")
        told = notices.put(
            tenant_id=batch.tenant_id,
            to=batch.config.to,
            told_by=batch.session.scalars(_NAME, {"tenant_id": batch.tenant_id, "id": batch.journey.id}).one(),
            notices=list(asked.values()),
            now=batch.now,
        )
        for walker, one in asked.items():
            result: dict[str, Any] = {"told": one.body, "colleagues": len(told)}
            batch.leave(walker, result=result)
        if batch.config.mail:
            _mail(batch, told)


def _mail(batch: StepBatch[NotifyConfig], told: list[Told]) -> None:
    for one in told:
        outbox.put_one(
            tenant_id=batch.tenant_id,
            to_address=one.email,
            dedupe_key=f"notice:{one.notices[0]}",
            builtin="notice",
            user_id=one.user_id,
            context={"notice_ids": [str(id_) for id_ in one.notices]},
            now=batch.now,
        )


def _key(walker: Walker) -> str:
    return f"journey:{walker.enrollment_id}:{walker.step_number}"


registry.register("NOTIFY")(Notify())
