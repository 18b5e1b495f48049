"""The calendar: a month of campaigns, ran and to come; what is scheduled once can be moved to another day."""

import calendar as months
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.campaigns import approvals, presenters
from app.blueprints.campaigns.base import blueprint
from app.campaigns import awaiting, queries, service
from app.campaigns.models import ONE_TIME
from app.campaigns.states import Status
from app.infra import clock
from app.infra.errors import Conflict, Invalid
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.lists import wrong
from app.web.shell import organisation

_YEARS = range(2000, 2200)


@blueprint.get("/calendar")
@requires("campaigns.view")
def calendar() -> Response:
    """Show a month of campaigns."""
    zone = ZoneInfo(organisation().timezone)
    now = clock.now()
    today = now.astimezone(zone).date()
    shown = _month(today)
    weeks = months.Calendar().monthdatescalendar(shown.year, shown.month)
    found = queries.month(tenant_id=current().tenant_id, first=weeks[0][0], last=weeks[-1][-1], zone=zone, now=now)
    waiting = {entry.campaign.id: entry.campaign for entry in found if entry.status == Status.SCHEDULED}
    by_day: dict[date, list[queries.Entry]] = {}
    for entry in found:
        by_day.setdefault(entry.day, []).append(entry)
    return page(
        "campaigns/calendar.html",
        block="month",
        shown=shown,
        weeks=weeks,
        by_day=by_day,
        today=today,
        before=shown - timedelta(days=1),
        after=shown + timedelta(days=32),
        standings=awaiting.standings(tenant_id=current().tenant_id, campaigns=waiting.values()),
        scheduled=Status.SCHEDULED,
        **approvals.WORDS,
        **presenters.WORDS,
    )


def _month(today: date) -> date:
    """Return the first day of the month that is asked for, else of this one; raise Invalid for what is none."""
    given = request.args.get("month")
    if not given:
        return today.replace(day=1)
    try:
        found = datetime.strptime(given, "%Y-%m").date()  # noqa: DTZ007 - a month has no zone
    except ValueError:
        raise wrong("month", "is no month. Write it as 2026-11.") from None
    if found.year not in _YEARS:
        raise wrong("month", f"is too far away. The calendar goes from {_YEARS.start} to {_YEARS.stop - 1}.")
    return found


@blueprint.post("/<uuid:campaign_id>/move")
@requires("campaigns.edit")
def move(campaign_id: UUID) -> Answer:
    """Move a campaign that is scheduled once to another day, at the same time of day."""
    actor = current()
    campaign = queries.one(tenant_id=actor.tenant_id, campaign_id=campaign_id)
    start = campaign.schedule.get("start_at")
    day = _day(request.form.get("date"))
    back = redirect(url_for("campaigns.calendar", month=request.form.get("month") or None))
    if campaign.type != ONE_TIME or not start or day is None:
        flash("Only a campaign that is scheduled once can be moved, to a day.", "warning")
        return back
    # The calendar's days are the organisation's; the campaign's own day may be another one.
    here = datetime.fromisoformat(start)
    shown = here.date()
    if campaign.due_at is not None:
        shown = campaign.due_at.astimezone(ZoneInfo(organisation().timezone)).date()
    moved = here + (day - shown)
    try:
        service.change(
            tenant_id=actor.tenant_id,
            campaign_id=campaign_id,
            actor=actor.ref,
            changes={"schedule": {**campaign.schedule, "start_at": moved.isoformat(timespec="minutes")}},
        )
    except (Conflict, Invalid) as refused:
        flash(" ".join(refused.told.values()), "warning")
        return back
    flash(f"“{campaign.name}” is moved to {moved:%A, %-d %B %Y, %H:%M}.", "success")
    return redirect(url_for("campaigns.calendar", month=f"{day:%Y-%m}"))


def _day(given: str | None) -> date | None:
    try:
        found = date.fromisoformat(given or "")
    except ValueError:
        return None
    return found if found.year in _YEARS else None
