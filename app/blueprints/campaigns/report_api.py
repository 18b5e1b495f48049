"""The API of a campaign's report, beside its `stats`."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from app.blueprints.campaigns.api import StatsQuery, api
from app.campaigns import lift, queries, report
from app.infra.errors import Forbidden, NotFound
from app.infra.paging import Page
from app.messaging import clicks
from app.web.guards import can, current
from app.web.schemas import PageQuery, Shown, Text


class BreakdownQuery(StatsQuery):
    """By what; whoever is in two segments counts in both."""

    by: Literal["club", "provider", "segment", "channel"] = "club"


class PeopleQuery(PageQuery):
    """Behind which number (sent, opened, not_opened, clicked, converted, bounced …), or who followed the link `url`."""

    run_id: UUID | None = None
    what: Annotated[Text, Field(max_length=40)] = "sent"
    url: Annotated[Text, Field(max_length=2000)] | None = None


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
    """The numbers of some of the messages; without a label: those of none."""

    key: str | None
    label: str
    sent: int
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


@api.operation("GET", f"{_PATH}/people", permission="customers.view", query=PeopleQuery, returns=ReaderOut, paged=True)
def campaign_people(campaign_id: UUID, query: PeopleQuery) -> Page[ReaderOut]:
    """List who is behind a number, or who followed a link."""
    if not can(_SEEN):
        raise Forbidden("Your role does not allow this (see campaigns and their numbers).")
    found = report.people(
        **_runs(campaign_id, query.run_id), what=query.what, url=query.url, cursor=query.cursor, limit=query.limit
    )
    rows = [ReaderOut.model_validate({**one, "message_id": one["id"]}) for one in found.items]
    return Page(rows, found.next_cursor)
