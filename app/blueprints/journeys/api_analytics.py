"""The API of what a journey has come to, and of the people behind each number."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from app.blueprints.journeys.api import EnrollmentOut, EnrollmentStatus, Words, person_of
from app.infra.paging import Page
from app.infra.statistics import Interval
from app.journeys import behind, cohorts, outcomes
from app.journeys.latest import DID, MOST, Behind, Who
from app.journeys.outcomes import BUCKETS, Lift, Part, Times
from app.journeys.report import Report, StepReport, report
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import NOT_BEFORE_SINCE, Body, Day, PageQuery, Shown

api = ApiBlueprint("journey_analytics_api", __name__)


def _sane(day: date) -> date:
    if not 2000 <= day.year < 2100:
        raise ValueError("Choose a day from 2000 to 2099.")
    return day


Pair = Annotated[str, Field(max_length=200, pattern="^[^:]+:[^:]+$")]
SaneDay = Annotated[Day, AfterValidator(_sane)]
Keys = Annotated[str, Field(max_length=2000)]


class WhoQuery(Body):
    """Of whom: who came in in the weeks (Monday to Sunday) from that of the day `since` to that of `until`, and under
    that version. `steps` are the funnel's, with commas between; the messages on the way most people went that has any,
    if left out."""

    since: SaneDay | None = None
    until: Annotated[SaneDay, NOT_BEFORE_SINCE] | None = None
    version: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    steps: Keys | None = None


class EnrollmentsQuery(PageQuery):
    """Which people; all that is given must be true of them.

    They came in from the day `since` to the day `until`, both included, by the journey's clock: a list takes days as
    they are, the analytics the whole weeks around them (ask for their `since` and `until` for whom they count). `step`
    is the key of the step they stand at, `dropped` of that at which they left or failed;
    `week` the Monday of the week they came in; `converted` true: they reached the goal. `came` is a step they came to,
    `way` is `step:exit` (`step:!exit`: by any other, `step:*`: by whichever), `flow` is `step:step` one after the other
    (`by`: by that exit of the first), `did` is `sent:step`, `opened:step`, `clicked:step` and the like (`*`: of any
    step); `after` and `without` are steps they took and did not take, with commas between (`goal`: the goal). These are
    looked for among the latest walks.
    """

    status: EnrollmentStatus | None = None
    step: Words | None = None
    since: SaneDay | None = None
    until: Annotated[SaneDay, NOT_BEFORE_SINCE] | None = None
    version: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    week: Day | None = None
    converted: Literal["true"] | None = None
    dropped: Words | None = None
    came: Words | None = None
    way: Pair | None = None
    flow: Pair | None = None
    by: Words | None = None
    did: Annotated[str, Field(max_length=200, pattern=f"^({'|'.join(DID)}):.+$")] | None = None
    after: Keys | None = None
    without: Keys | None = None


class IntervalOut(Shown):
    """A share, or a difference of shares, of one; and between what the true one lies in 19 of 20 cases."""

    value: float
    low: float
    high: float


class TimesOut(Shown):
    """How soon those who reached the goal did, in seconds: a quarter, half, and three quarters of them by then.

    `bars` are how many did by each of `until`, and after the last.
    """

    quarter: float
    half: float
    three_quarters: float
    until: list[int]
    bars: list[int]


class PartOut(Shown):
    """Some of the people: how many reached the goal, which share that is, what they brought in by currency, and how
    soon. `clicked` a message of the journey, `completed` it."""

    people: int
    converted: int
    share: IntervalOut
    clicked: int
    completed: int
    revenue: dict[str, Decimal]
    times: TimesOut | None


class CohortOut(Shown):
    """Everybody who came in in the week that begins on that Monday, or under that version; `inside` still are."""

    week: date | None = None
    version: int | None = None
    entered: int
    inside: int
    completed: int
    left: int
    failed: int
    converted: int
    share: IntervalOut
    revenue: dict[str, Decimal]


class WayNumbers(Shown):
    """How many left a step by one of its named ways."""

    exit: str
    label: str
    passed: int


class LettersOut(Shown):
    """What became of a step's messages; opened and clicked by people, `by_machines` opened by others."""

    sent: int
    not_sent: int
    waiting: int
    opened: int
    clicked: int
    by_machines: int
    bounced: int
    unsubscribed: int
    complained: int


class StepNumbers(Shown):
    """The numbers of one step; `active` is how many stand there now, `title` what it is called."""

    key: str
    type: str | None
    name: str | None
    title: str
    entered: int
    active: int
    completed: int
    failed: int
    skipped: int
    exits: list[WayNumbers]
    messages: LettersOut | None


class WayOut(PartOut):
    """Those who left a step by one of its ways."""

    step: str
    exit: str
    label: str


class BesideOut(Shown):
    """Some of those who were not left out: `difference` is by how much more of them reached the goal than of those who
    were, `decided`: that is hardly chance. `key` is an exit, empty for all of them, `*sent` for those sent a
    message."""

    key: str
    label: str
    part: PartOut
    difference: IntervalOut
    decided: bool


class LiftOut(Shown):
    """What a SPLIT that leaves people out tells of the journey."""

    step: str
    held_out: PartOut
    beside: list[BesideOut]


class LinkOut(Shown):
    """So many times somebody went from one step, by one of its ways, to another."""

    source: str
    exit: str
    target: str
    people: int


class StageOut(Shown):
    """Who came so far in the funnel; `lost` did not come on from the stage before, `inside` of these still may.

    The first, without a key, is everybody; `goal` is the journey's goal.
    """

    key: str
    people: int
    lost: int
    inside: int


class AnalyticsOut(Shown):
    """The numbers of a journey, of those who came in from `since` to `until`, days of whole weeks, and under that
    version, where any was asked for.

    The totals, `revenue`, `weeks` and `versions` count all of them. `latest`, `ways`, `lifts`, `links`, `ends` (by step
    and status) and `funnel` are of the latest of them, at most `most`, and so are `steps` where not everybody was asked
    for; `cut`: there are more.
    """

    since: date | None
    until: date | None
    version: int | None
    total_enrolled: int
    total_completed: int
    total_exited: int
    total_failed: int
    total_converted: int
    revenue: dict[str, Decimal]
    steps: list[StepNumbers]
    weeks: list[CohortOut]
    versions: list[CohortOut]
    most: int
    cut: bool
    latest: PartOut
    ways: list[WayOut]
    lifts: list[LiftOut]
    links: list[LinkOut]
    ends: dict[str, dict[str, int]]
    funnel: list[StageOut]


@api.operation(
    "GET", "/journeys/<uuid:journey_id>/analytics", permission="journeys.view", query=WhoQuery, returns=AnalyticsOut
)
def journey_analytics(journey_id: UUID, query: WhoQuery) -> AnalyticsOut:
    """Tell what a journey has come to: by step, way, week and version, who reached the goal, and how people went."""
    found = report(
        tenant_id=current().tenant_id,
        journey_id=journey_id,
        who=Who(query.since, query.version, query.until),
        stages=_keys(query.steps),
    )
    together, seen = found.cohorts.together, found.outcomes
    return AnalyticsOut(
        **asdict(found.who),
        total_enrolled=together.entered,
        total_completed=together.completed,
        total_exited=together.left,
        total_failed=together.failed,
        total_converted=together.converted,
        revenue=together.revenue,
        steps=[_step(one) for one in found.steps],
        weeks=[_cohort(one, week=week) for week, one in found.cohorts.weeks.items()],
        versions=[_cohort(one, version=version) for version, one in found.cohorts.versions.items()],
        most=MOST,
        cut=seen.cut,
        latest=PartOut(**_part(seen.together)),
        ways=_ways(seen),
        lifts=[_lift(one) for one in seen.lifts],
        links=[LinkOut.model_validate(one) for one in found.flow.links],
        ends={key: dict(one) for key, one in found.flow.ends.items()},
        funnel=_funnel(found),
    )


@api.operation(
    "GET",
    "/journeys/<uuid:journey_id>/enrollments",
    permission="journeys.view",
    query=EnrollmentsQuery,
    returns=EnrollmentOut,
    paged=True,
)
def journey_enrollments(journey_id: UUID, query: EnrollmentsQuery) -> Page[EnrollmentOut]:
    """List the people of a journey, newest first, or those behind a number of its analytics."""
    found = behind.people(
        tenant_id=current().tenant_id,
        journey_id=journey_id,
        who=Who(query.since, query.version, query.until),
        behind=Behind(
            status=query.status,
            step=query.step,
            week=query.week,
            converted=query.converted is not None,
            dropped=query.dropped,
            came=query.came,
            way=_pair(query.way),
            flow=_pair(query.flow),
            by=query.by,
            did=_pair(query.did),
            after=_keys(query.after),
            without=_keys(query.without),
        ),
        cursor=query.cursor,
        limit=query.limit,
    )
    return Page([person_of(line) for line in found.items], found.next_cursor)


def _keys(said: str | None) -> tuple[str, ...]:
    return tuple(one for one in (said or "").split(",") if one)


def _pair(said: str | None) -> tuple[str, str] | None:
    if said is None:
        return None
    one, _, other = said.partition(":")
    return one, other


def _share(found: Interval) -> IntervalOut:
    return IntervalOut(value=found.value, low=found.low, high=found.high)


def _part(part: Part) -> dict[str, Any]:
    return {
        "people": part.people,
        "converted": part.converted,
        "share": _share(part.share),
        "clicked": part.clicked,
        "completed": part.completed,
        "revenue": dict(part.revenue),
        "times": _times(part.times),
    }


def _times(found: Times | None) -> TimesOut | None:
    if found is None:
        return None

    def seconds(passed: timedelta) -> float:
        return round(passed.total_seconds(), 3)

    return TimesOut(
        quarter=seconds(found.quarter),
        half=seconds(found.half),
        three_quarters=seconds(found.three_quarters),
        until=list(BUCKETS),
        bars=list(found.bars),
    )


def _cohort(one: cohorts.Cohort, **of: Any) -> CohortOut:
    return CohortOut(
        **of,
        entered=one.entered,
        inside=one.inside,
        completed=one.completed,
        left=one.left,
        failed=one.failed,
        converted=one.converted,
        share=_share(one.share),
        revenue=one.revenue,
    )


def _step(one: StepReport) -> StepNumbers:
    names: Mapping[str, Any] = {name: getattr(one.numbers, name) for name in one.numbers.__dataclass_fields__}
    return StepNumbers.model_validate({**names, "messages": one.letters})


def _ways(seen: outcomes.Outcomes) -> list[WayOut]:
    return [
        WayOut(step=step, exit=way.exit, label=way.label, **_part(way.part))
        for step, ways in seen.forks.items()
        for way in ways
    ]


def _lift(lift: Lift) -> LiftOut:
    beside = [
        BesideOut(
            key=one.key,
            label=one.label,
            part=PartOut(**_part(one.part)),
            difference=_share(one.lift),
            decided=one.lift.decided,
        )
        for one in lift.beside
    ]
    return LiftOut(step=lift.step, held_out=PartOut(**_part(lift.held_out)), beside=beside)


def _funnel(found: Report) -> list[StageOut]:
    return [StageOut.model_validate(one) for one in found.funnel]
