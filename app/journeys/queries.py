"""Reading journeys: lists, one journey, who stands where, what became of each person."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select, text
from sqlalchemy.orm import Session

from app.accounts.queries import tenant_info
from app.conditions import named
from app.customers import custom_fields, tasks
from app.customers.models import Customer
from app.customers.queries import DISPLAY_NAME
from app.customers.topics import topics
from app.events import catalogue
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, Page, cut, id_cursor
from app.journeys import (
    calls,
    condition_fields,  # noqa: F401 - it fills the catalogue
    starts,
)
from app.journeys.graph import NEXT, Graph, Step
from app.journeys.kinds import read_graph, stored_graph, warnings_of, way_label
from app.journeys.models import (
    Journey,
    JourneyDraftEdit,
    JourneyEnrollment,
    JourneyEnrollmentStep,
    JourneyVersion,
)
from app.journeys.step_type import Known, Template
from app.journeys.titles import last_seen, titles_of

STATUSES = ("DRAFT", "ACTIVE", "PAUSED", "ARCHIVED")
ENROLLMENT_STATUSES = ("ACTIVE", "COMPLETED", "EXITED", "FAILED")


_NAMED = text("""
    SELECT * FROM (
        SELECT 'template' AS what, id, name, channel, archived_at IS NOT NULL AS archived FROM template
        WHERE tenant_id = :tenant_id
        UNION ALL SELECT 'club', id, name, NULL, false FROM club WHERE tenant_id = :tenant_id
        UNION ALL SELECT 'segment', id, name, NULL, false FROM segment
        WHERE tenant_id = :tenant_id AND archived_at IS NULL
        UNION ALL SELECT 'journey', id, name, NULL, false FROM journey
        WHERE tenant_id = :tenant_id AND status <> 'ARCHIVED'
    ) AS one ORDER BY name
""")

_COUNTS = text("""
    SELECT c.step_key, c.entered, c.active, c.completed, c.failed, c.skipped,
        (SELECT jsonb_object_agg(e.exit, e.passed) FROM journey_exit_count e
         WHERE e.tenant_id = c.tenant_id AND e.journey_id = c.journey_id AND e.step_key = c.step_key) AS ways
    FROM journey_step_count c WHERE c.tenant_id = :tenant_id AND c.journey_id = :journey_id
""")


class NoSuchJourney(NotFound):
    """There is no journey with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such journey.")


class NoSuchStep(NotFound):
    """The draft has no step of this key (any more)."""

    def __init__(self) -> None:
        super().__init__("This step is no longer in the journey.")


class NoSuchVersion(NotFound):
    """The journey was never published under this number."""

    def __init__(self) -> None:
        super().__init__("There is no such version of this journey.")


class NoSuchEnrollment(NotFound):
    """There is no enrollment with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such enrollment.")


@dataclass(frozen=True, slots=True)
class StepCounts:
    """The running totals of one step; `active` stand there now, `ways` left by each exit that has a name of its own."""

    entered: int = 0
    active: int = 0
    completed: int = 0
    failed: int = 0
    skipped: int = 0
    ways: Mapping[str, int] = field(default_factory=dict)

    def left_by(self, exit: str) -> int:
        """Return how many left by an exit."""
        return self.completed - sum(self.ways.values()) if exit == NEXT else self.ways.get(exit, 0)


@dataclass(frozen=True, slots=True)
class EnrollmentLine:
    """One person in a journey, as lists show them.

    `due_at` is when the engine looks at them again; `attempts` how often the step they stand at has failed so far.
    """

    id: UUID
    journey_id: UUID
    journey_name: str
    customer_id: UUID
    customer_name: str
    status: str
    current_step_key: str | None
    waiting_until: datetime | None
    due_at: datetime | None
    attempts: int
    enrolled_at: datetime
    completed_at: datetime | None
    exited_at: datetime | None
    converted_at: datetime | None
    converted_amount: Decimal | None
    converted_currency: str | None
    exit_reason: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class StepTaken:
    """One step of a person's path: when, under which version, by which way it was left, and with what result.

    `exit` and what people call it are None for the way called `next`. `title` is what the step is called.
    """

    step_number: int
    step_key: str
    type: str | None
    name: str | None
    title: str
    version: int
    status: str
    entered_at: datetime
    completed_at: datetime | None
    exit: str | None
    exit_label: str | None
    result: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class EnrollmentPath:
    """A person's whole walk: the enrollment, what let them in, and each step they took."""

    line: EnrollmentLine
    trigger_event_id: UUID | None
    trigger_data: Mapping[str, Any]
    steps: list[StepTaken]


@dataclass(frozen=True, slots=True)
class WayNumbers:
    """How many left a step by one of its named ways; `label` is what people call it."""

    exit: str
    label: str
    passed: int


@dataclass(frozen=True, slots=True)
class StepNumbers:
    """The numbers of one step of a journey; `type` is None for a step the live version does not have.

    `title` is what it is called: its name, else what its kind calls it by its settings.
    """

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


@dataclass(frozen=True, slots=True)
class Analytics:
    """The numbers of a journey."""

    total_enrolled: int
    total_completed: int
    total_exited: int
    total_failed: int
    steps: list[StepNumbers]


@dataclass(frozen=True, slots=True)
class DraftHistory:
    """What undo would take back and redo bring again, in words; None where there is nothing."""

    undo: str | None
    redo: str | None


def journey(*, tenant_id: UUID, journey_id: UUID) -> Journey:
    """Return a journey, or raise NoSuchJourney."""
    with transaction(tenant_id) as session:
        found = session.get(Journey, (tenant_id, journey_id), populate_existing=True)
        if found is None:
            raise NoSuchJourney
        return found


def journeys(
    *,
    tenant_id: UUID,
    status: str | None = None,
    q: str | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Journey]:
    """Return journeys, newest first; without `status` all but the archived ones. `q` is looked for in the name."""
    wanted = select(Journey).where(Journey.tenant_id == tenant_id)
    wanted = wanted.where(Journey.status == status) if status else wanted.where(Journey.status != "ARCHIVED")
    if q:
        wanted = wanted.where(Journey.name.icontains(q.strip(), autoescape=True))
    if cursor:
        wanted = wanted.where(Journey.id < id_cursor(cursor))
    with transaction(tenant_id) as session:
        rows = session.scalars(wanted.order_by(Journey.id.desc()).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: (row.id,), lambda row: row)


def known(*, tenant_id: UUID, journey_id: UUID | None = None) -> Known:
    """Return what the settings of steps may refer to; `journey_id` is the journey at hand."""
    place = tenant_info(tenant_id=tenant_id)
    with transaction(tenant_id) as session:
        named_: dict[str, dict[UUID, str]] = {"club": {}, "segment": {}, "journey": {}}
        templates: dict[UUID, Template] = {}
        for row in session.execute(_NAMED, {"tenant_id": tenant_id}):
            if row.what == "template":
                templates[row.id] = Template(row.name, row.channel, row.archived)
            else:
                named_[row.what][row.id] = row.name
        own = custom_fields.load(session, tenant_id)
        subjects = topics(tenant_id=tenant_id, archived=True)
        return Known(
            id=journey_id,
            colleagues=tasks.colleagues(tenant_id=tenant_id),
            journeys=named_["journey"],
            starts=partial(starts.at_once, tenant_id),
            templates=templates,
            event_types={kind.name: kind.label for kind in catalogue.known()},
            clubs=named_["club"],
            topics={one.id: one.name for one in subjects if one.archived_at is None},
            segments=named_["segment"],
            profile=custom_fields.catalogue_of(own, subjects),
            custom={one.name: one for one in own if one.archived_at is None},
            locale=place.locale,
            currency=place.currency,
            unknown=partial(named.unknown, tenant_id=tenant_id),
            opens=partial(calls.opens, tenant_id),
        )


def draft(journey: Journey) -> Graph:
    """Return the graph being edited."""
    return stored_graph(journey.draft)


def draft_warnings(*, tenant_id: UUID, journey: Journey) -> list[str]:
    """Return what would keep steps of the draft from doing anything, though their settings are right, each once."""
    told = (words for step in read_graph(journey.draft) for words in warnings_of(step, tenant_id))
    return list(dict.fromkeys(told))


def draft_history(*, tenant_id: UUID, journey: Journey) -> DraftHistory:
    """Return what undo and redo would do now."""
    at = journey.draft_position
    with transaction(tenant_id) as session:
        rows = session.execute(
            select(JourneyDraftEdit.position, JourneyDraftEdit.label).where(
                JourneyDraftEdit.tenant_id == tenant_id,
                JourneyDraftEdit.journey_id == journey.id,
                JourneyDraftEdit.position.between(at - 1, at + 1),
            )
        )
        labels = {row.position: row.label for row in rows}
    return DraftHistory(undo=labels.get(at) if at - 1 in labels else None, redo=labels.get(at + 1))


def draft_differs(*, tenant_id: UUID, journey: Journey) -> bool:
    """Return whether the draft holds changes that people don't follow yet."""
    if journey.published_version is None:
        return True
    live = _version_json(tenant_id, journey.id, journey.published_version)
    before, after = ({step["key"]: step for step in graph["steps"]} for graph in (live, journey.draft))
    if before.keys() != after.keys():
        return True
    # What is written in the same way is the same; only the others are read.
    others = [key for key in before if before[key] != after[key]]
    here, there = (read_graph({"steps": [graph[key] for key in others]}) for graph in (before, after))
    return here != there


def check_number(number: int) -> None:
    """Raise NoSuchVersion for a number that no version can have."""
    if not 0 < number < 2**31:
        raise NoSuchVersion


def version_graph(*, tenant_id: UUID, journey_id: UUID, number: int) -> Graph:
    """Return a published graph, or raise NoSuchVersion."""
    return read_graph(_version_json(tenant_id, journey_id, number))


def _version_json(tenant_id: UUID, journey_id: UUID, number: int) -> dict[str, Any]:
    check_number(number)
    with transaction(tenant_id) as session:
        found = session.scalar(
            select(JourneyVersion.graph).where(
                JourneyVersion.tenant_id == tenant_id,
                JourneyVersion.journey_id == journey_id,
                JourneyVersion.number == number,
            )
        )
    if found is None:
        raise NoSuchVersion
    return dict(found)


def step_counts(*, tenant_id: UUID, journey_id: UUID) -> dict[str, StepCounts]:
    """Return the running totals by step key; steps nobody came to yet are missing."""
    with transaction(tenant_id) as session:
        rows = session.execute(_COUNTS, {"tenant_id": tenant_id, "journey_id": journey_id}).all()
    return {
        row.step_key: StepCounts(row.entered, row.active, row.completed, row.failed, row.skipped, row.ways or {})
        for row in rows
    }


def analytics(*, tenant_id: UUID, journey_id: UUID, counted: Mapping[str, StepCounts] | None = None) -> Analytics:
    """Return the numbers of a journey; of its steps those that were `counted`, else the running totals.

    Steps are those people follow (the draft's before there is a version), then those only earlier versions had.
    """
    with transaction(tenant_id) as session:
        found = journey(tenant_id=tenant_id, journey_id=journey_id)
        counts = step_counts(tenant_id=tenant_id, journey_id=journey_id) if counted is None else counted
        number = found.published_version
        graph = version_graph(tenant_id=tenant_id, journey_id=journey_id, number=number) if number else draft(found)
        gone = sorted(set(counts) - set(graph.steps))
        before = last_seen(session, tenant_id, journey_id, gone)
        titles = titles_of(session, tenant_id, graph, before)
    keys = [*graph.steps, *gone]
    return Analytics(
        total_enrolled=found.total_enrolled,
        total_completed=found.total_completed,
        total_exited=found.total_exited,
        total_failed=found.total_failed,
        steps=[_numbers(key, graph, titles.get(key, key), counts.get(key, StepCounts())) for key in keys],
    )


def _numbers(key: str, graph: Graph, title: str, counts: StepCounts) -> StepNumbers:
    step = graph.steps.get(key)
    return StepNumbers(
        key=key,
        type=step.type if step else None,
        name=(step.name or step.config.get("reason")) if step else None,
        title=title,
        entered=counts.entered,
        active=counts.active,
        completed=counts.completed,
        failed=counts.failed,
        skipped=counts.skipped,
        exits=_ways(step, counts.ways),
    )


def _ways(step: Step | None, passed: Mapping[str, int]) -> list[WayNumbers]:
    """Return the named ways of a step in its order, then others that somebody went."""
    named = [exit for exit in step.exits if exit != NEXT] if step else []
    ways = (*named, *sorted(set(passed) - set(named)))
    return [WayNumbers(way, way_label(step, way) if step else way, passed.get(way, 0)) for way in ways]


def enrollments(
    *, tenant_id: UUID, customer_id: UUID, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[EnrollmentLine]:
    """Return the walks of one person, newest first; those of a journey are `behind.people`'s."""
    wanted = lines(tenant_id).where(JourneyEnrollment.customer_id == customer_id)
    if cursor:
        wanted = wanted.where(JourneyEnrollment.id < id_cursor(cursor))
    with transaction(tenant_id) as session:
        rows = session.execute(wanted.order_by(JourneyEnrollment.id.desc()).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: (row.id,), line_of)


def enrollment_path(*, tenant_id: UUID, enrollment_id: UUID) -> EnrollmentPath:
    """Return a person's whole walk, or raise NoSuchEnrollment. Names of steps are those of the version taken."""
    with transaction(tenant_id) as session:
        row = session.execute(lines(tenant_id).where(JourneyEnrollment.id == enrollment_id)).one_or_none()
        if row is None:
            raise NoSuchEnrollment
        taken = session.scalars(
            select(JourneyEnrollmentStep)
            .where(JourneyEnrollmentStep.tenant_id == tenant_id, JourneyEnrollmentStep.enrollment_id == enrollment_id)
            .order_by(JourneyEnrollmentStep.step_number)
            .execution_options(populate_existing=True)
        ).all()
        graphs = _graphs(session, tenant_id, row.journey_id, {one.version for one in taken})
        called = {number: titles_of(session, tenant_id, graph) for number, graph in graphs.items()}
    return EnrollmentPath(
        line=line_of(row),
        trigger_event_id=row.trigger_event_id,
        trigger_data=row.trigger_data,
        steps=[
            _taken(one, graphs.get(one.version), called.get(one.version, {}).get(one.step_key, one.step_key))
            for one in taken
        ],
    )


def _taken(row: JourneyEnrollmentStep, graph: Graph | None, title: str) -> StepTaken:
    step = graph.steps.get(row.step_key) if graph else None
    return StepTaken(
        step_number=row.step_number,
        step_key=row.step_key,
        type=step.type if step else None,
        name=step.name if step else None,
        title=title,
        version=row.version,
        status=row.status,
        entered_at=row.entered_at,
        completed_at=row.completed_at,
        exit=row.exit,
        exit_label=way_label(step, row.exit) if step and row.exit else row.exit,
        result=row.result,
    )


def _graphs(session: Session, tenant_id: UUID, journey_id: UUID, numbers: set[int]) -> dict[int, Graph]:
    rows = session.execute(
        select(JourneyVersion.number, JourneyVersion.graph).where(
            JourneyVersion.tenant_id == tenant_id,
            JourneyVersion.journey_id == journey_id,
            JourneyVersion.number.in_(numbers),
        )
    )
    return {row.number: read_graph(row.graph) for row in rows}


def lines(tenant_id: UUID) -> Select[Any]:
    """Return the statement behind lists of people in journeys; `line_of` reads its rows."""
    e = JourneyEnrollment
    columns: list[Any] = [
        e.id,
        e.journey_id,
        Journey.name.label("journey_name"),
        e.customer_id,
        DISPLAY_NAME.label("customer_name"),
        e.status,
        e.current_step_key,
        e.waiting_until,
        e.due_at,
        e.attempts,
        e.enrolled_at,
        e.completed_at,
        e.exited_at,
        e.converted_at,
        e.converted_amount,
        e.converted_currency,
        e.exit_reason,
        e.error,
        e.trigger_event_id,
        e.trigger_data,
    ]
    return (
        select(*columns)
        .join(Journey, (Journey.tenant_id == e.tenant_id) & (Journey.id == e.journey_id))
        .join(Customer, (Customer.tenant_id == e.tenant_id) & (Customer.id == e.customer_id))
        .where(e.tenant_id == tenant_id)
    )


def line_of(row: Row[Any]) -> EnrollmentLine:
    """Return a row of `lines` as what lists show."""
    return EnrollmentLine(**{name: getattr(row, name) for name in EnrollmentLine.__dataclass_fields__})
