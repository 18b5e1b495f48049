"""The report of a journey: what it has come to, each number with its people behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from babel.dates import format_date
from flask import Response, request, url_for

from app.blueprints.journeys import asked, presenters
from app.blueprints.journeys.base import blueprint
from app.conditions import asks_nothing, explain
from app.events import catalogue
from app.infra.errors import Invalid
from app.journeys import cohorts, leaving, outcomes, queries, whereabouts
from app.journeys.flow import Flow, Link, Stage, can_be_staged
from app.journeys.graph import NEXT
from app.journeys.kinds import way_label
from app.journeys.latest import GOAL, MOST
from app.journeys.models import Journey
from app.journeys.outcomes import Part, Times
from app.journeys.payloads import payload_tree
from app.journeys.report import Report, StepReport, report
from app.journeys.step_type import step_types
from app.road import condition_names
from app.web import charts, sankey
from app.web.charts import Chart
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.shell import number, organisation

BARS = ("under 1 hour", "1 to 6 hours", "6 to 24 hours", "1 to 3 days", "3 to 7 days", "7 to 14 days", "14 to 30 days",
        "30 to 90 days", "over 90 days")  # fmt: skip
STAYS = {"ACTIVE": "here", "COMPLETED": "completed", "EXITED": "left", "FAILED": "failed"}


@dataclass(frozen=True, slots=True)
class StepRow:
    """One row of the steps: `share` is of all who entered."""

    key: str
    icon: str
    title: str
    gone: bool
    share: float
    ways: list[tuple[str, str, int]]
    report: StepReport


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the people in words: what opens them (`asked`), their numbers, what they brought in and how soon."""

    label: str
    asked: Mapping[str, str]
    part: Part
    revenue: str
    times: Times | None


@dataclass(frozen=True, slots=True)
class Week:
    """One row of the weeks or of the versions."""

    label: str
    asked: Mapping[str, str]
    cohort: cohorts.Cohort
    revenue: str
    times: Times | None


@dataclass(frozen=True, slots=True)
class Told:
    """A stage of the funnel in words. `url` opens who came so far, `lost` who did not come on from the one before."""

    label: str
    stage: Stage
    of_all: float
    of_before: float
    url: str
    lost: str | None


@dataclass(frozen=True, slots=True)
class Went:
    """A row of the flow's table."""

    source: str
    way: str
    target: str
    people: int
    url: str
    back: bool


@blueprint.get("/<uuid:journey_id>/report")
@requires("journeys.view")
def journey_report(journey_id: UUID) -> Response:
    """Show what the journey has come to."""
    tenant_id = current().tenant_id
    journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    who = asked.who()
    stages = [one for one in request.args.getlist("steps") if one]
    wrong = None
    try:
        found = report(tenant_id=tenant_id, journey_id=journey_id, who=who, stages=stages)
    except Invalid as refused:
        # An address that was kept, of steps that are gone.
        wrong = " ".join(refused.errors.values())
        found = report(tenant_id=tenant_id, journey_id=journey_id, who=who)
    telling = Telling(journey, found)
    locale = organisation().locale
    listed = {*found.everybody.weeks, *asked.mondays(found.who)}
    first_weeks, last_weeks = asked.weeks(listed, lambda day: format_date(day, "d MMM y", locale=locale))
    since = request.args.get("since", "")
    since = since if since in asked.PERIODS else telling.of.get("since", "")
    weeks = telling.weeks(locale)
    return page(
        "journeys/report.html",
        block="latest",
        journey=journey,
        anybody=found.everybody.together.entered,
        together=found.cohorts.together,
        who_url=telling.url,
        goal=telling.goal(),
        revenue=presenters.money(found.cohorts.together.revenue),
        outcomes=found.outcomes,
        cut=found.outcomes.cut,
        most=MOST,
        whole=telling.group("Everybody", {}, found.outcomes.together),
        bars=BARS,
        forks=telling.forks(),
        lifts=telling.lifts(),
        flow=telling.drawing(),
        went=telling.went(),
        funnel=telling.funnel(),
        chosen=[one.key for one in found.funnel[1:]],
        stages=telling.stages(),
        versions=telling.versions(),
        weeks=weeks,
        more_weeks=len(weeks) < len(found.cohorts.weeks),
        entered=_line(weeks, locale),
        rows=telling.steps(),
        filters=[*asked.PERIODS.items(), *first_weeks],
        last_weeks=last_weeks,
        wrong_steps=wrong,
        version_options=[(str(one), f"Version {one}") for one in found.everybody.versions],
        since=since,
        until=telling.of.get("until", ""),
        version=telling.of.get("version", ""),
        of=telling.of,
        chosen_by=telling.chosen(locale),
        long=long,
        status_tones=presenters.STATUS_TONES,
        status_labels=presenters.STATUS_LABELS,
    )


class Telling:
    """Puts a report into words and pictures."""

    def __init__(self, journey: Journey, found: Report) -> None:
        self.journey, self.found = journey, found
        self.graph = whereabouts.live(tenant_id=journey.tenant_id, journey=journey)
        self.titles = {one.numbers.key: one.numbers.title for one in found.steps}
        self.of = asked.of(found.who)
        # Counted one by one they are of no more people than are looked at; counters are of all.
        self.entered = found.outcomes.together.people if self.of else found.cohorts.together.entered

    def url(self, **said: str) -> str:
        """Return what opens the people of whom this is said, among those the page is of."""
        values: dict[str, Any] = {**self.of, **said}
        return url_for("journeys.people", journey_id=self.journey.id, **values)

    def chosen(self, locale: str) -> str:
        """Return of whom the page is in words; nothing where it is of everybody."""
        told = asked.came_in(self.found.who, lambda day: format_date(day, "d MMM y", locale=locale))
        return f"came in {', '.join(told)}" if told else ""

    def group(self, label: str, said: Mapping[str, str], part: Part) -> Group:
        """Return some of the people in words."""
        return Group(label, {**self.of, **said}, part, presenters.money(part.revenue), part.times)

    def goal(self) -> str | None:
        """Return what the journey is for in words; None where nobody said."""
        goal = self.journey.goal
        if not goal:
            return None
        place = organisation()
        names = {field: dict(values) for field, values in condition_names(self.journey.tenant_id).items()}
        days = f" within {self.journey.goal_days} days of entering" if self.journey.goal_days else ""
        event, rules = goal.get(leaving.EVENT), goal.get(leaving.CONDITIONS)
        said = str(catalogue.get(event).label) if event else ""
        tree = payload_tree(event, rules or []) if event else leaving.customer_tree(rules, tenant_id=place.id)
        if not asks_nothing(tree):
            told = explain(tree, names=names, locale=place.locale, currency=place.currency)
            said = f"{said}, where {told[:1].lower()}{told[1:]}" if said else told
        return said + days

    def forks(self) -> list[tuple[str, str, list[Group]]]:
        """Return the ways of each step that has several: its key, its title, and each of them."""
        return [
            (key, self.titles.get(key, key), [self.group(way.label, {"way": f"{key}:{way.exit}"}, way.part)
                                              for way in ways])
            for key, ways in self.found.outcomes.forks.items()
        ]  # fmt: skip

    def lifts(self) -> list[tuple[str, outcomes.Lift, str]]:
        """Return what each split that leaves people out tells, with a sentence on the whole."""
        return [(self.titles.get(one.step, one.step), one, _verdict(one)) for one in self.found.outcomes.lifts]

    def steps(self) -> list[StepRow]:
        """Return the rows of the steps."""
        return [self._row(one) for one in self.found.steps]

    def _row(self, step: StepReport) -> StepRow:
        numbers = step.numbers
        kind = step_types().get(numbers.type) if numbers.type else None
        return StepRow(
            key=numbers.key,
            icon=kind.icon if kind else "point",
            title=numbers.title,
            gone=kind is None,
            share=numbers.entered / self.entered if self.entered else 0.0,
            ways=[(way.exit, way.label, way.passed) for way in numbers.exits if way.exit != NEXT],
            report=step,
        )

    def drawing(self) -> sankey.Sankey:
        """Return how people went, as a picture."""
        flow, rank = self.found.flow, self.graph.ranks
        keys = [key for key in self.titles if flow.came(key, self.found.start) or key in flow.ends]
        nodes = [self._node(key, flow) for key in keys]
        bands = [
            sankey.Band(
                one.source,
                one.target,
                one.people,
                f"{number(one.people)} went from {asked.quoted(self._title(one.source))}{self._bracketed(one)}"
                f" to {asked.quoted(self._title(one.target))}",
                self.url(flow=f"{one.source}:{one.target}", by=one.exit),
            )
            for one in flow.links
        ]
        return sankey.sankey(nodes, bands, rank)

    def _node(self, key: str, flow: Flow) -> sankey.Node:
        came, ends = flow.came(key, self.found.start), flow.ends.get(key, {})
        stays = [sankey.Stay(STAYS[status], count) for status, count in sorted(ends.items()) if status in STAYS]
        words = {"here": "are here", "completed": "completed here", "left": "left here", "failed": "failed here"}
        told = "".join(f", {number(stay.value)} {words[stay.kind]}" for stay in stays)
        note = number(came)
        return sankey.Node(
            key,
            self._title(key),
            note,
            came,
            f"{asked.quoted(self._title(key))}: {note} came{told}",
            self.url(came=key) if key != self.found.start else self.url(),
            stays,
        )

    def went(self) -> list[Went]:
        """Return the rows of the flow's table."""
        rank = self.graph.ranks
        order = list(self.titles)
        links = sorted(
            self.found.flow.links,
            key=lambda one: (order.index(one.source) if one.source in order else len(order), -one.people),
        )
        return [
            Went(
                self._title(one.source),
                self._by(one.source, one.exit),
                self._title(one.target),
                one.people,
                self.url(flow=f"{one.source}:{one.target}", by=one.exit),
                one.source in rank and one.target in rank and rank[one.source] >= rank[one.target],
            )
            for one in links
        ]

    def _title(self, key: str) -> str:
        return self.titles.get(key, key)

    def _by(self, key: str, exit: str) -> str:
        step = self.graph.steps.get(key)
        if step is None or (exit == NEXT and len(step.exits) < 2):
            return "" if exit == NEXT else exit
        return way_label(step, exit)

    def _bracketed(self, link: Link) -> str:
        way = self._by(link.source, link.exit)
        return f" ({way})" if way else ""

    def stages(self) -> list[tuple[str, str]]:
        """Return what a funnel can be made of: key and title."""
        named = [(key, self._title(key)) for key in can_be_staged(self.graph)]
        return [*named, *([(GOAL, "Reached the goal")] if self.journey.goal else [])]

    def funnel(self) -> list[Told]:
        """Return the stages in words."""
        found: list[Told] = []
        before: list[str] = []
        all_ = self.found.funnel[0].people
        for stage in self.found.funnel:
            label = "Came in" if not stage.key else "Reached the goal" if stage.key == GOAL else self._title(stage.key)
            last = found[-1].stage.people if found else all_
            lost = self.url(after=",".join(before), without=stage.key) if stage.key else None
            before += [stage.key] if stage.key else []
            found.append(
                Told(
                    label,
                    stage,
                    stage.people / all_ if all_ else 0.0,
                    stage.people / last if last else 0.0,
                    self.url(after=",".join(before)),
                    lost,
                )
            )
        return found

    def versions(self) -> list[Week]:
        """Return the rows of the versions."""
        of = self.found.outcomes.versions
        return [
            Week(
                f"Version {number_}",
                {**self.of, "version": str(number_)},
                one,
                presenters.money(one.revenue),
                _times(of.get(number_)),
            )
            for number_, one in self.found.cohorts.versions.items()
        ]

    def weeks(self, locale: str) -> list[Week]:
        """Return the rows of the weeks, the latest first; of everybody the latest `asked.WEEKS`."""
        of = self.found.outcomes.weeks
        latest = list(self.found.cohorts.weeks.items())[: None if self.of else asked.WEEKS]
        return [
            Week(
                format_date(week, "d MMM y", locale=locale),
                {**self.of, "week": week.isoformat()},
                one,
                presenters.money(one.revenue),
                _times(of.get(week)),
            )
            for week, one in latest
        ]


def _times(part: Part | None) -> Times | None:
    return part.times if part else None


def _verdict(lift: outcomes.Lift) -> str:
    """Return in a sentence what is known of the difference between all who were not left out and the others."""
    whole = lift.beside[0].lift
    if not whole.decided:
        return "Too few to say: the difference could be chance. More people, or more time, would tell."
    if whole.value > 0:
        extra = round(whole.value * lift.beside[0].part.people)
        return (
            "It works: of those who were not left out more reached the goal, and that is hardly chance. "
            f"About {number(extra)} more than without the journey."
        )
    return "It does harm: of those who were not left out fewer reached the goal, and that is hardly chance."


def _line(weeks: Sequence[Week], locale: str) -> Chart | None:
    if len(weeks) < 2:
        return None
    rising = weeks[::-1]
    told = [f"Week of {one.label}: {number(one.cohort.entered)} entered" for one in rising]
    days = [one.label.rsplit(" ", 1)[0] for one in rising]
    return charts.line(days, [one.cohort.entered for one in rising], told, locale)


def long(passed: timedelta | None) -> str:
    """Return how long something took: "3 days", "5 hours"."""
    if passed is None:
        return "—"
    minutes = round(passed.total_seconds() / 60)
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            count = round(minutes / size)
            return f"{number(count)} {unit}{'' if count == 1 else 's'}"
    return "At once"
