"""A campaign's report: its numbers from all sides, the letter with who followed which link, who is behind a number."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.accounts.queries import clubs
from app.blueprints.campaigns import charts, presenters
from app.blueprints.campaigns.base import blueprint
from app.campaigns import experiment, heat_map, lift, queries, report, winner
from app.campaigns.experiment import Variant
from app.campaigns.models import ONCE, RECURRING, Campaign, CampaignRun
from app.campaigns.queries import Stats
from app.infra.errors import Forbidden, UserError
from app.infra.paging import Page
from app.messaging import clicks
from app.messaging.tally import Kind
from app.segments import queries as segments
from app.web.downloads import PERMISSION, download
from app.web.guards import can, current, requires
from app.web.htmx import page
from app.web.lists import asked_choice, asked_id
from app.web.shell import organisation, percent

SIDE_LABELS = {
    report.CLUB: "By club",
    report.PROVIDER: "By mail provider",
    report.SEGMENT: "By segment",
    report.CHANNEL: "By channel",
}
NONE_OF = {report.CLUB: "No club", report.PROVIDER: "No address"}
WHAT_LABELS = {
    "audience": "In the audience",
    "sent": "Sent",
    "delivered": "Delivered",
    "not_opened": "Did not open it",
    "not_clicked": "Followed no link",
    "waiting": "Waiting",
    "skipped": "Skipped",
    "failed": "Failed",
    "unknown": "Unknown",
    Kind.OPENED.value: "Opened it",
    Kind.CLICKED.value: "Followed a link",
    Kind.MACHINE_OPENED.value: "Opened by a machine",
    Kind.MACHINE_CLICKED.value: "Followed by a machine",
    Kind.BOUNCED.value: "Bounced",
    Kind.SOFT_BOUNCED.value: "Bounced for now",
    Kind.COMPLAINED.value: "Marked it as spam",
    Kind.UNSUBSCRIBED.value: "Unsubscribed",
    Kind.REPLIED.value: "Replied",
    Kind.CONVERTED.value: "Converted",
}
POLICY = (
    "sandbox; default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
NO_MAIL = "<p style='font:14px sans-serif'>{}</p>"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a report: what it is called, what of it there is, beside what, and what opens its people."""

    label: str
    value: int
    what: str
    rate: str | None
    tone: str


def _shares(stats: Stats, has_opens: bool) -> list[Figure]:
    def of(part: int, whole: int) -> str | None:
        return percent(part / whole, 1) if whole else None

    arrived = stats.delivered
    found = [
        Figure("Sent", stats.sent, "sent", None, "neutral"),
        Figure("Delivered", arrived, "delivered", of(arrived, stats.sent), "success"),
        Figure("Opened", stats.opened, Kind.OPENED, of(stats.opened, arrived), "accent"),
        Figure("Clicked", stats.clicked, Kind.CLICKED, of(stats.clicked, arrived), "accent"),
        Figure("Converted", stats.converted, Kind.CONVERTED, of(stats.converted, arrived), "success"),
        Figure("Bounced", stats.bounced, Kind.BOUNCED, of(stats.bounced, stats.sent), "warning"),
        Figure("Unsubscribed", stats.unsubscribed, Kind.UNSUBSCRIBED, of(stats.unsubscribed, arrived), "warning"),
        Figure("Complained", stats.complained, Kind.COMPLAINED, of(stats.complained, arrived), "danger"),
    ]
    return [one for one in found if has_opens or one.what != Kind.OPENED]


def _more(stats: Stats) -> list[Figure]:
    """Return what stands in words below the numbers."""
    return [
        Figure("Did not open it", 0, "not_opened", None, "neutral"),
        Figure("Opened by machines", stats.machine_opened, Kind.MACHINE_OPENED, None, "neutral"),
        Figure("Followed by machines", stats.machine_clicked, Kind.MACHINE_CLICKED, None, "neutral"),
        Figure("Bounced for now", stats.soft_bounced, Kind.SOFT_BOUNCED, None, "neutral"),
        Figure("Replied", stats.replied, Kind.REPLIED, None, "neutral"),
    ]


def _asked(campaign_id: UUID) -> tuple[Campaign, UUID | None, list[UUID]]:
    """Return the campaign, the run that is asked for, and the ids of what runs the numbers are of."""
    tenant_id, run_id = current().tenant_id, asked_id("run")
    campaign = queries.one(tenant_id=tenant_id, campaign_id=campaign_id)
    return campaign, run_id, report.runs_of(tenant_id=tenant_id, campaign_id=campaign_id, run_id=run_id)


def _latest(campaign: Campaign, run_id: UUID | None) -> CampaignRun | None:
    found = queries.page_of_runs(tenant_id=campaign.tenant_id, campaign_id=campaign.id, limit=report.OCCURRENCES).items
    return next((one for one in found if run_id in (None, one.id)), None)


def _variants(run: CampaignRun | None) -> Sequence[Variant]:
    tried = experiment.of(run.experiment) if run else None
    return tried.variants if tried else ()


def _variant(run: CampaignRun | None) -> str | None:
    """Return the variant whose letter is asked for; else the winner, or the first. None where there are none."""
    known = [one.key for one in _variants(run)]
    asked = (asked_choice("variant", known), run and run.winner)
    return next((one for one in asked if one in known), known[0] if known else None)


@blueprint.get("/<uuid:campaign_id>/report")
@requires("campaigns.view")
def report_page(campaign_id: UUID) -> Response:
    """Show what became of a campaign, or of one of its runs."""
    tenant_id = current().tenant_id
    campaign, run_id, runs = _asked(campaign_id)
    side = asked_choice("by", report.SIDES) or report.CLUB
    stats = queries.stats(tenant_id=tenant_id, campaign_id=campaign_id, run_id=run_id)
    has_opens = presenters.has_opens(campaign, stats)
    latest = _latest(campaign, run_id)
    followed = clicks.links(tenant_id=tenant_id, run_ids=runs)
    variants = _variants(latest)
    variant = _variant(latest)
    letter = heat_map.letter_of(tenant_id=tenant_id, run=latest, variant=variant) if latest else None
    return page(
        "campaigns/report.html",
        block="letter" if "variant" in request.args else "sides",
        campaign=campaign,
        run_id=run_id,
        stats=stats,
        figures=_shares(stats, has_opens),
        more=[one for one in _more(stats) if one.value or (one.what == "not_opened" and has_opens)],
        has_opens=has_opens,
        parts=presenters.sum_line(stats),
        revenue=presenters.revenue(stats),
        cost=presenters.money(campaign.cost, campaign.cost_currency)
        if campaign.cost is not None and campaign.cost_currency
        else None,
        goal=presenters.goal_in_words(campaign),
        over_time=charts.over_time(report.hours(tenant_id=tenant_id, run_ids=runs), campaign.timezone),
        links=heat_map.links(letter, followed),
        trial=next(iter(winner.trials(tenant_id=tenant_id, runs_of=[latest])), None) if latest else None,
        variants=variants,
        variant=variant,
        said_by=presenters.said_by,
        measure_words=presenters.MEASURE_WORDS,
        winner_words=presenters.winner_rule,
        lift=lift.of(tenant_id=tenant_id, run_ids=runs),
        has_letter=letter is not None and letter.html is not None,
        called=letter and heat_map.called(tenant_id=tenant_id, tenant_name=organisation().name, letter=letter),
        side=side,
        sides=SIDE_LABELS,
        none_of=NONE_OF,
        rows=report.by(tenant_id=tenant_id, run_ids=runs, side=side),
        occurrences=report.occurrences(tenant_id=tenant_id, campaign_id=campaign_id)
        if campaign.type == RECURRING
        else [],
        **presenters.WORDS,
    )


@blueprint.get("/<uuid:campaign_id>/report/mail")
@requires("campaigns.view")
def report_mail(campaign_id: UUID) -> Response:
    """Show the letter as it was sent, with who followed which link, for a sandboxed frame."""
    tenant_id = current().tenant_id
    campaign, run_id, runs = _asked(campaign_id)
    latest = _latest(campaign, run_id)
    variant = _variant(latest)
    letter = heat_map.letter_of(tenant_id=tenant_id, run=latest, variant=variant) if latest else None
    html: str | None = None
    if letter is not None:
        of_it = [variant, experiment.to_rest(variant)] if variant else None
        followed = clicks.links(tenant_id=tenant_id, run_ids=runs, variants=of_it)
        html, _ = heat_map.drawn(tenant_id=tenant_id, tenant_name=organisation().name, letter=letter, followed=followed)
    response = Response(html or NO_MAIL.format("This letter can’t be drawn any more."), mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


def _behind() -> dict[str, Any]:
    side = asked_choice("by", report.SIDES)
    return {
        "what": asked_choice("what", report.NUMBERS) or "sent",
        "url": request.values.get("url") or None,
        "among": report.Among(side, request.values.get("of", "")) if side else None,
    }


def _called(among: report.Among) -> str:
    """Return the row of a side in words."""
    tenant_id, key = current().tenant_id, among.key
    if among.side == report.CHANNEL:
        return presenters.CHANNEL_LABELS.get(key, key)
    if among.side == report.PROVIDER or not key:
        return key or NONE_OF[among.side]
    if among.side == report.CLUB:
        return {one.id: one.name for one in clubs(tenant_id=tenant_id)}.get(UUID(key), NONE_OF[report.CLUB])
    return segments.names(tenant_id=tenant_id).get(UUID(key), "")


@blueprint.get("/<uuid:campaign_id>/report/people")
@requires("customers.view")
def report_people(campaign_id: UUID) -> Response:
    """List who is behind a number, or who followed a link."""
    if not can("campaigns.view"):
        raise Forbidden("Your role does not allow this (see campaigns and their numbers).")
    return _people(campaign_id)


def _people(campaign_id: UUID, status: int = 200, name: str | None = None, error: str | None = None) -> Response:
    campaign, run_id, runs = _asked(campaign_id)
    behind = _behind()
    found = report.people(tenant_id=current().tenant_id, run_ids=runs, cursor=request.args.get("cursor"), **behind)
    heading = WHAT_LABELS[behind["what"]] if behind["url"] is None else "Followed a link"
    among = behind["among"] and _called(behind["among"])
    called = ", ".join(filter(None, (f"{campaign.name}: {WHAT_LABELS[behind['what']].lower()}", among)))
    return page(
        "campaigns/report_people.html",
        block="results",
        status=status,
        campaign=campaign,
        run_id=run_id,
        page=found,
        heading=f"{heading}: {among}" if among else heading,
        name=name if name is not None else called[:200],
        error=error,
        **behind,
        **presenters.WORDS,
    )


@blueprint.post("/<uuid:campaign_id>/report/people/export")
@requires(PERMISSION)
def export_report_people(campaign_id: UUID) -> Response:
    """Give out who is behind a number."""
    tenant_id = current().tenant_id
    _, _, runs = _asked(campaign_id)
    behind = _behind()
    columns = ("customer_name", "to_address", "customer_id", "status", "reason", "at", "times", "id")
    return download(
        "campaign-people",
        seen_by="customers.view",
        header=columns,
        pages=lambda cursor, limit: report.people(
            tenant_id=tenant_id, run_ids=runs, cursor=cursor, limit=limit, **behind
        ),
        rows=lambda found: [[one[name] for name in columns] for one in found],
        filters={"campaign": campaign_id, **behind, "among": behind["among"] and asdict(behind["among"])},
    )


@blueprint.post("/<uuid:campaign_id>/report/people/segment")
@requires("segments.edit")
def report_segment(campaign_id: UUID) -> Response | Answer:
    """Make a segment of who is behind a number, and show it."""
    actor = current()
    _, _, runs = _asked(campaign_id)
    name = request.form.get("name", "")
    try:
        made = report.make_segment(
            tenant_id=actor.tenant_id,
            run_ids=runs,
            name=name,
            actor=actor.ref,
            actor_name=actor.name,
            **_behind(),
        )
    except UserError as refused:
        if "name" not in refused.errors:
            raise
        return _people(campaign_id, 422, name, refused.errors["name"])
    flash("The segment is made; its people are in it in a moment.", "success")
    if not can("segments.view"):
        return redirect(url_for("campaigns.report_page", campaign_id=campaign_id))
    return redirect(url_for("segments.show", segment_id=made))


@blueprint.post("/<uuid:campaign_id>/report/export")
@requires(PERMISSION)
def export_report(campaign_id: UUID) -> Response:
    """Give out the numbers: as they stand, by the hour of the campaign's zone, by link and by each kind of reader."""
    tenant_id = current().tenant_id
    campaign, run_id, runs = _asked(campaign_id)
    stats = queries.stats(tenant_id=tenant_id, campaign_id=campaign_id, run_id=run_id)
    figures = (*_shares(stats, presenters.has_opens(campaign, stats)), *_more(stats)[1:])
    rows: list[list[Any]] = [["", "", one.label.lower(), one.value] for one in figures]
    rows.append(["", "", "unknown", stats.unknown])
    rows += [["revenue", currency, "amount", amount] for currency, amount in stats.revenue.items()]
    there = ZoneInfo(campaign.timezone)
    rows += [
        ["hour", one.hour.astimezone(there).isoformat(), one.what, one.number]
        for one in report.hours(tenant_id=tenant_id, run_ids=runs)
    ]
    occurrences = [queries.run(tenant_id=tenant_id, campaign_id=campaign_id, run_id=one) for one in runs]
    for trial in winner.trials(tenant_id=tenant_id, runs_of=occurrences):
        when = "" if trial.run.occurrence == ONCE else f" {trial.run.occurrence}"
        subjects = presenters.subjects_of(trial.run)
        for standing in trial.outcome.standings:
            did = ("sent", "unknown", "opened", "clicked", "converted")
            called = standing.variant.name + when
            rows += [["variant", called, name, getattr(standing, name)] for name in did]
            if standing.variant.key in subjects:
                rows.append(["variant", called, "subject", subjects[standing.variant.key]])
    for link in clicks.links(tenant_id=tenant_id, run_ids=runs):
        rows += [["link", link.url, name, getattr(link, name)] for name in ("people", "times", "machines")]
    for side in report.SIDES:
        for row in report.by(tenant_id=tenant_id, run_ids=runs, side=side):
            names = ("sent", "unknown", "opened", "clicked", "converted", "bounced", "unsubscribed", "complained")
            rows += [[side, row.label, name, getattr(row, name)] for name in names]
    return download(
        "campaign-report",
        seen_by="campaigns.view",
        header=("of", "which", "what", "number"),
        pages=lambda _cursor, _limit: Page(rows, None),
        rows=lambda found: found,
        filters={"campaign": campaign_id, "run": run_id},
    )
