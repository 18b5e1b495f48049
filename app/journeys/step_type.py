"""What a kind of step is: its settings, its words, its checks and its doing. Each kind is one file in `steps/`.

A kind's `Config` is a pydantic model; form, OpenAPI and engine all come from it. Its fields carry a title, a
description and, in `json_schema_extra`, the `widget` a form draws:

    duration      text such as "3 days"                  template     id of a template (of the chosen channel)
    topic         id of a topic of consent               segment      id of a segment, where the event is about one
    time          text "09:00"                           event_type   name of an event type, or MANUAL
    conditions    the rules of a condition on profiles   payload_conditions   the same on an event's payload
    updates       list of {field, operation, value}      combinator   AND or OR, drawn with what it `joins`
    step          key of another step of the journey
    journey       id of another journey
    colleague     whom a task is given to: "user:<id>" or "role:staff"
    told          whom a notice is for, as a colleague
    secret        a sealed secret, made by a button
    date_field    name of a date of the customer         date         a day "2026-11-22"
    recurrence    an RRULE, or nothing for once
    long_duration text such as "3 working days"          event_date   name of a date that the journey's event says
    event_key     name under which the journey's event says something

Others are drawn by their JSON type.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from app.conditions import Catalogue, Tree, explain, profile
from app.conditions.telling import LOCALE
from app.customers.field_kind import CustomFieldInfo
from app.infra.registry import Registry
from app.journeys.graph import NEXT, Graph, Step
from app.journeys.walks import Around, Walks
from app.messaging.windows import PERSON

MANUAL = "MANUAL"
SEALED = "secret"
"""What the setting is called that holds a sealed secret."""
ANYTHING = "*"
"""What those wait for whom any event about them may concern."""
ANEW = "anew"
"""What `woken_by` has of those whose event was told anew, with another date maybe (`engine.anew`)."""

GONE = "There is no such customer any more."
"""Why a step fails for somebody who was erased meanwhile."""


class StepConfig(BaseModel):
    """The settings of a kind; anything it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


C = TypeVar("C", bound=StepConfig)


@dataclass(frozen=True, slots=True)
class Template:
    """What checks and words need to know of a template."""

    name: str
    channel: str
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What settings may refer to in this tenant: event types by name with labels, the rest by id.

    `topics` and `segments` are those in use.
    """

    templates: Mapping[UUID, Template] = field(default_factory=dict)
    event_types: Mapping[str, str] = field(default_factory=dict)
    clubs: Mapping[UUID, str] = field(default_factory=dict)
    topics: Mapping[UUID, str] = field(default_factory=dict)
    segments: Mapping[UUID, str] = field(default_factory=dict)
    colleagues: Mapping[str, str] = field(default_factory=dict)
    """Whom tasks can be given to (app.customers.tasks.colleagues)."""
    profile: Catalogue = profile
    """What conditions may ask of this tenant's customers."""
    custom: Mapping[str, CustomFieldInfo] = field(default_factory=dict)
    """The tenant's own fields that are in use, by what conditions call them."""
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What people call the values of fields, for words: by field and value (road.condition_names)."""
    locale: str = LOCALE
    """How the tenant writes numbers and days, and in which currency amounts are where nothing says another."""
    currency: str = ""
    unknown: Callable[[Tree], Mapping[str, str]] = lambda _: {}
    """By path what is wrong with rules that name what is not there: a segment, a journey, a template …"""
    opens: Callable[[str], bool] = lambda _: True
    """Returns whether a step's secret can be read here."""
    id: UUID | None = None
    """The journey at hand."""
    journeys: Mapping[UUID, str] = field(default_factory=dict)
    """What the journeys are called, archived ones left out."""
    starts: Callable[[], Mapping[UUID, frozenset[UUID]]] = dict
    """Returns, by journey that lets people into others with nothing that takes time before, which these are."""
    steps: Mapping[str, str] = field(default_factory=dict)
    """What the steps of the journey at hand are called, by key, without its TRIGGER."""

    around: Around = field(default_factory=Around)
    """What else the conditions of steps of the journey at hand may ask of."""

    @property
    def walks(self) -> Walks:
        """Return what conditions of steps may ask: of customers, and of their walks."""
        return Walks(self.profile, self.around)

    def told(self, tree: Tree) -> str:
        """Return conditions in words."""
        return explain(tree, names=self.names, locale=self.locale, currency=self.currency)


@dataclass(frozen=True, slots=True)
class JourneyFacts:
    """What a step may know of the journey it is in: the version people follow, and the zone where they have none.

    `chance` is what everything is drawn by: the journey's id, and in a rehearsal that of the journey rehearsed.
    """

    id: UUID
    version: int
    timezone: str
    chance: UUID
    trigger: str = ""
    """The type of event that lets people in."""
    topic_id: UUID | None = None
    """What people are asked for who get marketing of steps and templates that name no topic."""
    clock: str = PERSON
    """Whose clock local times go by (app.messaging.windows)."""

    @property
    def rehearsed(self) -> bool:
        """Return whether it is walked in a rehearsal: then nothing is to leave it, nor to touch other journeys."""
        return self.id != self.chance


@dataclass(slots=True, eq=False)
class Walker:
    """One person at one step. `waiting_until` is set when the person was parked here and has woken up.

    `attempts`: so often the step has failed for them. `woken_by` is what woke them before that time, if something did:
    the `type` and `event_id` of an event, ANEW, or the `exit` they would have left by had they come to the step as it
    is set now. `answers` are those of WEBHOOK steps, by their keys. `waits_for` is what they were parked with,
    `awaited` the event that a WAIT waited for last: its `type` and `payload`.
    """

    enrollment_id: UUID
    customer_id: UUID
    step_number: int
    waiting_until: datetime | None
    trigger_data: Mapping[str, Any]
    attempts: int = 0
    woken_by: Mapping[str, Any] | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)
    waits_for: str | None = None
    awaited: Mapping[str, Any] | None = None

    @property
    def context(self) -> dict[str, Any]:
        """Return what templates know beside the customer: what let them in, what they waited for, what was answered."""
        told = {"event": self.trigger_data}
        if self.awaited:
            told["awaited"] = self.awaited.get("payload") or {}
        return told | ({"webhook": self.answers} if self.answers else {})

    @property
    def key(self) -> str:
        """Return by what a message, a task or a notice for them is known at this step: there is one of it."""
        return f"journey:{self.enrollment_id}:{self.step_number}"

    @property
    def logged(self) -> bool:
        """Return whether the log has the step already, because they were here before."""
        return self.waiting_until is not None or self.attempts > 0


class Outcome(NamedTuple):
    """What became of one person at one step: left by `exit`, or parked `until` then, or failed for `failure`.

    `jump`: left for the step of that key, whatever the exits lead to. `leaves`: the exit leads out of the journey, for
    that reason. `later`: they take the next step in a later batch. `again_at`: it failed, and is tried again then. Who
    is parked is looked at again at `look_at`, without one at `until`, and sooner if what they wait for (`waits_for`)
    happens.
    """

    exit: str | None = None
    jump: str | None = None
    leaves: str | None = None
    later: bool = False
    until: datetime | None = None
    look_at: datetime | None = None
    waits_for: str | None = None
    failure: str | None = None
    again_at: datetime | None = None
    result: Mapping[str, Any] | None = None

    @property
    def stays(self) -> bool:
        """Return whether they stand at the step from then on."""
        return self.until is not None or self.again_at is not None


class StepBatch(Generic[C]):
    """Everybody who is at one step of one journey now. A kind's `run` gives each an outcome."""

    def __init__(
        self,
        *,
        session: Session,
        tenant_id: UUID,
        now: datetime,
        journey: JourneyFacts,
        step_key: str,
        config: C,
        walkers: Sequence[Walker],
        entered_now: Callable[[str], Collection[UUID]] = lambda _: (),
    ) -> None:
        self.session = session
        self.tenant_id = tenant_id
        self.now = now
        self.journey = journey
        self.step_key = step_key
        self.config = config
        self.walkers = walkers
        self.entered_now = entered_now
        """Returns the enrollments that came to a step, by key, in this transaction: the log has them only after it."""
        self.outcomes: dict[Walker, Outcome] = {}
        self.at_last: list[tuple[UUID, Callable[[], None]]] = []
        """What is done once all of the batch is logged and its journeys are locked, the one named with it too."""

    @property
    def customer_ids(self) -> list[UUID]:
        """Return the customers of the batch, each once, sorted: the order rows are locked in."""
        return sorted({walker.customer_id for walker in self.walkers}, key=attrgetter("int"))

    def leave(
        self, walker: Walker, exit: str = NEXT, result: Mapping[str, Any] | None = None, *, later: bool = False
    ) -> None:
        """Let a person go on by one of the step's exits; `later`: with the next step in a later batch."""
        self.outcomes[walker] = Outcome(exit=exit, result=result, later=later)

    def jump(self, walker: Walker, to: str, result: Mapping[str, Any] | None = None) -> None:
        """Let a person go on with another step, which they take in a later batch."""
        self.outcomes[walker] = Outcome(jump=to, result=result)

    def leave_all(self, exit: str = NEXT, result: Mapping[str, Any] | None = None) -> None:
        """Let everybody go on by the same exit, with the same result."""
        outcome = Outcome(exit=exit, result=result)
        self.outcomes.update(dict.fromkeys(self.walkers, outcome))

    def leave_journey(self, walker: Walker, reason: str, result: Mapping[str, Any] | None = None) -> None:
        """Let a person leave the journey here; the reason is also what the way is called in the log."""
        self.outcomes[walker] = Outcome(exit=reason, leaves=reason, result=result)

    def park(
        self,
        walker: Walker,
        until: datetime,
        result: Mapping[str, Any] | None = None,
        *,
        waits_for: str | None = None,
        look_at: datetime | None = None,
    ) -> None:
        """Keep a person here; the step runs again for them at `until`.

        Also sooner: at `look_at`, and when an event of the type `waits_for` (ANYTHING: of any type) says what the kind
        `wakes` by; then the walker's `woken_by` tells which.
        """
        self.outcomes[walker] = Outcome(until=until, look_at=look_at, waits_for=waits_for, result=result)

    def fail(self, walker: Walker, reason: str) -> None:
        """End a person's journey: the step can't be done for them, and trying again would not help."""
        self.outcomes[walker] = Outcome(failure=reason, result={"error": reason})


class StepType(ABC, Generic[C]):
    """One kind of step."""

    label: ClassVar[str]
    icon: ClassVar[str]
    description: ClassVar[str]
    placeable: ClassVar[bool] = True
    """Whether the palette offers it; the TRIGGER is simply there."""
    reaches_out: ClassVar[bool] = False
    """Whether it writes to people or to other systems: nobody takes such a step twice because a draft moved it."""
    rebases: ClassVar[bool] = False
    """Whether its wait can be counted anew, from when a person came, once its settings have changed."""
    merges: ClassVar[tuple[str, ...]] = ()
    """The settings in which merge tags may stand."""
    ends: ClassVar[bool] = False
    """Whether a person who comes here has completed the journey."""

    Config: type[C]

    def warnings(self, config: C, tenant_id: UUID) -> Iterable[str]:  # noqa: ARG002 - kinds may look at both
        """Return what would keep the step from doing anything, though its settings are right; most know nothing."""
        return ()

    def exits(self, config: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002 - kinds may look at their settings
        """Return the names of the ways out, the main one first; `config` may be unfinished."""
        return (NEXT,)

    def exit_labels(self, config: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG002 - as above
        """Return what people call the ways out, by name; one that is missing is called by its name."""
        return {}

    def leads_to(self, config: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """Return the keys of steps people may go on with that the settings name, beside those the exits lead to.

        `config` may be unfinished, and the steps may be gone.
        """
        return ()

    def retargeted(self, config: Mapping[str, Any], called: Callable[[str], str]) -> Mapping[str, Any]:  # noqa: ARG002
        """Return the settings, which may be unfinished, with each step they name by the key it is `called` by."""
        return config

    def waits_otherwise(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Return whether these settings wait for something else than those: who is parked is then looked at again."""
        return False

    def takes_time(self, config: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Return whether people stay at the step for a while, so that a loop through it does not run on the spot."""
        return False

    def check_place(self, step: Step, graph: Graph, known: Known) -> Iterable[tuple[str | None, str]]:  # noqa: ARG002
        """Yield (field, message) for what is wrong with the settings where the step stands in the graph."""
        return ()

    def defaults(self) -> dict[str, Any]:
        """Return the settings of a step just put on the canvas; they may still be incomplete."""
        return {}

    def pointless(self, config: Mapping[str, Any]) -> frozenset[str]:  # noqa: ARG002 - kinds may look at it
        """Return the settings that others leave nothing to say; forms neither ask for them nor keep them."""
        return frozenset()

    def check(self, config: C, known: Known) -> Iterable[tuple[str | None, str]]:  # noqa: ARG002
        """Yield (field, message) for what is wrong with settings that fit the schema."""
        return ()

    def wakes(
        self,
        config: C,  # noqa: ARG002 - kinds may look at all of it
        event_type: str,  # noqa: ARG002
        payload: Mapping[str, Any],  # noqa: ARG002
        *,
        zone: str,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> bool:
        """Return whether an event wakes somebody who is parked here and waits for events of its type."""
        return True

    def title(self, config: C, known: Known) -> str:  # noqa: ARG002 - kinds may look at both
        """Return what a step without a name of its own is called: a message by its template, others by their kind."""
        return self.label

    def same(self, config: C) -> str | None:  # noqa: ARG002
        """Return the field in which an event has to say what the one said that let somebody in, to wake them."""
        return None

    @abstractmethod
    def words(self, config: C, known: Known) -> str:
        """Return the settings as a few words for the card: "Wait 3 days"."""

    @abstractmethod
    def run(self, batch: StepBatch[C]) -> None:
        """Do the step for everybody in the batch, by sets, and give each an outcome.

        Runs in the engine's transaction, within a savepoint. What it raises makes the engine try again with fewer
        people, until the one whose data is at fault is alone; for them it is tried again later, a few times.
        """


registry: Registry[StepType[Any]] = Registry("step type")


@cache
def step_types() -> Registry[StepType[Any]]:
    """Return the kinds of steps; every module in `steps/` has registered its own."""
    registry.discover("app.journeys.steps")
    return registry
