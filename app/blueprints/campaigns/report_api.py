"""The API of a campaign's report, beside its `stats`."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from app.blueprints.campaigns.api import StatsQuery, api
from app.campaigns import lift, queries, readiness, report, winner
from app.campaigns.experiment import Standing
from app.infra.errors import Forbidden, NotFound
from app.infra.paging import Page
from app.messaging import clicks
from app.web.guards import can, current
from app.web.schemas import Body, PageQuery, Shown, Text


class BreakdownQuery(StatsQuery):
    """By what; whoever is in two segments counts in both."""

    by: Literal["club", "provider", "segment", "channel"] = "club"


class PeopleQuery(PageQuery):
    """Behind which number (sent, opened, not_opened, clicked, converted, bounced …), or who followed the link `url`.

    With `by` only those of one row of that breakdown: `of` is its key, empty for those of no club or address.
    """

    run_id: UUID | None = None
    what: Annotated[Text, Field(max_length=40)] = "sent"
    url: Annotated[Text, Field(max_length=2000)] | None = None
    by: Literal["club", "provider", "segment", "channel"] | None = None
    of: Annotated[Text, Field(max_length=200)] = ""


class LinkOut(Shown):
    """An address that was followed: by how many people, how often by them; in how many messages by machines."""

    url: str
    people: int
    times: int
    machines: int


class LinksOut(Shown):
    """All of them, those of most people first."""

    items: list[LinkOut]


class HourOut(Shown):
    """So many messages were sent, or had this done with them, in an hour."""

    what: str
    hour: datetime
    number: int


class HoursOut(Shown):
    """All of them, in order."""

    items: list[HourOut]


class SideOut(Shown):
    """The numbers of some of the messages; without a label: those of none. Of `unknown` nobody knows who got them."""

    key: str | None
    label: str
    sent: int
    unknown: int
    opened: int
    clicked: int
    converted: int
    bounced: int
    unsubscribed: int
    complained: int


class SidesOut(Shown):
    """All of them, the most sent first."""

    items: list[SideOut]


class IntervalOut(Shown):
    """A share, or a difference of shares, of one; and between what the true one lies in 19 of 20 cases."""

    value: float
    low: float
    high: float


class PartOut(Shown):
    """So many people, how many of them converted, and which share that is."""

    people: int
    converted: int
    share: IntervalOut


class LiftOut(Shown):
    """What it changed: those who got it beside those who were held out. `decided`: it is told from chance.

    `relative` is how much more converted, of one; `extra` how many more than there would have been, as it seems.
    """

    reached: PartOut
    held_out: PartOut
    difference: IntervalOut
    decided: bool
    relative: float | None
    extra: int


class VariantOut(Shown):
    """How a variant does: to so many it was sent, so many `did` what it is measured by; which share that is.

    The share is of those it was sent to and of those of whom nobody knows whether they got it (`unknown`). `subject` is
    its own, null where its letters are called what their template says.
    """

    key: str
    name: str
    subject: str | None
    sent: int
    unknown: int
    opened: int
    clicked: int
    converted: int
    did: int
    share: IntervalOut


class VariantsOut(Shown):
    """The variants of a run, the best first; `decided`: it is ahead by more than chance, `words`: what may be said.

    `waiting` messages wait for the `winner`, which is chosen at `decide_at` (none: by hand), and was by `winner_by`, a
    user or `rule`; `rest` went out as the winner since.
    """

    items: list[VariantOut]
    measure: str
    lead: IntervalOut
    decided: bool
    words: str
    waiting: int
    rest: int
    decide_at: datetime | None
    winner: str | None
    winner_at: datetime | None
    winner_by: str | None


class WinnerBody(Body):
    """Which variant everybody who waits gets."""

    variant: Annotated[str, Field(pattern="^[a-e]$")]


class ReaderOut(Shown):
    """A message behind a number, with its reader, and when it happened (a link: first, and how often)."""

    message_id: UUID
    customer_id: UUID | None
    customer_name: str | None
    to_address: str | None
    status: str
    reason: str | None
    at: datetime | None
    times: int | None


class NobodyHeldOut(NotFound):
    """There is nothing to compare with."""

    def __init__(self) -> None:
        super().__init__("Nobody was held out of this campaign, so what it changed can’t be told.")


def _runs(campaign_id: UUID, run_id: UUID | None) -> dict[str, Any]:
    tenant_id = current().tenant_id
    queries.one(tenant_id=tenant_id, campaign_id=campaign_id)
    return {
        "tenant_id": tenant_id,
        "run_ids": report.runs_of(tenant_id=tenant_id, campaign_id=campaign_id, run_id=run_id),
    }


_PATH = "/campaigns/<uuid:campaign_id>"
_SEEN = "campaigns.view"


@api.operation("GET", f"{_PATH}/links", permission=_SEEN, query=StatsQuery, returns=LinksOut)
def campaign_links(campaign_id: UUID, query: StatsQuery) -> LinksOut:
    """Tell which links were followed."""
    found = clicks.links(**_runs(campaign_id, query.run_id))
    return LinksOut(items=[LinkOut.model_validate(one) for one in found])


@api.operation("GET", f"{_PATH}/hours", permission=_SEEN, query=StatsQuery, returns=HoursOut)
def campaign_hours(campaign_id: UUID, query: StatsQuery) -> HoursOut:
    """Tell hour by hour how many messages were sent, and what was done with them."""
    found = report.hours(**_runs(campaign_id, query.run_id))
    return HoursOut(items=[HourOut.model_validate(one) for one in found])


@api.operation("GET", f"{_PATH}/breakdown", permission=_SEEN, query=BreakdownQuery, returns=SidesOut)
def campaign_breakdown(campaign_id: UUID, query: BreakdownQuery) -> SidesOut:
    """Tell the numbers by club, mail provider, channel, or by segments of today."""
    found = report.by(**_runs(campaign_id, query.run_id), side=query.by)
    return SidesOut(items=[SideOut.model_validate(one) for one in found])


@api.operation("GET", f"{_PATH}/lift", permission=_SEEN, query=StatsQuery, returns=LiftOut)
def campaign_lift(campaign_id: UUID, query: StatsQuery) -> LiftOut:
    """Tell what a campaign changed; 404 where nobody was held out."""
    found = lift.of(**_runs(campaign_id, query.run_id))
    if found is None:
        raise NobodyHeldOut
    return LiftOut.model_validate(found)


class NoVariants(NotFound):
    """There is nothing to compare."""

    def __init__(self) -> None:
        super().__init__("This campaign has no variants.")


_RUN = f"{_PATH}/runs/<uuid:run_id>"


def _variants(campaign_id: UUID, run_id: UUID) -> VariantsOut:
    tenant_id = current().tenant_id
    run = queries.run(tenant_id=tenant_id, campaign_id=campaign_id, run_id=run_id)
    trials = winner.trials(tenant_id=tenant_id, runs_of=[run])
    if not trials:
        raise NoVariants
    found = trials[0].outcome
    return VariantsOut(
        items=[_variant(one, readiness.subject_in(run.content, one.variant.key)) for one in found.standings],
        measure=found.measure,
        lead=IntervalOut.model_validate(found.lead),
        decided=found.decided,
        words=found.words,
        waiting=found.waiting,
        rest=found.rest,
        decide_at=run.decide_at,
        winner=run.winner,
        winner_at=run.winner_at,
        winner_by=run.winner_by,
    )


def _variant(one: Standing, subject: str | None) -> VariantOut:
    return VariantOut(
        key=one.variant.key,
        name=one.variant.name,
        subject=subject,
        sent=one.sent,
        unknown=one.unknown,
        opened=one.opened,
        clicked=one.clicked,
        converted=one.converted,
        did=one.did,
        share=IntervalOut.model_validate(one.share),
    )


@api.operation("GET", f"{_RUN}/variants", permission=_SEEN, returns=VariantsOut)
def campaign_variants(campaign_id: UUID, run_id: UUID) -> VariantsOut:
    """Tell how the variants of a run stand; 404 for a campaign without."""
    return _variants(campaign_id, run_id)


@api.operation("POST", f"{_RUN}/winner", permission="campaigns.run", body=WinnerBody, returns=VariantsOut)
def choose_winner(campaign_id: UUID, run_id: UUID, body: WinnerBody) -> VariantsOut:
    """Let everybody who waits get this variant; 409 where that was decided already, or nobody waits."""
    actor = current()
    winner.choose(
        tenant_id=actor.tenant_id,
        campaign_id=campaign_id,
        run_id=run_id,
        variant=body.variant,
        actor=actor.ref,
        actor_name=actor.name,
    )
    return _variants(campaign_id, run_id)


@api.operation("GET", f"{_PATH}/people", permission="customers.view", query=PeopleQuery, returns=ReaderOut, paged=True)
def campaign_people(campaign_id: UUID, query: PeopleQuery) -> Page[ReaderOut]:
    """List who is behind a number, or who followed a link."""
    if not can(_SEEN):
        raise Forbidden("Your role does not allow this (see campaigns and their numbers).")
    found = report.people(
        **_runs(campaign_id, query.run_id),
        what=query.what,
        url=query.url,
        among=report.Among(query.by, query.of) if query.by else None,
        cursor=query.cursor,
        limit=query.limit,
    )
    rows = [ReaderOut.model_validate({**one, "message_id": one["id"]}) for one in found.items]
    return Page(rows, found.next_cursor)
