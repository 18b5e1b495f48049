"""The API of campaigns: make, schedule, send, pause, and read what became of them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from app.campaigns import experiment, goal, lifecycle, queries, reach, service, why
from app.campaigns.models import Campaign
from app.infra import clock
from app.infra.clock import TimeOfDay
from app.infra.errors import Forbidden
from app.infra.paging import Page
from app.web.api import ApiBlueprint
from app.web.guards import can, current
from app.web.schemas import Body, Conditions, LocalMoment, PageQuery, Shown, Text, Words

api = ApiBlueprint("campaigns_api", __name__)

Type = Literal["ONE_TIME", "RECURRING"]
CampaignType = Literal["follow_up", "birthday", "anniversary", "promotional", "seasonal", "re_engagement", "referral"]
Channel = Literal["EMAIL", "SMS", "PUSH", "WHATSAPP"]
Status = Literal["draft", "scheduled", "preparing", "sending", "paused", "completed", "cancelled", "failed"]
Long = Annotated[Text, Field(max_length=service.MAX_TEXT)]


class ScheduleBody(Body):
    """When it is sent. `start_at` without an offset is a local time of the campaign's zone.

    `mode`: `now`, `at` that time, `recipient_zone`: at that local time in each recipient's zone, or `best_time`: at the
    hour each recipient opens most, within 24 hours from then on (without `start_at`: from when it is sent). A recurring
    one needs `rrule` (RFC 5545, FREQ of days and more) and `local_time`; it begins on the day of `start_at`.
    """

    mode: Literal["now", "at", "recipient_zone", "best_time"] | None = None
    start_at: LocalMoment | None = None
    rrule: Annotated[Text, Field(max_length=300)] | None = None
    local_time: TimeOfDay | None = None


class GoalBody(Body):
    """What it is for: an event of this type that fits the conditions, within so many days after the message.

    `conditions` is a tree on the event's payload, or a list of rules that all must hold; without any, any such event.
    """

    event_type: Annotated[Text, Field(max_length=goal.MAX_EVENT)]
    conditions: Conditions | None = None
    window_days: Annotated[int, Field(ge=1, le=goal.MOST_DAYS)] = goal.DAYS


class VariantBody(Body):
    """One way of saying it, to `share` percent; `templates` by channel, the campaign's own where one is missing.

    Its letters are from `sender_id`, and it goes out at `local_time` ("18:00"), else as the campaign says. They are
    called `subject` (with merge tags), else what their template says; on other channels than e-mail that says nothing.
    """

    name: Annotated[Text, Field(max_length=experiment.MAX_NAME)] | None = None
    share: Annotated[int, Field(ge=1, le=100)]
    templates: dict[Channel, UUID] = Field(default={}, max_length=4)
    sender_id: UUID | None = None
    local_time: TimeOfDay | None = None
    subject: Text | None = None


class ExperimentBody(Body):
    """Variants that are tried first. Who is in none of their shares gets the winner.

    `rule`: what the winner is chosen by, `after_minutes` after the last of the variants went out; or `by_hand`.
    """

    variants: list[VariantBody] = Field(min_length=experiment.FEWEST, max_length=experiment.MOST)
    rule: Literal["opens", "clicks", "conversions", "by_hand"] = "clicks"
    after_minutes: Annotated[int, Field(ge=1, le=experiment.MOST_MINUTES)] = experiment.AFTER_MINUTES


class _Settings(Body):
    description: Long = ""
    campaign_type: CampaignType | None = None
    segment_id: UUID | None = None
    channels: list[Channel] = Field(default=["EMAIL"], min_length=1, max_length=4)
    channel_mode: Literal["first", "all"] = "first"
    email_template_id: UUID | None = None
    sms_template_id: UUID | None = None
    push_template_id: UUID | None = None
    whatsapp_template_id: UUID | None = None
    topic_id: UUID | None = None
    sender_id: UUID | None = None
    timezone: Words | None = None
    schedule: ScheduleBody | None = None
    throttle_per_hour: Annotated[int, Field(ge=1, le=service.MOST_PER_HOUR)] | None = None
    spread_minutes: Annotated[int, Field(ge=1, le=service.MOST_SPREAD)] | None = None
    goal: GoalBody | None = None
    cost: Annotated[Decimal, Field(ge=0, lt=service.MOST_COST, decimal_places=2)] | None = None
    cost_currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    holdout_percent: Annotated[int, Field(ge=1, le=service.MOST_HELD_OUT)] | None = None
    one_copy: bool = True
    expires_hours: Annotated[int, Field(ge=1, le=service.MOST_EXPIRES)] | None = None
    experiment: ExperimentBody | None = None


class CampaignBody(_Settings):
    """A new campaign, a draft. `timezone` is the segment's club's, else the organisation's, unless it is given.

    With `one_copy` an address that people share gets one. What could not go out `expires_hours` after it was due is not
    sent any more.
    """

    name: Words
    type: Type = "ONE_TIME"


class CampaignPatch(_Settings):
    """What to change; what is left out stays. With `version` it is refused where somebody else changed it since."""

    name: Words | None = None
    type: Type | None = None
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class CampaignsQuery(PageQuery):
    """Which campaigns; archived ones only if asked for."""

    q: Words | None = None
    status: Status | None = None
    type: Type | None = None
    campaign_type: CampaignType | None = None
    archived: bool = False
    sort: Literal["name", "-name", "changed", "-changed", "created", "-created"] = "-created"


class StatsQuery(Body):
    """Of which run; without one, of all of them together."""

    run_id: UUID | None = None


class WhyQuery(Body):
    """Of whom."""

    customer_id: UUID


class CampaignOut(Shown):
    """A campaign. At `due_at` its next run begins; `version` rises with every change."""

    id: UUID
    name: str
    description: str
    type: Type
    campaign_type: CampaignType | None
    segment_id: UUID | None
    channels: list[str]
    channel_mode: str
    email_template_id: UUID | None
    sms_template_id: UUID | None
    push_template_id: UUID | None
    whatsapp_template_id: UUID | None
    topic_id: UUID | None
    sender_id: UUID | None
    timezone: str
    schedule: dict[str, Any]
    throttle_per_hour: int | None
    spread_minutes: int | None
    goal: dict[str, Any] | None
    cost: Decimal | None
    cost_currency: str | None
    holdout_percent: int | None
    one_copy: bool
    expires_hours: int | None
    experiment: dict[str, Any] | None
    status: Status
    due_at: datetime | None
    version: int
    archived_at: datetime | None
    created_by_name: str
    created_at: datetime
    updated_at: datetime


class RunOut(Shown):
    """One time that a campaign was sent; `audience` counts messages, from `prepared_at` on they are all there.

    Some may have gone out before (`started_at`).
    """

    id: UUID
    occurrence: str
    due_at: datetime
    status: Status
    people: int
    audience: int
    prepared_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None


class StatsOut(Shown):
    """The numbers: audience = queued + sending + sent + skipped + failed + unknown, unless `adds_up` is false.

    Of `queued` some may be `held`, by reason. `opened` and `clicked` are people; what machines did is counted apart.
    `delivered` is what was sent and has not bounced; `soft_bounced` may still arrive.
    `revenue` is what conversions brought in, by currency; `roi` (0.5: half as much again as it cost) counts only what
    is in the cost's currency. Amounts are text.
    """

    status: Status
    people: int
    audience: int
    queued: int
    held: dict[str, int]
    sending: int
    sent: int
    skipped: dict[str, int]
    failed: int
    failed_because: dict[str, int]
    unknown: int
    delivered: int
    opened: int
    clicked: int
    converted: int
    bounced: int
    soft_bounced: int
    complained: int
    unsubscribed: int
    replied: int
    machine_opened: int
    machine_clicked: int
    revenue: dict[str, Decimal]
    cost: Decimal | None
    cost_currency: str | None
    roi: Decimal | None
    adds_up: bool


class ReachOut(Shown):
    """Whom it would reach now: messages that would go out by channel, and those that would be skipped by reason."""

    people: int
    messages: int
    sent: dict[str, int]
    skipped: dict[str, int]


class StepOut(Shown):
    """One thing that was looked at: whether it holds (null: not known yet), in words, and what would change it."""

    what: str
    holds: bool | None
    words: str
    at: datetime | None
    could_change: str | None
    message_id: UUID | None


class TraceOut(Shown):
    """What was looked at for one run, in order; without a run, how it stands now."""

    run_id: UUID | None
    occurrence: str | None
    steps: list[StepOut]


def _who() -> dict[str, Any]:
    actor = current()
    return {"tenant_id": actor.tenant_id, "actor": actor.ref}


def _given(body: _Settings) -> dict[str, Any]:
    """Return the settings of a body that were given, as the service takes them."""
    found = body.model_dump(exclude_unset=True)
    if "schedule" in found:
        given = body.schedule.model_dump(exclude_none=True) if body.schedule else {}
        found["schedule"] = given
    return found


@api.operation("GET", "/campaigns", permission="campaigns.view", query=CampaignsQuery, returns=CampaignOut, paged=True)
def campaigns(query: CampaignsQuery) -> Page[CampaignOut]:
    """List campaigns."""
    found = queries.page(tenant_id=current().tenant_id, **query.model_dump())
    return Page([CampaignOut.model_validate(one) for one in found.items], found.next_cursor)


@api.operation(
    "POST",
    "/campaigns",
    permission="campaigns.edit",
    body=CampaignBody,
    returns=CampaignOut,
    status=201,
    also="/create",
)
def create_campaign(body: CampaignBody) -> CampaignOut:
    """Make a campaign; it sends nothing before it is scheduled or started."""
    return CampaignOut.model_validate(service.create(**_who(), actor_name=current().name, given=_given(body)))


@api.operation("GET", "/campaigns/<uuid:campaign_id>", permission="campaigns.view", returns=CampaignOut)
def campaign(campaign_id: UUID) -> CampaignOut:
    """Show a campaign."""
    return CampaignOut.model_validate(queries.one(tenant_id=current().tenant_id, campaign_id=campaign_id))


@api.operation(
    "PATCH", "/campaigns/<uuid:campaign_id>", permission="campaigns.edit", body=CampaignPatch, returns=CampaignOut
)
def change_campaign(campaign_id: UUID, body: CampaignPatch) -> CampaignOut:
    """Change a campaign that is a draft or scheduled; 409 where it is under way, or changed by somebody else."""
    changes = _given(body)
    version = changes.pop("version", None)
    done = service.change(**_who(), campaign_id=campaign_id, changes=changes, version=version)
    return CampaignOut.model_validate(done)


@api.operation("DELETE", "/campaigns/<uuid:campaign_id>", permission="campaigns.edit", status=204)
def delete_campaign(campaign_id: UUID) -> None:
    """Delete a draft for good; 409 for what was sent."""
    service.delete(**_who(), campaign_id=campaign_id)


@api.operation(
    "POST", "/campaigns/<uuid:campaign_id>/duplicate", permission="campaigns.edit", returns=CampaignOut, status=201
)
def duplicate_campaign(campaign_id: UUID) -> CampaignOut:
    """Make a draft like this campaign."""
    done = service.duplicate(**_who(), actor_name=current().name, campaign_id=campaign_id)
    return CampaignOut.model_validate(done)


@api.operation("POST", "/campaigns/<uuid:campaign_id>/archive", permission="campaigns.edit", returns=CampaignOut)
def archive_campaign(campaign_id: UUID) -> CampaignOut:
    """Put a campaign away; 409 while it is under way."""
    return CampaignOut.model_validate(service.archive(**_who(), campaign_id=campaign_id))


@api.operation("POST", "/campaigns/<uuid:campaign_id>/unarchive", permission="campaigns.edit", returns=CampaignOut)
def unarchive_campaign(campaign_id: UUID) -> CampaignOut:
    """Take a campaign out of the archive."""
    return CampaignOut.model_validate(service.unarchive(**_who(), campaign_id=campaign_id))


@api.operation(
    "POST", "/campaigns/<uuid:campaign_id>/schedule", permission="campaigns.run", body=ScheduleBody, returns=CampaignOut
)
def schedule_campaign(campaign_id: UUID, body: ScheduleBody) -> CampaignOut:
    """Let a campaign begin by its schedule, or by the one that is given; 422 says what it still lacks."""
    when = body.model_dump(exclude_none=True) or None
    return CampaignOut.model_validate(lifecycle.schedule_(**_who(), campaign_id=campaign_id, when=when))


@api.operation("POST", "/campaigns/<uuid:campaign_id>/unschedule", permission="campaigns.run", returns=CampaignOut)
def unschedule_campaign(campaign_id: UUID) -> CampaignOut:
    """Make a scheduled campaign a draft again."""
    return CampaignOut.model_validate(lifecycle.unschedule(**_who(), campaign_id=campaign_id))


@api.operation(
    "POST", "/campaigns/<uuid:campaign_id>/start", permission="campaigns.run", returns=CampaignOut, status=202
)
def start_campaign(campaign_id: UUID) -> CampaignOut:
    """Send a campaign now (a recurring one: begin to recur); however often it is asked, it is one run, else 409."""
    return CampaignOut.model_validate(lifecycle.start(**_who(), campaign_id=campaign_id))


@api.operation("POST", "/campaigns/<uuid:campaign_id>/pause", permission="campaigns.run", returns=CampaignOut)
def pause_campaign(campaign_id: UUID) -> CampaignOut:
    """Let nothing more go out than what senders have in hand."""
    return CampaignOut.model_validate(lifecycle.pause(**_who(), campaign_id=campaign_id))


@api.operation("POST", "/campaigns/<uuid:campaign_id>/resume", permission="campaigns.run", returns=CampaignOut)
def resume_campaign(campaign_id: UUID) -> CampaignOut:
    """Let a paused campaign go on where it was."""
    return CampaignOut.model_validate(lifecycle.resume(**_who(), campaign_id=campaign_id))


@api.operation("POST", "/campaigns/<uuid:campaign_id>/cancel", permission="campaigns.run", returns=CampaignOut)
def cancel_campaign(campaign_id: UUID) -> CampaignOut:
    """Call a campaign off for good: what has not gone out is skipped."""
    return CampaignOut.model_validate(lifecycle.cancel(**_who(), campaign_id=campaign_id))


@api.operation(
    "GET", "/campaigns/<uuid:campaign_id>/stats", permission="campaigns.view", query=StatsQuery, returns=StatsOut
)
def campaign_stats(campaign_id: UUID, query: StatsQuery) -> StatsOut:
    """Tell what became of a campaign's messages."""
    found = queries.stats(tenant_id=current().tenant_id, campaign_id=campaign_id, run_id=query.run_id)
    return StatsOut.model_validate(found)


@api.operation(
    "GET",
    "/campaigns/<uuid:campaign_id>/runs",
    permission="campaigns.view",
    query=PageQuery,
    returns=RunOut,
    paged=True,
)
def campaign_runs(campaign_id: UUID, query: PageQuery) -> Page[RunOut]:
    """List each time that a campaign was sent, the latest first."""
    found = queries.page_of_runs(tenant_id=current().tenant_id, campaign_id=campaign_id, **query.model_dump())
    return Page([RunOut.model_validate(one) for one in found.items], found.next_cursor)


@api.operation("GET", "/campaigns/<uuid:campaign_id>/dates", permission="campaigns.view")
def campaign_dates(campaign_id: UUID) -> dict[str, Any]:
    """List the next five moments at which a campaign begins to be sent by its schedule."""
    tenant_id = current().tenant_id
    one = queries.one(tenant_id=tenant_id, campaign_id=campaign_id)
    found = queries.next_dates(tenant_id=tenant_id, campaign=one, now=clock.now())
    return {"items": [moment.isoformat() for moment in found], "next_cursor": None}


@api.operation("GET", "/campaigns/<uuid:campaign_id>/reach", permission="campaigns.view", returns=ReachOut)
def campaign_reach(campaign_id: UUID) -> ReachOut:
    """Tell whom a campaign would reach if it were sent now, and who would be skipped for which reason."""
    tenant_id = current().tenant_id
    one: Campaign = queries.one(tenant_id=tenant_id, campaign_id=campaign_id)
    return ReachOut.model_validate(reach.of(tenant_id=tenant_id, campaign=one))


@api.operation("GET", "/campaigns/<uuid:campaign_id>/why", permission="customers.view", query=WhyQuery)
def why_campaign(campaign_id: UUID, query: WhyQuery) -> dict[str, Any]:
    """Tell why a customer got a campaign or did not: each run with what was looked at, the latest first."""
    if not can("campaigns.view"):
        raise Forbidden("Your role does not allow this (see campaigns and their numbers).")
    found = why.of(tenant_id=current().tenant_id, campaign_id=campaign_id, customer_id=query.customer_id)
    return {"items": [TraceOut.model_validate(one).model_dump(mode="json") for one in found], "next_cursor": None}
