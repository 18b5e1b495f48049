"""What a journey's draft would have done with what happened in the past: asked for, watched, and shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_date
from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.journeys import presenters
from app.blueprints.journeys.base import blueprint
from app.customers import queries as customers
from app.events.types.segments import MOVES
from app.infra import clock
from app.infra.errors import Invalid, UserError
from app.journeys import backtest, queries
from app.journeys.backtest import Backtest, Counts
from app.journeys.graph import Step
from app.journeys.models import Journey
from app.journeys.step_type import MANUAL
from app.journeys.timed import DATE, SCHEDULE
from app.journeys.titles import titles
from app.messaging.channel import installed
from app.messaging.states import STATUS_WORDS, Reason, Status, reason_in_words
from app.web import charts
from app.web.charts import Chart
from app.web.guards import current, must, requires
from app.web.htmx import is_htmx, page
from app.web.shell import number, organisation

ENDINGS = {"COMPLETED": "Through", "EXITED": "Left early", "FAILED": "Failed"}
# What can't be told of the past, by what the journey begins with.
LIMITS = {
    DATE: "Dates are taken as people have them today.",
    SCHEDULE: "Who was in its segment at each of its times is known from the segment’s history.",
    MANUAL: "It lets people in by hand: those are taken who were really let in, by hand, by the API or by a journey.",
    "segment": "The segment’s own history is taken. Whoever it took in because it was made, or because its conditions "
    "were changed, counts too, though a journey that runs would not have let them in.",
    "": "Events that a file brought count too, whether or not the import was to let people into journeys.",
}
NOBODY_ELSE = "Whom somebody would have let in by hand can’t be known."


@blueprint.get("/<uuid:journey_id>/backtest")
@requires("journeys.edit")
def backtesting(journey_id: UUID) -> Response:
    """Ask for which days to walk the draft, and show what the last such walk came to."""
    return _page(_journey(journey_id))


@blueprint.post("/<uuid:journey_id>/backtest")
@requires("journeys.edit")
def ask_backtest(journey_id: UUID) -> Response | Answer:
    """Let the draft be walked over the days that were chosen."""
    journey, actor = _journey(journey_id), current()
    try:
        since, until = _day("since"), _day("until")
        backtest.ask(
            tenant_id=actor.tenant_id,
            journey_id=journey_id,
            since=_midnight(since, journey),
            until=min(_midnight(until + timedelta(days=1), journey), clock.now()),
            actor=actor.ref,
            now=clock.now(),
        )
    except UserError as wrong:
        return _page(journey, errors=wrong.told, status=422)
    return redirect(url_for("journeys.backtesting", journey_id=journey_id))


@blueprint.get("/<uuid:journey_id>/backtest/<uuid:backtest_id>")
@requires("journeys.edit")
def backtest_result(journey_id: UUID, backtest_id: UUID) -> Response | Answer:
    """Answer with how far a backtest has come: a part of its page."""
    journey = _journey(journey_id)
    if not is_htmx():
        return redirect(url_for("journeys.backtesting", journey_id=journey_id))
    found = backtest.backtest(tenant_id=journey.tenant_id, journey_id=journey_id, backtest_id=backtest_id)
    return page("journeys/_backtest.html", journey=journey, result=_told(found, journey))


def _journey(journey_id: UUID) -> Journey:
    """Return the journey; whoever walks it sees who would have been written to."""
    must("customers.view")
    return queries.journey(tenant_id=current().tenant_id, journey_id=journey_id)


def _day(name: str) -> date:
    try:
        found = date.fromisoformat(request.form.get(name, "").strip())
    except ValueError:
        raise Invalid({name: "Choose a day."}) from None
    if not 2000 <= found.year <= 2200:
        raise Invalid({name: "Choose a day between 2000 and today."})
    return found


def _midnight(day: date, journey: Journey) -> datetime:
    return clock.instant(datetime.combine(day, time()), ZoneInfo(journey.timezone))


def _page(journey: Journey, *, errors: Mapping[str, str] | None = None, status: int = 200) -> Response:
    found = backtest.latest(tenant_id=journey.tenant_id, journey_id=journey.id)
    zone = ZoneInfo(journey.timezone)
    today = clock.now().astimezone(zone).date()
    # The days of what is shown below, so that it can be asked for again after a change.
    first = found.since.astimezone(zone).date() if found else today - backtest.USUAL
    last = (found.until - timedelta(seconds=1)).astimezone(zone).date() if found else today - timedelta(days=1)
    begins = queries.draft(journey).trigger
    kind = str(begins.config.get("event_type") or MANUAL) if begins else ""
    limits = [LIMITS.get("segment" if kind in MOVES else kind, LIMITS[""])]
    return page(
        "journeys/backtest.html",
        status=status,
        journey=journey,
        since=request.form.get("since") or first.isoformat(),
        until=request.form.get("until") or last.isoformat(),
        today=today.isoformat(),
        limits=limits if kind == MANUAL else [*limits, NOBODY_ELSE],
        errors=errors or {},
        result=_told(found, journey) if found else None,
    )


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step: how many came to it and what became of them there, and of the messages it wrote."""

    icon: str
    title: str
    came: int
    passed: int
    skipped: int
    failed: int
    here: int
    sent: int
    unsent: list[str]


@dataclass(frozen=True, slots=True)
class Days:
    """Counts by day: a picture, its numbers, and the busiest of them."""

    label: str
    chart: Chart
    rows: list[tuple[str, int]]
    total: int
    busiest: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Told:
    """A backtest in words and numbers; where it is an estimate, numbers stand for all whom it concerns."""

    found: Backtest
    days: str
    running: bool
    entered: int
    arrivals: Days | None
    steps: list[StepRow]
    channels: list[Days]
    endings: list[tuple[str, int]]
    held: int
    people: list[dict[str, Any]]


def _told(found: Backtest, journey: Journey) -> Told:
    running = found.status == backtest.RUNNING
    sums = {} if running else _scaled(found.sums, found.factor if found.estimate else 1.0)
    zone = ZoneInfo(journey.timezone)
    labels = {name: kind.label for name, kind in installed()}
    called = titles(tenant_id=journey.tenant_id, graph=found.graph)
    arrivals = _days("Entered", sums.get("entered", {}))
    channels = [_days(labels.get(name, name), by_day) for name, by_day in sums.get("days", {}).items()]
    return Told(
        found=found,
        days=_words(found.since.astimezone(zone), (found.until - timedelta(seconds=1)).astimezone(zone)),
        running=running,
        entered=arrivals.total if arrivals else 0,
        arrivals=arrivals,
        steps=[] if running else [_step(step, called[step.key], sums) for step in found.graph],
        channels=[one for one in channels if one],
        endings=_endings(sums.get("endings", {}), called),
        held=sums.get("held", 0),
        people=[] if running else _people(found, journey, called),
    )


def _words(first: datetime, last: datetime) -> str:
    locale = organisation().locale
    return f"{format_date(first, 'd MMM y', locale=locale)} to {format_date(last, 'd MMM y', locale=locale)}"


def _scaled(counts: Mapping[str, Any], factor: float) -> Counts:
    """Return counts as they would be of all of whom some were walked."""
    return {
        name: _scaled(one, factor) if isinstance(one, Mapping) else round(one * factor) for name, one in counts.items()
    }


def _step(step: Step, title: str, sums: Counts) -> StepRow:
    key, kind = step.key, presenters.kind_of(step)
    fates, letters = sums.get("steps", {}).get(key, {}), sums.get("letters", {}).get(key, {})
    told = [(*name.partition(":")[::2], count) for name, count in letters.items()]
    return StepRow(
        icon=kind.icon,
        title=title,
        came=fates.get("came", 0),
        passed=fates.get("passed", 0),
        skipped=fates.get("skipped", 0),
        failed=fates.get("failed", 0),
        here=fates.get("here", 0),
        sent=sum(count for status, _, count in told if status == Status.SENT),
        unsent=[_unsent(Status(status), why, count) for status, why, count in told if status != Status.SENT],
    )


def _unsent(status: Status, why: str, count: int) -> str:
    return f"{number(count)} {STATUS_WORDS[status].lower()}: {reason_in_words(Reason(why) if why else None)}"


def _days(label: str, by_day: Mapping[str, int]) -> Days | None:
    if not by_day:
        return None
    counts = {date.fromisoformat(day): count for day, count in by_day.items()}
    locale = organisation().locale
    every = list(_every(min(counts), max(counts)))
    rows = [(format_date(day, "EEE d MMM y", locale=locale), counts.get(day, 0)) for day in every]
    chart = charts.line(
        [format_date(day, "d MMM", locale=locale) for day in every],
        [count for _, count in rows],
        [f"{day}: {number(count)}" for day, count in rows],
        locale,
    )
    shown = [row for row in rows if row[1]]
    return Days(label, chart, shown, sum(counts.values()), max(shown or rows, key=lambda one: one[1]))


def _every(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=one) for one in range((last - first).days + 1))


def _endings(counts: Mapping[str, int], called: Mapping[str, str]) -> list[tuple[str, int]]:
    told = [(_ending(*name.partition(":")[::2], called), count) for name, count in counts.items()]
    return sorted(told, key=lambda one: -one[1])


def _ending(status: str, why: str, called: Mapping[str, str]) -> str:
    if status == "ACTIVE":
        return f"Still at “{called.get(why, why)}”"
    if status == "EXITED":
        return f"{ENDINGS[status]}: {presenters.EXIT_REASONS.get(why, why)}"
    return ENDINGS.get(status, status)


def _people(found: Backtest, journey: Journey, called: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return some of the walks, with names; who is no customer any more is left out."""
    zone = ZoneInfo(journey.timezone)
    ids = [UUID(one["customer_id"]) for one in found.sample]
    names = customers.names(tenant_id=journey.tenant_id, customer_ids=list(dict.fromkeys(ids)))
    return [
        {
            "id": id_,
            "name": names[id_],
            "entered_at": datetime.fromisoformat(one["entered_at"]),
            "at": datetime.fromisoformat(one["entered_at"]).astimezone(zone).strftime("%Y-%m-%dT%H:%M"),
            "ending": _ending(one["status"], one["why"] or "", called),
        }
        for id_, one in zip(ids, found.sample, strict=True)
        if id_ in names
    ]
