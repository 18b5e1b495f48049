"""The report of a journey: what it has come to, each number with its people behind it."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from babel.dates import format_date
from flask import Response

from app.blueprints.journeys import presenters
from app.blueprints.journeys.base import blueprint
from app.journeys import queries
from app.journeys.graph import NEXT
from app.journeys.report import Cohort, StepReport, report
from app.journeys.step_type import step_types
from app.web import charts
from app.web.charts import Chart
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.shell import number, organisation


@dataclass(frozen=True, slots=True)
class StepRow:
    """One row of the funnel: `share` is of all who entered."""

    key: str
    icon: str
    title: str
    gone: bool
    share: float
    ways: list[tuple[str, int]]
    report: StepReport


@dataclass(frozen=True, slots=True)
class Week:
    """One row of the weeks, in words."""

    label: str
    cohort: Cohort
    median: str


@blueprint.get("/<uuid:journey_id>/report")
@requires("journeys.view")
def journey_report(journey_id: UUID) -> Response:
    """Show what the journey has come to."""
    tenant_id = current().tenant_id
    journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    found = report(tenant_id=tenant_id, journey_id=journey_id)
    locale = organisation().locale
    weeks = [Week(format_date(one.week, "d MMM y", locale=locale), one, _long(one.median)) for one in found.cohorts]
    return page(
        "journeys/report.html",
        journey=journey,
        totals=found.totals,
        inside=sum(one.numbers.active for one in found.steps),
        weeks=weeks,
        entered=_line(weeks, locale),
        rows=[_row(one, found.totals.total_enrolled) for one in found.steps],
        status_tones=presenters.STATUS_TONES,
        status_labels=presenters.STATUS_LABELS,
    )


def _row(step: StepReport, enrolled: int) -> StepRow:
    numbers = step.numbers
    kind = step_types().get(numbers.type) if numbers.type else None
    return StepRow(
        key=numbers.key,
        icon=kind.icon if kind else "point",
        title=numbers.name or (kind.label if kind else numbers.key),
        gone=kind is None,
        share=numbers.entered / enrolled if enrolled else 0.0,
        ways=[(way.label, way.passed) for way in numbers.exits if way.exit != NEXT],
        report=step,
    )


def _line(weeks: list[Week], locale: str) -> Chart | None:
    if len(weeks) < 2:
        return None
    rising = weeks[::-1]
    told = [f"Week of {one.label}: {number(one.cohort.entered)} entered" for one in rising]
    days = [format_date(one.cohort.week, "d MMM", locale=locale) for one in rising]
    return charts.line(days, [one.cohort.entered for one in rising], told, locale)


def _long(passed: timedelta | None) -> str:
    """Return how long something took: "3 days", "5 hours"."""
    if passed is None:
        return "—"
    minutes = round(passed.total_seconds() / 60)
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            count = round(minutes / size)
            return f"{number(count)} {unit}{'' if count == 1 else 's'}"
    return "At once"
