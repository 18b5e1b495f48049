"""TASK: a colleague gets something to do about everybody who comes here, by a mail too, and is waited for if wished."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import Field, field_validator

from app.content.letters import one_line
from app.content.liquid import render
from app.customers import tasks
from app.customers.tasks import NewTask, Task
from app.journeys import colleagues
from app.journeys.durations import duration
from app.journeys.merge_values import compiled, write_each
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, Walker, registry
from app.messaging import outbox

LATE = "late"
MAX_TITLE = 200


class TaskConfig(StepConfig):
    """Who is to do what, until when."""

    to: str = Field(title="For", max_length=100, json_schema_extra={"widget": "colleague"})
    title: str = Field(
        title="What to do",
        min_length=1,
        max_length=MAX_TITLE,
        description="Merge tags can be in it: “Call {{ customer.first_name }}”.",
    )
    details: str | None = Field(
        default=None, max_length=2000, title="More about it", json_schema_extra={"widget": "textarea"}
    )
    due_in: str | None = Field(default=None, title="To be done within", json_schema_extra={"widget": "duration"})
    mail: bool = Field(
        default=False, title="Tell them by e-mail", description="One mail for all who come here at the same moment."
    )
    wait: bool = Field(default=False, title="Wait until it is done")
    give_up_after: str = Field(
        default="7 days",
        title="Wait at most",
        description="Who waits longer goes on by the other way.",
        json_schema_extra={"widget": "duration"},
    )

    @field_validator("title", "details")
    @classmethod
    def _reads(cls, value: str | None) -> str | None:
        if value is not None:
            compiled(value)
        return value

    @field_validator("due_in", "give_up_after")
    @classmethod
    def _some_time(cls, value: str | None) -> str | None:
        if value is not None and not duration(value):
            raise ValueError("Give a time longer than nothing.")
        return value


class TaskStep(StepType[TaskConfig]):
    """Gives tasks; who waits for one is woken when it is done (see `app.journeys.tasks`)."""

    label = "Task for a colleague"
    icon = "user-check"
    description = "Give a colleague something to do, and wait for it if you like."
    reaches_out = True
    merges = ("title", "details")
    Config = TaskConfig

    def defaults(self) -> dict[str, Any]:
        """Return a task nobody is waited for, and for how long they would be."""
        return {"give_up_after": "7 days"}

    def exits(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the way on, and where people wait that of those who waited in vain."""
        return ("next", LATE) if config.get("wait") else ("next",)

    def exit_labels(self, config: Mapping[str, Any]) -> dict[str, str]:
        """Return what the ways are called."""
        return {"next": "Done", LATE: "Not done in time"} if config.get("wait") else {}

    def takes_time(self, config: Mapping[str, Any]) -> bool:
        """Return whether people wait here."""
        return bool(config.get("wait"))

    def check(self, config: TaskConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield that nobody like that can do it."""
        yield from colleagues.check(config.to, known, "do tasks")

    def words(self, config: TaskConfig, known: Known) -> str:
        """Return what, and for whom."""
        return f"“{config.title}”, for {colleagues.called(config.to, known.colleagues)}"

    def run(self, batch: StepBatch[TaskConfig]) -> None:
        """Give a task for each who has just come; let those go whose task is done, or who waited long enough."""
        given = tasks.by_keys(tenant_id=batch.tenant_id, keys=[walker.key for walker in batch.walkers])
        _give(batch, [walker for walker in batch.walkers if walker.key not in given])
        for walker in batch.walkers:
            found = given.get(walker.key)
            if found is not None:
                _go_on(batch, walker, found)


def _go_on(batch: StepBatch[TaskConfig], walker: Walker, found: Task) -> None:
    told = {"task_id": str(found.id)}
    if found.done_at is not None:
        batch.leave(walker, result={**told, "done_by": found.done_by_name})
    elif not batch.config.wait or walker.waiting_until is None:
        batch.leave(walker, result=told)
    elif walker.waiting_until <= batch.now:
        batch.leave(walker, LATE, told)
    else:
        batch.park(walker, walker.waiting_until, told, waits_for=waits_for(found.key))


def _give(batch: StepBatch[TaskConfig], coming: Sequence[Walker]) -> None:
    if not coming:
        return
    config = batch.config
    asked = write_each(batch, coming, partial(_asked, config), "What is to be done")
    made = tasks.put(
        tenant_id=batch.tenant_id,
        to=config.to,
        tasks=list(asked.values()),
        due_at=batch.now + duration(config.due_in) if config.due_in else None,
        actor=f"journey:{batch.journey.id}",
        now=batch.now,
    )
    for walker, one in asked.items():
        told = {"task_id": str(made[one.key])}
        if config.wait:
            batch.park(walker, batch.now + duration(config.give_up_after), told, waits_for=waits_for(one.key))
        else:
            batch.leave(walker, result=told)
    if config.mail and made:
        _mail(batch, list(made.values()))


def _asked(config: TaskConfig, walker: Walker, values: Mapping[str, Any]) -> NewTask:
    title = one_line(render(compiled(config.title), values))[:MAX_TITLE]
    details = render(compiled(config.details), values) if config.details else None
    return NewTask(walker.key, walker.customer_id, title or "Task", details)


def _mail(batch: StepBatch[TaskConfig], made: Sequence[UUID]) -> None:
    for one in tasks.readers_of(tenant_id=batch.tenant_id, to=batch.config.to):
        outbox.put_one(
            tenant_id=batch.tenant_id,
            to_address=one.email,
            dedupe_key=f"task:{min(made)}:{one.id}",
            builtin="task",
            user_id=one.id,
            context={"task_ids": [str(id_) for id_ in made]},
            now=batch.now,
        )


def waits_for(key: str) -> str:
    """Return what somebody waits for whose task was put in under that key."""
    return f"task:{key}"


registry.register("TASK")(TaskStep())
