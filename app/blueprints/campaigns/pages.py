"""The list of campaigns, and the page of one, which moves while it sends."""

from typing import Any
from uuid import UUID

from flask import Response, request

from app.blueprints.campaigns import approvals, pace, presenters
from app.blueprints.campaigns.base import blueprint
from app.campaigns import awaiting, queries, why
from app.campaigns.models import CAMPAIGN_TYPES, TYPES
from app.campaigns.states import Status
from app.customers import queries as customers
from app.infra import clock
from app.infra.errors import Forbidden
from app.messaging.states import Reason
from app.web.downloads import PERMISSION, download
from app.web.guards import can, current, requires
from app.web.htmx import page
from app.web.lists import asked_choice, asked_for, asked_id, asked_sort, just_archived

_COLUMNS = ("name", "description", "type", "campaign_type", "status", "timezone", "due_at", "created_at", "id")


@blueprint.get("")
@requires("campaigns.view")
def index() -> Response:
    """List the campaigns: by status, type and part of the name, archived ones apart."""
    tenant_id, filters, sort = current().tenant_id, _filters(), asked_sort(queries.SORTS, "-created")
    found = queries.page(tenant_id=tenant_id, sort=sort, cursor=request.args.get("cursor"), **filters)
    wanted = {one.segment_id for one in found.items if one.segment_id}
    return page(
        "campaigns/index.html",
        block="results",
        page=found,
        filters=filters,
        filtered=any(filters.values()),
        sort=sort,
        segments=presenters.names_of_segments(tenant_id, wanted),
        numbers=queries.numbers(tenant_id=tenant_id, campaign_ids=[one.id for one in found.items]),
        standings=awaiting.standings(tenant_id=tenant_id, campaigns=found.items),
        when=presenters.when,
        gone=just_archived(lambda id_: queries.one(tenant_id=tenant_id, campaign_id=id_)),
        **approvals.WORDS,
        **presenters.WORDS,
    )


def _filters() -> dict[str, Any]:
    return {
        "q": request.args.get("q", "").strip() or None,
        "status": asked_choice("status", set(Status)),
        "type": asked_choice("type", TYPES),
        "campaign_type": asked_choice("campaign_type", CAMPAIGN_TYPES),
        "archived": asked_for("show", "archived"),
    }


@blueprint.post("/export")
@requires(PERMISSION)
def export_list() -> Response:
    """Give out the campaigns the list shows."""
    tenant_id, filters, sort = current().tenant_id, _filters(), asked_sort(queries.SORTS, "-created")
    return download(
        "campaigns",
        seen_by="campaigns.view",
        header=[*_COLUMNS, "when"],
        pages=lambda cursor, limit: queries.page(tenant_id=tenant_id, sort=sort, cursor=cursor, limit=limit, **filters),
        rows=lambda found: [[*(getattr(one, name) for name in _COLUMNS), presenters.when(one)] for one in found],
        filters=filters | {"sort": sort},
    )


@blueprint.get("/<uuid:campaign_id>")
@requires("campaigns.view")
def show(campaign_id: UUID) -> Response:
    """Show one campaign: how it stands, its numbers, each time it was sent."""
    tenant_id = current().tenant_id
    campaign = queries.one(tenant_id=tenant_id, campaign_id=campaign_id)
    still_goes_out = queries.still_goes_out(campaign)
    runs = queries.page_of_runs(tenant_id=tenant_id, campaign_id=campaign_id, cursor=request.args.get("cursor"))
    stats = queries.stats(tenant_id=tenant_id, campaign_id=campaign_id)
    return page(
        "campaigns/show.html",
        block="runs" if "cursor" in request.args else "standing",
        campaign=campaign,
        stats=stats,
        parts=presenters.sum_line(stats),
        has_opens=presenters.has_opens(campaign, stats),
        quiet_until=presenters.quiet_until(campaign) if Reason.QUIET_HOURS in stats.held else None,
        runs=runs,
        begun=any(run.status == Status.PREPARING and run.started_at for run in runs.items),
        trials=presenters.trials(runs.items),
        variants=presenters.variants(campaign),
        # Of a paused one too, as long as something is on its way.
        live=presenters.is_live(campaign) or still_goes_out or stats.sending > 0,
        still_goes_out=still_goes_out,
        legal=presenters.legal(campaign, goes_out=still_goes_out) | {"choose": can("campaigns.run")},
        measure_words=presenters.MEASURE_WORDS,
        winner_words=presenters.winner_rule,
        said_by=presenters.said_by,
        when=presenters.when(campaign),
        pace=pace.under_way(campaign, stats),
        said=presenters.said(campaign),
        has_letter=presenters.has_letter(campaign),
        segment=presenters.segment_of(campaign),
        dates=queries.next_dates(tenant_id=tenant_id, campaign=campaign, now=clock.now())
        if campaign.status in (Status.DRAFT, Status.SCHEDULED)
        else [],
        local=presenters.local,
        goal=presenters.goal_in_words(campaign),
        revenue=presenters.revenue(stats),
        approval=approvals.shown(campaign),
        **approvals.WORDS,
        **presenters.WORDS,
    )


@blueprint.get("/<uuid:campaign_id>/why")
@requires("customers.view")
def why_page(campaign_id: UUID) -> Response:
    """Show why a customer got a campaign or did not, run by run."""
    if not can("campaigns.view"):
        raise Forbidden("Your role does not allow this (see campaigns and their numbers).")
    tenant_id = current().tenant_id
    campaign = queries.one(tenant_id=tenant_id, campaign_id=campaign_id)
    q, chosen = request.args.get("q", "").strip(), asked_id("customer_id")
    found = customers.customers(tenant_id=tenant_id, q=q, limit=8).items if q and chosen is None else []
    traces, who = None, None
    if chosen is not None:
        who = customers.customer(tenant_id=tenant_id, customer_id=chosen)
        traces = why.of(tenant_id=tenant_id, campaign_id=campaign_id, customer_id=chosen)
    return page(
        "campaigns/why.html",
        block="answer",
        campaign=campaign,
        q=q,
        found=found,
        who=who,
        traces=traces,
        **presenters.WORDS,
    )
