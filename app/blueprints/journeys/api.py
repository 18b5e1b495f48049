"""The API of journeys: build, run, enrol, look."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.blueprints.journeys.api_settings import Clock, Sending
from app.infra.paging import Page
from app.journeys import calls, lifecycle, queries, service
from app.journeys.engine import enrol, exits
from app.journeys.graph import MAX_STEPS, NEXT, CannotEdit
from app.journeys.models import Journey
from app.journeys.narrowing import Fate
from app.journeys.step_type import MANUAL, step_types
from app.web.api import ApiBlueprint
from app.web.guards import can, current
from app.web.schemas import Body, Conditions, PageQuery, Shown

api = ApiBlueprint("journeys_api", __name__)

Words = Annotated[str, Field(max_length=500)]
Status = Literal["DRAFT", "ACTIVE", "PAUSED", "ARCHIVED"]
SEES_PEOPLE = "customers.view"
EnrollmentStatus = Literal["ACTIVE", "COMPLETED", "EXITED", "FAILED"]


Reentry = Annotated[
    Literal["never", "after_exit", "after_days", "each"],
    Field(
        description="Who may enter again: nobody, whoever has left, `reentry_days` after they entered last, or each "
        "time for another value of the event's field `reentry_key`. `allow_reentry` true also means `after_exit`."
    ),
]


Whole = Annotated[int, Field(strict=True)]
"""A whole number, and not a word or a truth that could be read as one."""


class GoalBody(Body):
    """What a journey is for: an event, with `conditions` on what it says, or conditions on the customer alone.

    `same` names a field of the event, such as booking_id, that has to say what the event says that let them in.
    """

    event_type: Annotated[str, Field(max_length=100)] | None = None
    conditions: Conditions | None = None
    same: Annotated[str, Field(max_length=100)] | None = None


class ExitEventBody(Body):
    """An event by which people leave; `same` is as that of a goal."""

    event_type: Annotated[str, Field(max_length=100)] | None = None
    same: Annotated[str, Field(max_length=100)] | None = None


class TriggerConfig(Body):
    """Conditions on the payload of the event that lets people in; all must hold.

    For the events `segment.entered` and `segment.left`: the segment. For `journey.completed` and `journey.left`: the
    journey. For DATE and SCHEDULE, which are no events,
    `date` or `schedule` with the settings of the TRIGGER step of these names.
    """

    segment_id: UUID | None = None
    journey_id: UUID | None = None
    date: dict[str, Any] | None = None
    schedule: dict[str, Any] | None = None
    conditions: list[dict[str, Any]] = Field(default=[])


class JourneyBody(Sending):
    """A new journey. `trigger_type` is an event type, MANUAL, DATE or SCHEDULE.

    Without `timezone` it is the club's, else the organisation's.
    """

    name: Words
    description: Annotated[str, Field(max_length=2000)] | None = None
    club_id: UUID | None = None
    trigger_type: Annotated[str, Field(min_length=1, max_length=100)] = MANUAL
    trigger_config: TriggerConfig | None = None
    allow_reentry: bool = False
    reentry: Reentry | None = None
    reentry_days: Whole | None = None
    reentry_key: Words | None = None
    exit_conditions: dict[str, Any] | None = None
    exit_event: ExitEventBody | None = None
    exit_on_unsubscribe: bool = False
    goal: GoalBody | None = None
    goal_days: Whole | None = None
    max_enrollments: Whole | None = None
    timezone: Words | None = None
    clock: Clock = "person"


class JourneyPatch(Sending):
    """Settings to change; those left out stay."""

    name: Words | None = None
    description: Annotated[str, Field(max_length=2000)] | None = None
    club_id: UUID | None = None
    allow_reentry: bool | None = None
    reentry: Reentry | None = None
    reentry_days: Whole | None = None
    reentry_key: Words | None = None
    exit_conditions: dict[str, Any] | None = None
    exit_event: ExitEventBody | None = None
    exit_on_unsubscribe: bool | None = None
    goal: GoalBody | None = None
    goal_days: Whole | None = None
    max_enrollments: Whole | None = None
    timezone: Words | None = None
    clock: Clock | None = None


class StepModel(BaseModel):
    """One step. `next` is the way on, `next_yes` and `next_no` those of a CONDITION; null completes.

    Any other way is `next_` and the name of the exit.
    """

    model_config = ConfigDict(extra="allow")

    key: Annotated[str, Field(max_length=64, description="Yours; unique in the journey.")]
    type: str
    name: str | None = None
    config: dict[str, Any] = {}
    next: str | None = None
    next_yes: str | None = None
    next_no: str | None = None


class StepsBody(Body):
    """The whole graph of the draft. With `draft_revision` it is refused if somebody changed the draft since.

    `lost_steps` says what becomes of steps on ways that a step has not (any more) with its settings, and that nothing
    else leads to: they are put on the ways it has, deleted, or stay unconnected.
    """

    steps: Annotated[list[StepModel], Field(max_length=MAX_STEPS)]
    draft_revision: int | None = None
    lost_steps: Fate | None = None


class NewStep(Body):
    """A step to put in; without `key` it gets a free one, without `config` its kind's defaults."""

    key: str | None = None
    type: str
    name: Words | None = None
    config: dict[str, Any] | None = None


class AddStepBody(Body):
    """Where the step goes: on the exit (`next`, `yes` or `no`) of the step `after`."""

    after: str
    exit: str = NEXT
    step: NewStep
    draft_revision: int | None = None


class JourneyOut(Shown):
    """A journey. `steps` are the draft's; people follow version `published_version` of them."""

    id: UUID
    name: str
    description: str | None
    club_id: UUID | None
    status: Status
    trigger_type: str
    trigger_config: dict[str, Any]
    allow_reentry: bool
    reentry: Reentry
    reentry_days: int | None
    reentry_key: str | None
    exit_conditions: dict[str, Any] | None
    exit_event: dict[str, Any] | None
    exit_on_unsubscribe: bool
    goal: dict[str, Any] | None
    goal_days: int | None
    max_enrollments: int | None
    timezone: str
    topic_id: UUID | None
    send_window: dict[str, Any] | None
    clock: Clock
    draft_revision: int
    published_version: int | None
    total_enrolled: int
    total_completed: int
    total_exited: int
    total_failed: int
    activated_at: datetime | None
    paused_at: datetime | None
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime
    steps: list[StepModel]


class JourneysQuery(PageQuery):
    """Which journeys; without `status` all but the archived ones."""

    status: Status | None = None
    q: Words | None = None


class EnrolBody(Body):
    """Whom to let in. `data` is what templates call `event` then, as `{{ event.voucher }}`."""

    customer_id: UUID
    data: dict[str, Any] | None = None


class SecretOut(Shown):
    """A secret as Standard Webhooks writes it: `whsec_…`."""

    secret: str


class EnrollmentOut(Shown):
    """One person in a journey. A step that has failed for them `attempts` times is tried again at `due_at`.

    What they are called is for those who may see customers. `converted_at`: they reached the journey's goal, and what
    the event said that was worth.
    """

    id: UUID
    journey_id: UUID
    journey_name: str
    customer_id: UUID
    customer_name: str | None
    status: EnrollmentStatus
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


class StepTakenOut(Shown):
    """One step of a person's path."""

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
    result: dict[str, Any] | None


class PathOut(EnrollmentOut):
    """A person's whole walk: what let them in, and each step taken.

    What that event said, and what steps saw and wrote, is for those who may see customers.
    """

    trigger_event_id: UUID | None
    trigger_data: dict[str, Any]
    steps: list[StepTakenOut]


class StepTypeOut(Shown):
    """A kind of step: what it does, its ways on, and the JSON schema of its config."""

    type: str
    label: str
    description: str
    exits: list[str]
    config_schema: dict[str, Any]


def shown(journey: Journey) -> JourneyOut:
    """Return a journey as the API shows it."""
    return JourneyOut.model_validate({**vars(journey), "steps": journey.draft["steps"]})


@api.operation("GET", "/journeys", permission="journeys.view", query=JourneysQuery, returns=JourneyOut, paged=True)
def journeys(query: JourneysQuery) -> Page[JourneyOut]:
    """List journeys, newest first."""
    found = queries.journeys(tenant_id=current().tenant_id, **query.model_dump())
    return Page([shown(one) for one in found.items], found.next_cursor)


@api.operation("POST", "/journeys", permission="journeys.edit", body=JourneyBody, returns=JourneyOut, status=201)
def create_journey(body: JourneyBody) -> JourneyOut:
    """Make a journey in DRAFT whose one step is its TRIGGER."""
    actor = current()
    return shown(service.create(tenant_id=actor.tenant_id, actor=actor.ref, **body.model_dump(by_alias=True)))


@api.operation("GET", "/journeys/step-types", permission="journeys.view")
def journey_step_types() -> dict[str, Any]:
    """List the kinds of steps with the schemas of their settings."""
    kinds = [
        StepTypeOut(
            type=name,
            label=kind.label,
            description=kind.description,
            exits=list(kind.exits(kind.defaults())),
            config_schema=kind.Config.model_json_schema(),
        ).model_dump()
        for name, kind in step_types()
    ]
    return {"items": kinds, "next_cursor": None}


@api.operation("GET", "/journeys/<uuid:journey_id>", permission="journeys.view", returns=JourneyOut)
def journey(journey_id: UUID) -> JourneyOut:
    """Show a journey with the steps of its draft."""
    return shown(queries.journey(tenant_id=current().tenant_id, journey_id=journey_id))


@api.operation(
    "PATCH", "/journeys/<uuid:journey_id>", permission="journeys.edit", body=JourneyPatch, returns=JourneyOut
)
def change_journey(journey_id: UUID, body: JourneyPatch) -> JourneyOut:
    """Change a journey's settings."""
    actor = current()
    changes = body.model_dump(exclude_unset=True, by_alias=True)
    return shown(
        service.update_settings(tenant_id=actor.tenant_id, journey_id=journey_id, actor=actor.ref, changes=changes)
    )


@api.operation(
    "PUT", "/journeys/<uuid:journey_id>/steps", permission="journeys.edit", body=StepsBody, returns=JourneyOut
)
def put_journey_steps(journey_id: UUID, body: StepsBody) -> JourneyOut:
    """Replace the draft's steps whole; 409 with the ways that would lose their steps where `lost_steps` is left out."""
    actor = current()
    changed = service.put_steps(
        tenant_id=actor.tenant_id,
        journey_id=journey_id,
        actor=actor.ref,
        steps=[step.model_dump() for step in body.steps],
        draft_revision=body.draft_revision,
        lost_steps=body.lost_steps or "ask",
    )
    return shown(changed)


@api.operation(
    "POST",
    "/journeys/<uuid:journey_id>/steps",
    permission="journeys.edit",
    body=AddStepBody,
    returns=JourneyOut,
    status=201,
)
def add_journey_step(journey_id: UUID, body: AddStepBody) -> JourneyOut:
    """Put one step after another; what followed there follows the new step's first exit."""
    actor = current()
    changed, _ = service.insert_step(
        tenant_id=actor.tenant_id,
        journey_id=journey_id,
        actor=actor.ref,
        after=body.after,
        exit=body.exit,
        draft_revision=body.draft_revision,
        **body.step.model_dump(),
    )
    return shown(changed)


@api.operation(
    "POST", "/journeys/<uuid:journey_id>/steps/<key>/secret", permission="journeys.edit", returns=SecretOut, status=201
)
def make_step_secret(journey_id: UUID, key: str) -> SecretOut:
    """Give a WEBHOOK step of the draft a secret to sign with, in the place of the one it had; it is shown only here."""
    actor = current()
    journey = queries.journey(tenant_id=actor.tenant_id, journey_id=journey_id)
    found = queries.draft(journey).step(key)
    if "secret" not in step_types().get(found.type).Config.model_fields:
        raise CannotEdit("This step signs nothing. Make a secret for a WEBHOOK step.")
    plain, sealed = calls.new_secret(actor.tenant_id)
    service.configure_step(
        tenant_id=actor.tenant_id,
        journey_id=journey_id,
        actor=actor.ref,
        key=key,
        config={**found.config, "secret": sealed},
        draft_revision=journey.draft_revision,
    )
    return SecretOut(secret=plain)


class ActivateBody(Body):
    """`anyway`: why the journey is to run although checks of its draft fail; it stands in the audit log."""

    anyway: Annotated[str, Field(max_length=500)] | None = None


@api.operation(
    "POST", "/journeys/<uuid:journey_id>/activate", permission="journeys.run", body=ActivateBody, returns=JourneyOut
)
def activate_journey(journey_id: UUID, body: ActivateBody) -> JourneyOut:
    """Publish the draft and let the journey run; 422 with the problems by step if it is not ready, or with the checks
    (`checks.<id>`) that fail and what differs."""
    actor = current()
    made = lifecycle.activate(tenant_id=actor.tenant_id, journey_id=journey_id, actor=actor.ref, anyway=body.anyway)
    return shown(made)


@api.operation("POST", "/journeys/<uuid:journey_id>/pause", permission="journeys.run", returns=JourneyOut)
def pause_journey(journey_id: UUID) -> JourneyOut:
    """Stop a journey: nobody enters and nobody goes on until it is resumed."""
    actor = current()
    return shown(lifecycle.pause(tenant_id=actor.tenant_id, journey_id=journey_id, actor=actor.ref))


class ResumeBody(Body):
    """With `move_waits` all waits end later by as long as the journey was paused; else those that ended end now."""

    move_waits: bool = False


@api.operation(
    "POST", "/journeys/<uuid:journey_id>/resume", permission="journeys.run", body=ResumeBody, returns=JourneyOut
)
def resume_journey(journey_id: UUID, body: ResumeBody) -> JourneyOut:
    """Let a paused journey go on."""
    actor = current()
    went_on = lifecycle.resume(
        tenant_id=actor.tenant_id, journey_id=journey_id, actor=actor.ref, move_waits=body.move_waits
    )
    return shown(went_on)


@api.operation("POST", "/journeys/<uuid:journey_id>/archive", permission="journeys.run", returns=JourneyOut)
def archive_journey(journey_id: UUID) -> JourneyOut:
    """Switch a journey off for good; whoever is in it leaves."""
    actor = current()
    return shown(lifecycle.archive(tenant_id=actor.tenant_id, journey_id=journey_id, actor=actor.ref))


@api.operation(
    "POST",
    "/journeys/<uuid:journey_id>/enrollments",
    permission="journeys.run",
    body=EnrolBody,
    returns=EnrollmentOut,
    status=201,
)
def enrol_customer(journey_id: UUID, body: EnrolBody) -> EnrollmentOut:
    """Let a customer into an active journey by hand; 409 with the reason if that can't be."""
    tenant_id = current().tenant_id
    made = enrol.enrol_one(tenant_id=tenant_id, journey_id=journey_id, customer_id=body.customer_id, data=body.data)
    return person_of(queries.enrollment_path(tenant_id=tenant_id, enrollment_id=made).line)


@api.operation("GET", "/enrollments/<uuid:enrollment_id>", permission="journeys.view", returns=PathOut)
def enrollment(enrollment_id: UUID) -> PathOut:
    """Show a person's path through a journey: each step with its time and result."""
    return path_of(enrollment_id)


@api.operation("POST", "/enrollments/<uuid:enrollment_id>/exit", permission="journeys.run", returns=PathOut)
def exit_enrollment(enrollment_id: UUID) -> PathOut:
    """Take a person out of a journey; somebody who is not in it any more stays as they are."""
    exits.exit_enrollments(tenant_id=current().tenant_id, enrollment_ids=[enrollment_id])
    return path_of(enrollment_id)


def person_of(line: queries.EnrollmentLine) -> EnrollmentOut:
    """Return a person in a journey, nameless for those who may not see customers."""
    shown = EnrollmentOut.model_validate(line)
    return shown if can(SEES_PEOPLE) else shown.model_copy(update={"customer_name": None})


def path_of(enrollment_id: UUID) -> PathOut:
    path = queries.enrollment_path(tenant_id=current().tenant_id, enrollment_id=enrollment_id)
    steps = [StepTakenOut.model_validate(step) for step in path.steps]
    data = dict(path.trigger_data)
    if not can(SEES_PEOPLE):
        data, steps = {}, [step.model_copy(update={"result": None}) for step in steps]
    line = person_of(path.line).model_dump()
    return PathOut(**line, trigger_event_id=path.trigger_event_id, trigger_data=data, steps=steps)
