"""The way of a campaign: whom, what, when, review, send. Each step is a page that is saved when it is left."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.campaigns import approvals, pace, presenters
from app.blueprints.campaigns.base import blueprint
from app.blueprints.campaigns.forms import StepForm, WhatForm, WhenForm, WhomForm
from app.campaigns import best_time, experiment, queries, reach, readiness, schedule, service
from app.campaigns.models import TEMPLATES, Campaign
from app.campaigns.states import Act, check
from app.content import link_checks, picker
from app.content import queries as templates
from app.content.kind import kind_of
from app.content.letters import LetterSource
from app.content.link_checks import Tried
from app.customers.topics import topics
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, IsArchived, NotFound, UserError
from app.infra.ids import as_id, new_id
from app.messaging import sending_domains
from app.web.guards import can, current, requires
from app.web.htmx import page
from app.web.shell import number

STEPS = (("whom", "Whom"), ("what", "What"), ("when", "When"), ("goal", "Goal"), ("review", "Review"))
Lacking = dict[str, dict[str, str]]
"""What a campaign lacks, by step and setting."""


def step_page(
    step: str,
    campaign: Campaign | None,
    form: StepForm | None = None,
    *,
    status: int = 200,
    lacking: Lacking | None = None,
    **more: Any,
) -> Response:
    """Show a step of a campaign's way; `lacking` where that was asked already."""
    at = [name for name, _ in STEPS].index(step) + 1
    if lacking is None:
        lacking = _lacking(campaign) if campaign and at > 1 else {}
    return page(
        f"campaigns/{step}.html",
        status=status,
        campaign=campaign,
        form=form,
        steps=[(label, campaign and url_for(f"campaigns.{name}", campaign_id=campaign.id)) for name, label in STEPS],
        at=at,
        unfinished_steps={place for place, (name, _) in enumerate(STEPS, 1) if name in lacking},
        **presenters.WORDS,
        **more,
    )


def _lacking(campaign: Campaign) -> Lacking:
    """Return what a campaign lacks before it can be sent."""
    with transaction(campaign.tenant_id) as session:
        lacks = readiness.lacks(session, campaign)
    found: Lacking = {}
    for field, words in lacks.items():
        places = {"segment_id": "whom", "goal": "goal"}
        step = "when" if field.startswith("schedule") else places.get(field, "what")
        found.setdefault(step, {})[field] = words
    return found


@blueprint.get("/new")
@requires("campaigns.edit")
def new() -> Response | Answer:
    """Show the first step of a new campaign, or of the one that was made here: to it leads the browser's Back."""
    segment, key = request.args.get("segment"), as_id(request.args.get("key"))
    if key is None:
        return redirect(url_for("campaigns.new", segment=segment, key=new_id()))
    with suppress(NotFound):
        made = queries.one(tenant_id=current().tenant_id, campaign_id=key)
        return redirect(url_for("campaigns.whom", campaign_id=made.id))
    asked = as_id(segment)
    return _whom(None, WhomForm(data={"segment_id": asked and str(asked), "key": str(key)}))


@blueprint.post("/new")
@requires("campaigns.edit")
def create() -> Response | Answer:
    """Make a draft and go on to what it says."""
    actor, form = current(), WhomForm(request.form)
    try:
        made = service.create(
            tenant_id=actor.tenant_id,
            actor=actor.ref,
            actor_name=actor.name,
            given=form.values(),
            campaign_id=as_id(form["key"].data),
        )
    except UserError as refused:
        form.refuse(refused)
        return _whom(None, form, status=422)
    return redirect(url_for("campaigns.what", campaign_id=made.id))


def _whom(campaign: Campaign | None, form: WhomForm, status: int = 200, **more: Any) -> Response:
    known = queries.segment_choices(tenant_id=current().tenant_id)
    form.offer([(str(id_), f"{name} ({number(people)})") for id_, name, people in known])
    return step_page("whom", campaign, form, status=status, **more)


def changeable(campaign_id: UUID) -> Campaign:
    """Return a campaign that can be changed, or raise Conflict."""
    campaign = queries.one(tenant_id=current().tenant_id, campaign_id=campaign_id)
    if campaign.archived_at is not None:
        raise IsArchived("campaign")
    check(Act.CHANGE, campaign.status)
    return campaign


def _save(
    campaign_id: UUID,
    form: Any,
    again: Callable[..., Response],
    next_step: str,
    show: Callable[[UserError], bool] | None = None,
) -> Response | Answer:
    """Save a step and go on to the next; where that is refused, show the form again with why."""
    actor = current()
    try:
        service.change(
            tenant_id=actor.tenant_id,
            campaign_id=campaign_id,
            actor=actor.ref,
            changes=form.values(),
            version=form.seen,
        )
    except Conflict as refused:
        return again(
            queries.one(tenant_id=actor.tenant_id, campaign_id=campaign_id), form, 409, refused=refused.message
        )
    except Invalid as refused:
        if show is None or not show(refused):
            form.refuse(refused)
        return again(queries.one(tenant_id=actor.tenant_id, campaign_id=campaign_id), form, 422)
    return redirect(url_for(f"campaigns.{next_step}", campaign_id=campaign_id))


@blueprint.get("/<uuid:campaign_id>/whom")
@requires("campaigns.edit")
def whom(campaign_id: UUID) -> Response:
    """Show whom a campaign goes to."""
    campaign = changeable(campaign_id)
    return _whom(campaign, WhomForm(obj=campaign))


@blueprint.post("/<uuid:campaign_id>/whom")
@requires("campaigns.edit")
def save_whom(campaign_id: UUID) -> Response | Answer:
    """Save whom a campaign goes to."""
    return _save(campaign_id, WhomForm(request.form), _whom, "what")


@blueprint.get("/<uuid:campaign_id>/what")
@requires("campaigns.edit")
def what(campaign_id: UUID) -> Response:
    """Show what a campaign says."""
    campaign = changeable(campaign_id)
    form = WhatForm.of(campaign)
    if "lacks" in request.args:
        form.show(_lacking(campaign).get("what", {}))
    return _what(campaign, form)


@blueprint.post("/<uuid:campaign_id>/what")
@requires("campaigns.edit")
def save_what(campaign_id: UUID) -> Response | Answer:
    """Save what a campaign says, whose links are tried meanwhile; a button of its variants shows the form anew."""
    form = WhatForm(request.form)
    acted = form.acted(request.form.get("act", ""))
    if acted is not None:
        return _what(changeable(campaign_id), acted)
    answer = _save(campaign_id, form, _what, "when", show=lambda refused: form.show(refused.errors))
    if answer.status_code == 302:
        for source in _sources(queries.one(tenant_id=current().tenant_id, campaign_id=campaign_id)).values():
            link_checks.ask(tenant_id=current().tenant_id, source=source, now=clock.now())
    return answer


def _what(campaign: Campaign, form: WhatForm, status: int = 200, **more: Any) -> Response:
    tenant_id = current().tenant_id
    there = {one: templates.choices(tenant_id=tenant_id, channel=one) for one in form.ordered}
    senders = [
        (str(one["id"]), f"{one['name']} <{one['address']}>{'' if one['proven'] else ', its domain is not proven yet'}")
        for one in sending_domains.senders(tenant_id=tenant_id)
    ]
    subjects = templates.subjects(tenant_id=tenant_id)
    form.offer(there, [(str(one.id), one.name) for one in topics(tenant_id=tenant_id)], senders, subjects)
    return step_page(
        "what",
        campaign,
        form,
        status=status,
        block="variants",
        acted=request.form.get("act"),
        channels={one: TEMPLATES[one] for one in there},
        nouns={one: kind_of(one).noun for one in there},
        most_variants=experiment.MOST,
        has_senders=bool(senders),
        merge_tags=picker.tags_for_subject(tenant_id=tenant_id),
        **more,
    )


@blueprint.get("/<uuid:campaign_id>/when")
@requires("campaigns.edit")
def when(campaign_id: UUID) -> Response:
    """Show when a campaign is sent."""
    campaign = changeable(campaign_id)
    form = WhenForm.of(campaign)
    if "lacks" in request.args:
        form.show(_lacking(campaign).get("when", {}))
    return _when(campaign, form)


@blueprint.post("/<uuid:campaign_id>/when")
@requires("campaigns.edit")
def save_when(campaign_id: UUID) -> Response | Answer:
    """Save when a campaign is sent."""
    form = WhenForm(request.form)
    return _save(campaign_id, form, _when, "goal", show=lambda refused: form.show(refused.errors))


def _when(campaign: Campaign, form: WhenForm, status: int = 200, **more: Any) -> Response:
    return step_page("when", campaign, form, status=status, zones=sorted(available_timezones()), **more)


@blueprint.get("/<uuid:campaign_id>/review")
@requires("campaigns.edit")
def review(campaign_id: UUID) -> Response:
    """Show exactly who would get a campaign, who would not and why, and what is still missing."""
    tenant_id = current().tenant_id
    campaign = changeable(campaign_id)
    lacks = _lacking(campaign)
    now = clock.now()
    dates = queries.next_dates(tenant_id=tenant_id, campaign=campaign, now=now) if not lacks else []
    starts_now = schedule.starts_now(campaign.schedule, type_=campaign.type)
    trying = experiment.of(campaign.experiment)
    reached_now, reached = (None, None) if lacks else reach.planned(tenant_id=tenant_id, campaign=campaign, now=now)
    return step_page(
        "review",
        campaign,
        lacking=lacks,
        lacks=[
            (words, url_for(f"campaigns.{step}", campaign_id=campaign.id, lacks=1))
            for step, found in lacks.items()
            for words in found.values()
        ],
        too_late=not lacks and not dates and not starts_now,
        reach=reached,
        waiting=reached and presenters.waiting(campaign, reached),
        confirm_text=reached_now and presenters.before_sending(campaign, reached_now),
        pace=pace.planned(campaign, reached),
        trying=trying,
        winner_rule=trying and presenters.winner_rule(trying),
        variants=presenters.variants(campaign, reached),
        dates=dates,
        goal=presenters.goal_in_words(campaign),
        starts_now=starts_now,
        when=presenters.when(campaign),
        said=presenters.said(campaign),
        has_letter=presenters.has_letter(campaign),
        unfinished=presenters.said_with(campaign, readiness.unfinished(campaign)),
        tried=_tried(campaign),
        missing=readiness.without_value(campaign) if not lacks else [],
        unfilled=presenters.said_with(campaign, readiness.unfilled(campaign)),
        segment=presenters.segment_of(campaign),
        legal=presenters.legal(campaign),
        approval=None if lacks else approvals.shown(campaign),
        local=presenters.local,
        skipped_by_clocks=presenters.skipped_by_clocks,
        outlook=reached and _outlook(campaign, reached.people, dates[0] if dates else now, now),
        **approvals.WORDS,
    )


def _outlook(campaign: Campaign, people: int, begins: datetime, now: datetime) -> best_time.Outlook | None:
    """Return how many would get it in which hour; None where that is not by their best hours."""
    if campaign.schedule.get("mode") != schedule.BEST_TIME or not people:
        return None
    tenant_id = current().tenant_id
    return best_time.outlook(tenant_id=tenant_id, campaign=campaign, people=people, begins=begins, now=now)


def _sources(campaign: Campaign) -> dict[UUID, LetterSource]:
    """Return what a campaign or its variants say, by template."""
    tenant_id = campaign.tenant_id
    said = dict.fromkeys(one.template_id for one in readiness.says(campaign))
    return {one: templates.source(tenant_id=tenant_id, template_id=one) for one in said}


def _tried(campaign: Campaign) -> list[tuple[UUID, str, Tried]]:
    """Return how far the links of what a campaign says are tried, by template and its name."""
    if not can("templates.view"):
        return []
    found = [
        (template_id, link_checks.tried(tenant_id=campaign.tenant_id, source=source))
        for template_id, source in _sources(campaign).items()
    ]
    return [
        (template_id, templates.get(tenant_id=campaign.tenant_id, template_id=template_id).name, tried)
        for template_id, tried in found
        if tried.total
    ]
