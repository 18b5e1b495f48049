"""Letting people in when a date of theirs, or a time of a schedule, has come.

`journey.next_run_at` says when to look next. A run concerns what came from then up to `run_until`, and lets people in
by the order of their ids, some at a time: `run_cursor` is the last of them, so that whoever dies in between loses
nothing. Entry keys are local dates, so that a run which is done again lets nobody in twice.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import ARRAY, Date, Integer, Select, Text, Uuid, and_, any_, case, cast, func, literal, null, select
from sqlalchemy.orm import Session

from app.accounts.closures import club_days
from app.accounts.models import Club
from app.conditions.sql import column_of
from app.customers import custom_fields
from app.customers.models import ACTIVE, Customer
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.queue import Work, wake
from app.infra.working_days import WorkingDays
from app.journeys.engine.enrol import Candidate, enrol
from app.journeys.models import Journey
from app.journeys.timed import CATCH_UP, TIMED, DateTrigger, Schedule, zones
from app.journeys.triggers import TriggerConfig
from app.messaging.windows import PERSON
from app.segments.models import SegmentMember

AT_ONCE = 5_000
_NO_CLUB = UUID(int=0)


def plan(journey: Journey, now: datetime) -> None:
    """Note when a journey that begins to run has to look for people first; one that events let into never does."""
    journey.run_until = journey.run_cursor = None
    journey.next_run_at = _next(journey, now)


def go_on(journey: Journey, paused_at: datetime, now: datetime) -> bool | None:
    """Note when a journey that goes on after a pause has to look for people next.

    Returns whether those still come in whose moment came before the pause, None where there are none: a run that was
    due or under way then goes on, unless its time was more than CATCH_UP ago.
    """
    began, earlier = journey.next_run_at, journey.paused_from
    # A run from before an earlier pause has that one to leave out too, and what came between the two with it.
    paused = earlier if began is not None and earlier is not None and began <= earlier else paused_at
    until = journey.run_until or paused
    left = began is not None and began <= paused_at
    in_time = left and now - until <= CATCH_UP
    journey.paused_from, journey.paused_until = paused, now
    if not in_time:
        plan(journey, now)
    return in_time if left else None


def _until(journey: Journey, now: datetime) -> datetime:
    """Return up to when a run that begins now looks: what came before a pause, and after it, are two runs."""
    began, paused = journey.next_run_at, journey.paused_from
    return min(now, paused) if paused is not None and began is not None and began <= paused else now


def _after(journey: Journey, until: datetime) -> datetime | None:
    """Return when to look next after a run, what came in the last pause left out."""
    found = _next(journey, until)
    if found and journey.paused_from and journey.paused_until and journey.paused_from < found <= journey.paused_until:
        return _next(journey, journey.paused_until)
    return found


def run_due(*, tenant_id: UUID, now: datetime) -> int:
    """Let into one journey whose time has come the next people it is the time of; return how many were looked at.

    At least 1 where a journey was due, 0 where none is, or another worker is at it: this one walks people on meanwhile.
    """
    wanted = (
        select(Journey)
        .where(Journey.tenant_id == tenant_id, Journey.status == "ACTIVE", Journey.next_run_at <= now)
        .order_by(Journey.next_run_at, Journey.id)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    with transaction(tenant_id) as session:
        journey = session.scalar(wanted)
        if journey is None or journey.next_run_at is None:
            return 0
        until = journey.run_until or _until(journey, now)
        since = max(journey.next_run_at, until - CATCH_UP)
        found = _people(session, journey, since, until)
        if len(found) == AT_ONCE:
            journey.run_until, journey.run_cursor = until, found[-1].customer_id
            wake(Work.ADVANCE_JOURNEYS, tenant_id)
        else:
            journey.run_until = journey.run_cursor = None
            journey.next_run_at = _after(journey, until)
        session.flush()
        enrol(session, tenant_id, found, now)
        return max(1, len(found))


def _next(journey: Journey, after: datetime) -> datetime | None:
    config = config_of(journey)
    if isinstance(config, DateTrigger):
        return config.next(after)
    coming = config.next(ZoneInfo(journey.timezone), after) if config else None
    return coming[1] if coming else None


def config_of(journey: Journey) -> DateTrigger | Schedule | None:
    """Return the settings of a trigger that comes by the calendar; None of any other, or one that is not valid."""
    if journey.trigger_type not in TIMED:
        return None
    try:
        config = TriggerConfig.model_validate({**journey.trigger_config, "event_type": journey.trigger_type})
    except ValidationError:
        return None
    return config.date or config.schedule


def _people(session: Session, journey: Journey, since: datetime, until: datetime) -> list[Candidate]:
    """Return the next people of a run, at most AT_ONCE, by their ids."""
    config = config_of(journey)
    if isinstance(config, DateTrigger):
        wanted = by_date(journey, config, since, until)
        if wanted is None:
            return []
        return [dated(journey.id, row.id, row.occurs, config) for row in session.execute(_page(journey, wanted))]
    local = config.last(ZoneInfo(journey.timezone), since, until) if config else None
    if config is None or local is None:
        return []
    wanted = _page(journey, _by_schedule(config))
    return [scheduled(journey.id, id_, local) for id_ in session.scalars(wanted)]


def dated(journey_id: UUID, customer_id: UUID, occurs: date, config: DateTrigger) -> Candidate:
    """Return somebody whose date has come."""
    told = {"date": occurs, "field": config.field}
    return Candidate(journey_id, customer_id, f"date:{occurs}", None, told)


def scheduled(journey_id: UUID, customer_id: UUID, local: datetime) -> Candidate:
    """Return somebody who enters at a local time of the schedule."""
    told = {"date": local.date(), "time": f"{local:%H:%M}"}
    return Candidate(journey_id, customer_id, f"schedule:{local.date()}", None, told)


def of_journey(journey: Journey, wanted: Select[Any]) -> Select[Any]:
    """Return the statement for people a journey by the calendar may let in only."""
    wanted = wanted.where(Customer.tenant_id == journey.tenant_id, Customer.status == ACTIVE)
    return wanted if journey.club_id is None else wanted.where(Customer.club_id == journey.club_id)


def _page(journey: Journey, wanted: Select[Any]) -> Select[Any]:
    """Return the statement for the next of the journey's people only."""
    wanted = of_journey(journey, wanted)
    if journey.run_cursor is not None:
        wanted = wanted.where(Customer.id > journey.run_cursor)
    return wanted.order_by(Customer.id).limit(AT_ONCE)


def _by_schedule(config: Schedule) -> Select[Any]:
    wanted = select(Customer.id)
    if config.segment_id is not None:
        member = and_(SegmentMember.tenant_id == Customer.tenant_id, SegmentMember.customer_id == Customer.id)
        wanted = wanted.join(SegmentMember, member).where(SegmentMember.segment_id == config.segment_id)
    return wanted


def by_date(journey: Journey, config: DateTrigger, since: datetime, until: datetime) -> Select[Any] | None:
    """Return who has a date (`occurs`) whose moment lies from `since` to `until`: on a `day` of their `zone`.

    None: it is nobody's. Of the people of all journeys: the caller keeps to its own.
    """
    due = [(zone.key, day) for zone in zones() for day in config.days_between(zone, since, until)]
    about = custom_fields.catalogue(tenant_id=journey.tenant_id).find(config.field)
    dates = list(_dates(journey, config, sorted({day for _, day in due})))
    if about is None or not dates:
        return None
    here = _table("due", {"zone": Text(), "day": Date()}, due)
    when = _table("dates", {"club": Uuid(), "day": Date(), "occurs": Date(), "number": Integer()}, dates)
    # As a list and not as the text of one, which Postgres would read again for each row.
    known = literal([zone.key for zone in zones()], ARRAY(Text()))
    own = case((Customer.timezone == any_(known), Customer.timezone), else_=null())
    day = cast(column_of(about), Date())
    if config.every == "year":
        of_year = cast(func.date_part("month", day) * 100 + func.date_part("day", day), Integer)
        fits = and_(when.c.number == of_year, day < when.c.occurs)
        near = of_year.in_(sorted({number for *_, number in dates}))
    else:
        fits, near = day == when.c.occurs, day.in_(sorted({occurs for *_, occurs, _ in dates}))
    if config.working_days:
        own_club = Customer.club_id if journey.club_id is None else literal(journey.club_id)
        fits = and_(fits, when.c.club == func.coalesce(own_club, literal(_NO_CLUB)))
    of_person = func.coalesce(own, Club.timezone, journey.timezone)
    zone = of_person if journey.clock == PERSON else literal(journey.timezone)
    club = and_(Club.tenant_id == Customer.tenant_id, Club.id == Customer.club_id)
    wanted = (
        select(Customer.id, when.c.occurs, here.c.zone, here.c.day)
        .outerjoin(Club, club)
        .join(when, fits)
        .join(here, and_(here.c.day == when.c.day, here.c.zone == zone))
    )
    # Most people's days are other ones: that is asked first, before where each of them is.
    return wanted.where(near)


def _dates(
    journey: Journey, config: DateTrigger, days: Sequence[date]
) -> Iterator[tuple[UUID, date, date, int | None]]:
    """Yield by day the dates whose moment is on it, with each day of the year that has its day on them.

    Where it matters which days are working days they are those of a club, or of _NO_CLUB for who has none.
    """
    found: dict[UUID, WorkingDays] = {_NO_CLUB: WorkingDays()}
    if config.working_days:
        with transaction(journey.tenant_id) as session:
            clubs = club_days(session, journey.tenant_id)
        found = {_NO_CLUB: clubs.of(), **clubs.clubs}
    for club, working in found.items():
        for day in days:
            for occurs in config.occurrences(day, working):
                numbers: Sequence[int | None] = config.numbers(occurs) if config.every == "year" else (None,)
                for number in numbers:
                    yield club, day, occurs, number


def _table(name: str, columns: dict[str, Any], rows: Sequence[Sequence[Any]]) -> Any:
    """Return rows as a table of a statement."""
    values = (
        cast(literal(array(map(_text, column)), Text()), ARRAY(kind))
        for column, kind in zip(zip(*rows, strict=True), columns.values(), strict=True)
    )
    return func.unnest(*values).table_valued(*columns).render_derived(name=name)


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
