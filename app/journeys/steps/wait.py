"""WAIT: some time has to pass, a clock has to show a time, or something has to happen, before the journey goes on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import SQLColumnExpression, any_, null, select, text

from app.accounts.closures import ClubDays, club_days
from app.conditions import InvalidConditions, asks_nothing
from app.customers import custom_fields
from app.customers.models import Customer
from app.events import catalogue
from app.events.types.journeys import ENDS
from app.events.types.segments import MOVES
from app.infra.arrays import array, uuids
from app.infra.working_days import WorkingDays
from app.journeys import (
    asking,
    condition_fields,  # noqa: F401 - it fills the catalogue
    walks,
)
from app.journeys.durations import duration, longer_than_nothing, working_days
from app.journeys.graph import NEXT, Graph, Step
from app.journeys.models import Journey
from app.journeys.payloads import date_label, event_dates, payload_fits, payload_tree, said_date
from app.journeys.since import happened
from app.journeys.step_type import ANEW, ANYTHING, MANUAL, Known, StepBatch, StepType, Walker, registry
from app.journeys.timed import TIMED, date_fields
from app.journeys.waits import WaitConfig
from app.messaging.windows import PERSON

TIMEOUT, MISSED = "timeout", "missed"
FIRST_LOOK = timedelta(minutes=2)
"""What happened in the very moment somebody came here is found then, in the log of events."""
LOOK_EVERY = timedelta(hours=6)
"""A condition can begin to hold without an event, as time passes."""

_AWAITED = text("""
    UPDATE journey_enrollment e SET awaited = jsonb_build_object('type', a.type, 'payload', a.payload)
    FROM unnest(CAST(:walks AS uuid[]), CAST(:events AS uuid[])) AS w(id, event_id)
    JOIN activity a ON a.tenant_id = :tenant_id AND a.id = w.event_id
    WHERE e.tenant_id = :tenant_id AND e.id = w.id
    RETURNING e.id, e.awaited
""")


class Wait(StepType[WaitConfig]):
    """Parks people until their moment has come. It is fixed when they enter and stored with them.

    Who waits for an event goes on by one that counts as having happened since they came, whether it wakes them or is
    found in the log: app.journeys.since says what counts. Who waits for a condition goes on once it holds.
    """

    label = "Wait"
    icon = "clock"
    description = "Let time pass, wait for a time or a date, or for something to happen."
    rebases = True
    Config = WaitConfig

    def exits(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the way on, and that of who waited in vain where that can be."""
        if config.get("event_type") is not None or config.get("rules") is not None:
            return (NEXT, TIMEOUT)
        dates = [one for name in ("date", "event_date") if isinstance(one := config.get(name), Mapping)]
        return (NEXT, MISSED) if any(one.get("missed") == "branch" for one in dates) else (NEXT,)

    def exit_labels(self, config: Mapping[str, Any]) -> dict[str, str]:
        """Return what the ways are called."""
        if config.get("event_type") is not None:
            return {NEXT: "It happened", TIMEOUT: "Time is up"}
        if config.get("rules") is not None:
            return {NEXT: "It holds", TIMEOUT: "Time is up"}
        return {NEXT: "Date came", MISSED: "No date ahead"}

    def defaults(self) -> dict[str, Any]:
        """Return a wait of a day."""
        return {"duration": "1 day"}

    def waits_otherwise(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Return whether it waits for another event or condition, or for none."""
        return any(
            before.get(name) != after.get(name) for name in ("event_type", "conditions", "same", "rules", "combinator")
        )

    def takes_time(self, config: Mapping[str, Any]) -> bool:
        """Return whether everybody waits here, be it for a moment: a date may be over and a condition hold."""
        return bool(config.get("until") or config.get("event_type")) or longer_than_nothing(config.get("duration"))

    def check(self, config: WaitConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield what is wrong with what is waited for."""
        if config.for_something and (config.timeout is None or not longer_than_nothing(config.timeout)):
            yield "timeout", "Say how long they wait at most."
        if config.date is not None and config.date.field not in date_fields(known):
            yield "date.field", "There is no such date (any more). Choose another one."
        if config.event_type is not None:
            yield from _check_event(config.event_type, config.conditions, known)
        if config.rules is not None:
            try:
                errors = known.unknown(config.tree(known.walks))
            except InvalidConditions as wrong:
                errors = wrong.errors
            for path, message in errors.items():
                yield path or "rules", message

    def check_place(self, step: Step, graph: Graph, known: Known) -> Iterator[tuple[str | None, str]]:  # noqa: ARG002
        """Yield that no event of the journey says the date that is waited for, or no step is answered what is asked."""
        chosen = step.config.get("event_date")
        if isinstance(chosen, Mapping):
            said = event_dates(graph)
            if not said.open and chosen.get("field") not in said.known:
                nothing = "No event that begins the journey, or that it waits for, says a date."
                yield "event_date.field", "Choose a date that the event says." if said.known else nothing
        yield from ((f"rules{path}", message) for path, message in walks.no_calls(step.config.get("rules"), graph))

    def retargeted(self, config: Mapping[str, Any], called: Callable[[str], str]) -> Mapping[str, Any]:
        """Return the settings with the WEBHOOK steps whose answers they ask of by their other keys."""
        return {**config, "rules": walks.retargeted(config["rules"], called)} if "rules" in config else config

    def title(self, config: WaitConfig, known: Known) -> str:
        """Return how long, or until when or what, without the details."""
        if config.duration is not None:
            return f"Wait {config.duration}"
        if config.until is not None:
            return f"Wait until {config.until.words()}"
        if config.date is not None:
            told = config.date.words(known)
            return f"Wait until {told[:1].lower()}{told[1:]}".replace("until on ", "until ")
        if config.event_date is not None:
            return f"Wait until {config.event_date.words(date_label(config.event_date.field))}"
        if config.event_type is None:
            return "Wait for a condition"
        return f"Wait for “{catalogue.get(config.event_type).label}”" if config.event_type else self.label

    def words(self, config: WaitConfig, known: Known) -> str:
        """Return how long, or until when or what."""
        if not config.for_something:
            return f"{self.title(config, known)}{_also(config)}"
        at_most = f", at most {config.timeout}" if config.timeout else ""
        try:
            if config.event_type is None:
                return f"Wait until {known.told(config.tree(known.walks))}{at_most}"
            tree = payload_tree(config.event_type, config.conditions)
        except InvalidConditions:
            return "Not set up yet"
        asked = "" if asks_nothing(tree) else f" and {known.told(tree)}"
        asked += f" with the same “{config.same}”" if config.same else ""
        return f"Wait until “{catalogue.get(config.event_type).label}” happens{asked}{at_most}"

    def wakes(
        self, config: WaitConfig, event_type: str, payload: Mapping[str, Any], *, zone: str, now: datetime
    ) -> bool:
        """Return whether it is the event waited for; any may make a condition hold."""
        if config.event_type is None:
            return True
        return event_type == config.event_type and payload_fits(
            event_type, config.conditions, payload, zone=zone, now=now
        )

    def same(self, config: WaitConfig) -> str | None:
        """Return the field in which the event has to say what the one said that let somebody in."""
        return config.same if config.event_type is not None else None

    def run(self, batch: StepBatch[WaitConfig]) -> None:
        """Park those who have just come and let those go whose time is over, or who have what they wait for."""
        if batch.config.event_type is not None:
            _for_event(batch, batch.config.event_type)
        elif batch.config.rules is not None:
            _for_condition(batch)
        else:
            _for_time(batch)

    @staticmethod
    def next_times(
        config: WaitConfig, zone: ZoneInfo, now: datetime, many: int = 5, days: WorkingDays | None = None
    ) -> list[datetime]:
        """Return the next moments at which people in a zone go on: none where that is another one for each person.

        The first is that of who comes now, and each other that of who comes when the one before is reached.
        """
        days = days or WorkingDays()
        if config.duration is not None:
            return [config.moment(now, zone, days)]
        found: list[datetime] = []
        while config.until is not None and len(found) < many:
            found.append(config.moment(found[-1] if found else now, zone, days))
        return found


def _also(config: WaitConfig) -> str:
    """Return that a wait goes on only on working days, if it does."""
    if not config.working_days:
        return ""
    if config.duration is not None:
        return ", then until a working day" if working_days(config.duration) is None else ""
    if config.until is None:
        return ""
    return ", or on the next working day" if config.until.weekdays else ", on a working day"


def _check_event(event_type: str, conditions: object, known: Known) -> Iterator[tuple[str | None, str]]:
    if event_type == MANUAL or event_type in TIMED or not event_type:
        yield "event_type", "Choose an event."
        return
    if event_type in MOVES or event_type in ENDS:
        yield "event_type", "Wait for a condition instead: that they are in the segment or journey, or are not."
        return
    try:
        errors = known.unknown(payload_tree(event_type, conditions))
    except InvalidConditions as wrong:
        errors = wrong.errors
    for path, message in errors.items():
        yield f"conditions{path.removeprefix('rules')}", message


def _for_time(batch: StepBatch[WaitConfig]) -> None:
    told_anew = batch.config.event_date is not None
    coming: list[Walker] = []
    missed = MISSED if batch.config.dated is not None and batch.config.dated.missed == "branch" else NEXT
    for walker in batch.walkers:
        if walker.waiting_until is None or (told_anew and ANEW in (walker.woken_by or {})):
            coming.append(walker)
        elif (walker.woken_by or {}).get("exit") == MISSED:
            # Counted anew, their date was over when they came.
            batch.leave(walker, missed, {"missed": True})
        elif walker.waiting_until > batch.now:
            # Looked at before their time, as who came when the step waited for something is.
            batch.park(walker, walker.waiting_until)
        else:
            batch.leave(walker, result={"waiting_until": _iso(walker.waiting_until)})
    for walker, until in zip(coming, _untils(batch, coming), strict=True):
        if until is None:
            batch.leave(walker, missed, {"missed": True})
        elif until <= batch.now:
            batch.leave(walker, result={"waiting_until": _iso(until)})
        else:
            batch.park(walker, until, {"waiting_until": _iso(until)})


def _untils(batch: StepBatch[WaitConfig], coming: Sequence[Walker]) -> list[datetime | None]:
    config = batch.config
    if config.duration is not None and not config.by_working_days:
        return [batch.now + duration(config.duration)] * len(coming)
    facts = _facts(batch)
    said = _said(batch, config.event_date.field, coming) if config.event_date is not None else {}
    clubs = club_days(batch.session, batch.tenant_id) if config.by_working_days else ClubDays()
    here = ZoneInfo(batch.journey.timezone)
    moments: dict[tuple[_Facts, datetime | date | None], datetime | None] = {}
    found = []
    for walker in coming:
        own, event_date = facts.get(walker.customer_id, _Facts()), said.get(walker.enrollment_id)
        if (own, event_date) not in moments:
            of_person = own.zone if batch.journey.clock == PERSON else None
            zone = _zone(of_person or batch.journey.timezone, batch.journey.timezone)
            days = clubs.of(own.journeys_club, own.club)
            if config.event_date is not None:
                at = config.event_date.moment(event_date, batch.now, here=here, zone=zone, days=days)
            elif config.date is not None:
                at = config.date.moment(own.on, batch.now, zone, days)
            else:
                at = config.moment(batch.now, zone, days)
            moments[own, event_date] = at
        found.append(moments[own, event_date])
    return found


def _said(batch: StepBatch[WaitConfig], field: str, walkers: Sequence[Walker]) -> dict[UUID, datetime | date | None]:
    """Return the date each of the people's events says: the last one they waited for, else what let them in."""
    here, trigger = ZoneInfo(batch.journey.timezone), batch.journey.trigger
    found = {}
    for walker in walkers:
        awaited = walker.awaited or {}
        last = said_date(str(awaited.get("type") or ""), awaited.get("payload") or {}, field, here)
        first = said_date(trigger, walker.trigger_data, field, here) if last is None else None
        found[walker.enrollment_id] = last or first
    return found


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a wait asks of a customer: their zone, the club of the journey and their own, the date waited for."""

    zone: str | None = None
    journeys_club: UUID | None = None
    club: UUID | None = None
    on: date | None = None


def _facts(batch: StepBatch[WaitConfig]) -> dict[UUID, _Facts]:
    """Return what the wait asks of each customer."""
    column: SQLColumnExpression[Any] = null()
    if batch.config.date is not None:
        field = custom_fields.catalogue(tenant_id=batch.tenant_id).find(batch.config.date.field)
        if field is not None and field.column is not None:
            column = field.column() if callable(field.column) else field.column
    clubs: Sequence[SQLColumnExpression[Any]] = (null(), null())
    if batch.config.by_working_days:
        here = select(Journey.club_id).where(Journey.tenant_id == batch.tenant_id, Journey.id == batch.journey.id)
        clubs = (here.scalar_subquery(), Customer.__table__.c.club_id)
    asked: Any = select(Customer.id, Customer.timezone, *clubs, column).where(
        Customer.tenant_id == batch.tenant_id, Customer.id == any_(uuids(batch.customer_ids))
    )
    return {row[0]: _Facts(*row[1:]) for row in batch.session.execute(asked)}


def _for_event(batch: StepBatch[WaitConfig], event_type: str) -> None:
    until = _until_timeout(batch)
    looking = []
    came: dict[Walker, str | None] = {}
    for walker in batch.walkers:
        if walker.waiting_until is None:
            look_at = min(until, batch.now + FIRST_LOOK)
            result = {"waiting_until": _iso(until), "waits_for": event_type}
            batch.park(walker, until, result, waits_for=event_type, look_at=look_at)
        elif walker.woken_by is not None and walker.woken_by.get("type") == event_type:
            came[walker] = walker.woken_by.get("event_id")
        else:
            looking.append(walker)
    found = happened(batch, event_type, batch.config.conditions, looking, batch.config.same)
    for walker in looking:
        assert walker.waiting_until is not None
        if walker.enrollment_id in found:
            came[walker] = found[walker.enrollment_id]
        elif walker.waiting_until <= batch.now:
            batch.leave(walker, TIMEOUT, {"timed_out": True, "waiting_until": _iso(walker.waiting_until)})
        else:
            # Whom events of this type could not wake so far may have had one this very moment, as those who come.
            unheard = walker.waits_for != event_type or ANEW in (walker.woken_by or {})
            again = min(walker.waiting_until, batch.now + FIRST_LOOK) if unheard else None
            batch.park(walker, walker.waiting_until, waits_for=event_type, look_at=again)
    _keep(batch, came)
    for walker, event_id in came.items():
        batch.leave(walker, result={"happened": event_type, "event_id": event_id})


def _keep(batch: StepBatch[WaitConfig], came: Mapping[Walker, str | None]) -> None:
    """Let what follows know what the events say that people waited for."""
    known = {walker: event_id for walker, event_id in came.items() if event_id}
    if not known:
        return
    told = {"walks": array(one.enrollment_id for one in known), "events": array(known.values())}
    kept = {row.id: row.awaited for row in batch.session.execute(_AWAITED, {"tenant_id": batch.tenant_id, **told})}
    for walker in known:
        walker.awaited = kept.get(walker.enrollment_id, walker.awaited)


def _for_condition(batch: StepBatch[WaitConfig]) -> None:
    tree = batch.config.tree(asking.catalogue(batch))
    answers = asking.answers(batch, [tree])
    nothing = asking.nothing_holds([tree])
    for walker in batch.walkers:
        (answer,) = answers.get(walker, nothing)
        until = walker.waiting_until or _until_timeout(batch)
        if answer[0]:
            batch.leave(walker, result={"holds": True, "evaluated_rules": asking.told(tree, answer)})
        elif until <= batch.now:
            batch.leave(walker, TIMEOUT, {"timed_out": True, "waiting_until": _iso(until)})
        else:
            look_at = min(until, batch.now + LOOK_EVERY)
            batch.park(walker, until, {"waiting_until": _iso(until)}, waits_for=ANYTHING, look_at=look_at)


def _until_timeout(batch: StepBatch[WaitConfig]) -> datetime:
    return batch.now + duration(batch.config.timeout or "0 minutes")


def _zone(name: str, otherwise: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(otherwise)


@lru_cache(maxsize=1000)
def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


registry.register("WAIT")(Wait())
